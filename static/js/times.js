// Times as people read them: relative and in the viewer's zone, UTC on hover. Kept up to date while the page is open.
// Marked up by the template filter `moment`: <time datetime="…" data-moment data-zone="…">.

/** The page's language, as it is spoken where the reader lives: day before month in London, not in New York. */
function spoken(pages) {
  return navigator.languages.find((known) => pages === "en" && known.startsWith("en-")) ?? (pages || undefined);
}

const language = spoken(document.documentElement.lang);
// Chinese puts the zone between the day and the time; as ISO has it, times stand below each other, like those of the server.
const dates = language?.startsWith("zh") ? "sv" : language;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** "in 3 minutes", "2 hours ago". */
export function distance(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / length), unit);
}

/** The absolute time in the zone, which it names. */
export function absolute(at, zone) {
  return new Intl.DateTimeFormat(dates, {
    dateStyle: dates === "sv" ? "short" : "medium",
    timeStyle: "long", // with the zone
    ...(zone ? { timeZone: zone } : {}),
  }).format(at);
}

/** "30 Nov, 07:30:00": for narrow columns, the year only where it is another one; the zone is in the title. */
function compact(at, zone, now) {
  const other = at.getFullYear() !== new Date(now).getFullYear();
  return new Intl.DateTimeFormat(language, {
    ...(other ? { year: "numeric" } : {}),
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    ...(zone ? { timeZone: zone } : {}),
  }).format(at);
}

/** "1:02:03", "4:05"; days in words, because nobody counts those in seconds. */
export function clockOf(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds >= 86_400) return new Intl.NumberFormat(language, { style: "unit", unit: "day" }).format(Math.floor(seconds / 86_400));
  const [hours, minutes, rest] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** "13:05:07.123", the same in every language: for lines of a log. */
function timeOfDay(at, zone) {
  return new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    ...(zone ? { timeZone: zone } : {}),
  }).format(at);
}

/** What a time reads as: absolute and relative, "relative" alone, "compact", "countdown" to it, "elapsed" since it, or the "clock" alone. */
function reading(kind, at, zone, now) {
  if (kind === "relative") return distance(at - now);
  if (kind === "absolute") return absolute(at, zone);
  if (kind === "compact") return compact(at, zone, now);
  if (kind === "countdown") return at > now ? clockOf(at - now) : relative.format(0, "second");
  if (kind === "clock") return timeOfDay(at, zone);
  if (kind === "elapsed") return clockOf(now - at);
  return `${absolute(at, zone)} (${distance(at - now)})`;
}

function zoneName(zone) {
  return zone || Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function showTimes(root = document) {
  const now = Date.now();
  for (const element of root.querySelectorAll("time[data-moment]")) {
    if (element.dataset.moment === "clock" && element.dataset.utc) continue; // stands as it is, and there are many
    const at = new Date(element.dateTime);
    const zone = element.dataset.zone;
    if (!element.dataset.utc) element.dataset.utc = element.title;
    element.title = `${absolute(at, zone)} ${zoneName(zone)} · ${element.dataset.utc}`;
    const text = reading(element.dataset.moment, at, zone, now);
    if (element.textContent !== text) element.textContent = text;
  }
  for (const bar of root.querySelectorAll("progress[data-since]")) {
    bar.value = Math.min(now - new Date(bar.dataset.since), bar.max * 0.98);
  }
}

// The server draws days as the viewer's zone has them.
document.cookie = `jobsite_zone=${encodeURIComponent(zoneName(""))}; path=/; max-age=31536000; samesite=lax`;

showTimes();
setInterval(() => {
  if (!document.hidden) showTimes();
}, 1000);
document.addEventListener("jobsite:updated", (event) => showTimes(event.target));
