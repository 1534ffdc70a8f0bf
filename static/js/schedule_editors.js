// The parameters of a schedule as inputs, an editor for each kind: fill(params) shows them, read() gives them back.
// Marked up by templates/scheduling/forms/schedule.html. A combination has parts, each with the editors of its own kind:
// copies of those in the page.

import { balance, BOXES, fromParams, join, split, toParams, translate } from "./cron.js";

/** The value that a text stands for: whole numbers, yes and JSON as such, everything else as text. */
function valueOf(text, as) {
  const plain = text.trim();
  if (!plain) return undefined;
  if (as === "integer") return /^\d+$/.test(plain) ? Number(plain) : plain;
  if (as === "moments") return plain.split("\n").map((line) => line.trim()).filter(Boolean);
  if (as === "json") {
    try {
      return JSON.parse(plain);
    } catch {
      return plain;
    }
  }
  return plain;
}

function textOf(value, as) {
  if (value === undefined || value === null) return "";
  if (as === "moments" && Array.isArray(value)) return value.join("\n");
  return typeof value === "string" ? value : JSON.stringify(value);
}

const isMapping = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The editor of one kind. `changed` is called when a person has changed something in it. */
export function editorIn(element, changed) {
  return element.querySelector("[data-expression]") ? new CronEditor(element, changed) : new InputsEditor(element, changed);
}

class CronEditor {
  constructor(root, changed) {
    this.changed = changed;
    this.boxes = BOXES.map((key) => root.querySelector(`[data-box="${key}"]`));
    this.expression = root.querySelector("[data-expression]");
    this.dialect = root.querySelector("[data-dialect]");
    this.said = this.dialect.value;
    this.params = {};
    this.expression.addEventListener("input", () => this.expressionChanged());
    this.dialect.addEventListener("change", () => this.dialectChanged());
    this.boxes.forEach((box, index) => box.addEventListener("input", () => this.boxChanged(index)));
    for (const button of root.querySelectorAll("[data-preset]")) {
      button.addEventListener("click", () => this.preset(button.dataset.preset));
    }
  }

  read() {
    return this.params;
  }

  fill(params) {
    const said = fromParams(params, [...this.dialect.options].map((option) => option.value));
    this.expression.value = said?.expression ?? "";
    if (said) this.dialect.value = said.dialect;
    this.params = params;
    this.fillBoxes();
  }

  fillBoxes() {
    this.said = this.dialect.value;
    const fields = split(this.expression.value, this.dialect.value);
    this.boxes.forEach((box, index) => {
      box.value = fields?.[index] ?? "";
    });
  }

  say(params) {
    this.params = params;
    this.changed();
  }

  expressionChanged() {
    this.fillBoxes();
    this.say(this.expression.value.trim() ? toParams(this.expression.value, this.dialect.value) : {});
  }

  /** The same schedule in the other dialect, as far as it can be said there. */
  dialectChanged() {
    const texts = split(this.expression.value, this.said);
    if (texts) this.expression.value = join(translate(texts, this.said, this.dialect.value), this.dialect.value);
    this.expressionChanged();
  }

  boxChanged(index) {
    const texts = this.boxes.map((box) => box.value.replace(/\s+/g, ""));
    if (!texts.some(Boolean)) texts.fill("");
    // A box left empty below the finest one that says something is at its start.
    const first = texts.findIndex(Boolean);
    let full = texts.map((text, place) => text || (place < first && place < 3 ? "0" : "*"));
    if (this.dialect.value === "quartz") {
      full = balance(full, index);
      this.boxes.forEach((box, place) => {
        if (full[place] === "?" || box.value === "?") box.value = full[place];
      });
    }
    this.expression.value = first < 0 ? "" : join(full, this.dialect.value);
    this.say(first < 0 ? {} : toParams(this.expression.value, this.dialect.value));
  }

  preset(expression) {
    this.dialect.value = "unix";
    this.expression.value = expression;
    this.expressionChanged();
  }

  /** Another minute, everything else as it is. */
  setMinute(text) {
    const place = BOXES.indexOf("minute");
    this.boxes[place].value = text;
    this.boxChanged(place);
  }
}

class InputsEditor {
  constructor(root, changed) {
    this.inputs = [...root.querySelectorAll("[data-key]")].filter((input) => input.closest("[data-editor]") === root);
    this.lists = new Map();
    for (const input of this.inputs) {
      if (input.dataset.as === "parts") this.lists.set(input, new Parts(input, changed));
      else input.addEventListener(input.type === "checkbox" ? "change" : "input", changed);
    }
    for (const button of root.querySelectorAll("[data-preset]")) {
      if (button.closest("[data-editor]") !== root) continue;
      button.addEventListener("click", () => {
        this.inputs.find((input) => input.dataset.key === button.dataset.presetKey).value = button.dataset.preset;
        changed();
      });
    }
  }

