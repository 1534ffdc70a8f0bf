// A cron schedule as seven boxes, as one expression and as trigger parameters: pure functions between the three.

export const BOXES = ["second", "minute", "hour", "day", "month", "day_of_week", "year"];
const MINIMUM = [
  ["second", "0"],
  ["minute", "0"],
  ["hour", "0"],
  ["day_of_week", "*"],
  ["day", "1"],
  ["month", "1"],
];
const MACROS = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

/** The seven texts of an expression, or null when its fields cannot be told. */
export function split(expression, dialect) {
  const text = expression.trim();
  if (text.startsWith("@") && !MACROS[text.toLowerCase()]) return null;
  const fields = (MACROS[text.toLowerCase()] ?? text).split(/\s+/).filter(Boolean);
  if (fields.length === 5 && (dialect !== "quartz" || text.startsWith("@"))) return ["0", ...fields, "*"];
  if (fields.length === 6) return [...fields, "*"];
  return fields.length === 7 ? fields : null;
}

/** The shortest expression that says the same as the seven texts. */
export function join(boxes, dialect) {
  const [second, ...rest] = boxes.map((text) => text.trim() || "*");
  const year = rest.pop();
  if (year !== "*") return [second, ...rest, year].join(" ");
  return (second === "0" && dialect !== "quartz" ? rest : [second, ...rest]).join(" ");
}

const DAY = 3;
const WEEKDAY = 5;
const NAMES = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/** The same seven texts in another dialect: weekdays are numbered differently, so they become names. */
export function translate(boxes, from, to) {
  const texts = boxes.map((text) => text.trim() || "*");
  if (from === to) return texts;
  const first = from === "quartz" ? 1 : 0;
  // A number alone or in a range; not the 3 of FRI#3 and of */3.
  texts[WEEKDAY] = texts[WEEKDAY].replace(/(?<![#/\w])[0-7](?!\d)/g, (digit) => NAMES[(Number(digit) - first + 7) % 7]);
  return to === "quartz" ? balance(texts, DAY) : texts.map((text) => (text === "?" ? "*" : text));
}

/** In the quartz dialect one of the two day fields is "?": the one that says nothing gives way to the one just typed. */
export function balance(boxes, changed) {
  const texts = [...boxes];
  const other = changed === WEEKDAY ? DAY : WEEKDAY;
  const free = (text) => text === "*" || text === "?" || text === "";
  if (changed === DAY || changed === WEEKDAY) {
    if (texts[changed] === "?" && texts[other] === "?") texts[other] = "*";
    else if (texts[changed] !== "?" && free(texts[other])) {
      // "every day" beside a weekday says less than the weekday
      if (texts[changed] === "*" && texts[other] !== "?" && texts[other] !== "*" && texts[other] !== "") texts[changed] = "?";
      else texts[other] = "?";
    } else if (texts[changed] === "*" && texts[other] !== "?") texts[changed] = "?";
  }
  return texts;
}

/** The trigger parameters of an expression. One of unix with a year is written as named fields: it has no such place. */
export function toParams(expression, dialect) {
  const text = expression.trim().replace(/\s+/g, " ");
  const fields = text.split(" ");
  if (dialect === "quartz" || fields.length !== 7) return { dialect, expression: text };
  return { dialect, ...Object.fromEntries(BOXES.map((key, index) => [key, fields[index]])) };
}

/** Expression and dialect of trigger parameters; null when they are none of cron. */
export function fromParams(params, dialects) {
  const dialect = typeof params.dialect === "string" ? params.dialect : dialects[0];
  if (typeof params.expression === "string") return { expression: params.expression, dialect };
  if (!BOXES.some((key) => params[key] !== undefined && params[key] !== null)) return null;
  const texts = Object.fromEntries(
    BOXES.filter((key) => params[key] !== undefined && params[key] !== null).map((key) => [key, String(params[key])]),
  );
  for (const [key, minimum] of MINIMUM) {
    if (texts[key] !== undefined) break;
    texts[key] = minimum;
  }
  return { expression: join(BOXES.map((key) => texts[key] ?? "*"), dialect), dialect };
}