  read() {
    const params = {};
    for (const input of this.inputs) {
      const value = this.valueOf(input);
      if (value !== undefined) params[input.dataset.key] = value;
    }
    return params;
  }

  valueOf(input) {
    if (this.lists.has(input)) return this.lists.get(input).read();
    if (input.type === "checkbox") return input.checked ? true : undefined;
    return valueOf(input.value, input.dataset.as);
  }

  fill(params) {
    for (const input of this.inputs) this.show(input, params[input.dataset.key]);
  }

  show(input, value) {
    if (this.lists.has(input)) return this.lists.get(input).fill(value);
    if (input.type === "checkbox") {
      input.checked = value === true;
      return;
    }
    const text = textOf(value, input.dataset.as);
    // A picker of date and time knows no offset from UTC: such a time is shown as it was written.
    if (input.dataset.as === "moment") {
      input.type = /^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?)?$/.test(text) ? "datetime-local" : "text";
    }
    input.value = input.type === "datetime-local" ? text.replace(" ", "T") : text;
  }
}

/** The parts of a combination under one of its keys: data-least to data-most of them; one alone is no list. */
class Parts {
  constructor(root, changed) {
    this.root = root;
    this.changed = changed;
    this.schedule = root.closest("[data-schedule]");
    this.list = root.querySelector("[data-parts]");
    this.add = root.querySelector("[data-add-part]");
    this.least = Number(root.dataset.least);
    this.most = Number(root.dataset.most);
    this.parts = [];
    this.add.addEventListener("click", () => {
      this.append().kind.focus();
      this.changed();
    });
  }

  read() {
    const values = this.parts.map((part) => part.read());
    return this.most === 1 ? values[0] : values;
  }

  fill(value) {
    const values = (this.most === 1 ? [value] : Array.isArray(value) ? value : []).filter(isMapping);
    this.parts = [];
    this.list.replaceChildren();
    while (values.length < this.least) values.push({});
    for (const each of values) this.append(each);
  }

  append(value = {}) {
    const part = new Part(this.schedule, this.changed, () => this.drop(part));
    this.parts.push(part);
    this.list.append(part.root);
    part.fill(value);
    this.count();
    return part;
  }

  drop(part) {
    const index = this.parts.indexOf(part);
    this.parts.splice(index, 1);
    part.root.remove();
    this.count();
    (this.parts[Math.min(index, this.parts.length - 1)]?.kind ?? this.add).focus();
    this.changed();
  }

  /** Numbers the parts, and offers only what may be done. */
  count() {
    this.parts.forEach((part, index) => part.number(index + 1, this.most > 1, this.parts.length > this.least));
    this.add.hidden = this.parts.length >= this.most;
  }
}

class Part {
  constructor(schedule, changed, drop) {
    this.schedule = schedule;
    this.changed = changed;
    this.root = schedule.querySelector("template[data-part]").content.firstElementChild.cloneNode(true);
    this.kind = this.root.querySelector("[data-part-kind]");
    this.place = this.root.querySelector("[data-part-editor]");
    this.title = this.root.querySelector("[data-part-title]");
    this.dropButton = this.root.querySelector("[data-drop-part]");
    this.kept = new Map(); // what was said for the kinds chosen before
    this.kind.addEventListener("change", () => this.choose());
    this.dropButton.addEventListener("click", drop);
  }

  number(place, numbered, mayDrop) {
    const words = numbered ? this.title.dataset.numbered.replace("{number}", place) : this.title.dataset.alone;
    this.title.textContent = words;
    this.kind.setAttribute("aria-label", `${words}: ${this.kind.dataset.label}`);
    this.dropButton.setAttribute("aria-label", `${this.dropButton.textContent.trim()}: ${words}`);
    this.dropButton.hidden = !mayDrop;
  }

  read() {
    return { trigger: this.kind.value, params: this.editor?.read() ?? this.params };
  }

  fill(value) {
    const kind = typeof value.trigger === "string" ? value.trigger : this.kind.options[0].value;
    if (![...this.kind.options].some((option) => option.value === kind)) this.kind.add(new Option(kind, kind));
    this.kind.value = kind;
    this.show(isMapping(value.params) ? value.params : {});
  }

  choose() {
    this.kept.set(this.shown, this.editor?.read() ?? this.params);
    this.show(this.kept.get(this.kind.value) ?? {});
    this.changed();
  }

  show(params) {
    this.shown = this.kind.value;
    this.params = params;
    this.place.replaceChildren();
    const original = this.schedule.querySelector(`:scope > [data-editor="${CSS.escape(this.kind.value)}"]`);
    if (!original) {
      this.editor = null; // a kind that is unknown here: what it says stays as it is
      return;
    }
    const copy = original.cloneNode(true);
    copy.hidden = false;
    for (const list of copy.querySelectorAll("[data-parts]")) list.replaceChildren();
    this.place.append(copy);
    this.editor = editorIn(copy, this.changed);
    this.editor.fill(params);
  }
}
