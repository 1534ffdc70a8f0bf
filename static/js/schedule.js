// The parameters of a schedule: an editor for each kind, in step with the JSON text both ways, and what they mean.
// Marked up by templates/scheduling/forms/schedule.html; the text is what is sent.

import { balance, BOXES, fromParams, join, split, toParams, translate } from "./cron.js";
import { Preview } from "./schedule_preview.js";

/** The value that a text stands for: whole numbers and JSON as such, everything else as text. */
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

class Schedule {
  constructor(root) {
    this.root = root;
    this.form = root.closest("form");
    this.text = root.querySelector("textarea[name]");
    this.kind = this.form.elements.trigger;
    this.details = root.querySelector("details.as-json");
    this.boxes = BOXES.map((key) => root.querySelector(`[data-box="${key}"]`));
    this.expression = root.querySelector("[data-expression]");
    this.dialect = root.querySelector("[data-dialect]");
    this.kept = new Map(); // what was typed for the kinds chosen before
    this.chosen = this.kind.value;
    this.preview = new Preview(root, this.form);
    this.listen();
    this.show();
    this.details.open = false;
    this.fill();
    this.preview.ask();
  }

  listen() {
    this.kind.addEventListener("change", () => this.choose());
    this.text.addEventListener("input", () => this.fill());
    this.expression.addEventListener("input", () => this.expressionChanged());
    this.dialect.addEventListener("change", () => this.dialectChanged());
    this.boxes.forEach((box, index) => box.addEventListener("input", () => this.boxChanged(index)));
    for (const button of this.root.querySelectorAll("[data-preset]")) {
      button.addEventListener("click", () => this.preset(button.dataset.preset));
    }
    for (const input of this.root.querySelectorAll("[data-key]")) {
      input.addEventListener("input", () => this.inputChanged());
    }
    this.form.addEventListener("input", () => this.preview.soon());
    this.form.addEventListener("change", () => this.preview.soon());
  }

  editor() {
    return this.root.querySelector(`[data-editor="${this.kind.value}"]`);
  }

  show() {
    for (const editor of this.root.querySelectorAll("[data-editor]")) editor.hidden = editor !== this.editor();
  }

  choose() {
    this.kept.set(this.chosen, this.text.value);
    this.chosen = this.kind.value;
    this.text.value = this.kept.get(this.chosen) ?? "{}";
    this.show();
    this.fill();
    this.preview.soon();
  }

  /** From the JSON text to the inputs. */
  fill() {
    let params;
    try {
      params = JSON.parse(this.text.value.trim() || "{}");
    } catch {
      return; // half typed; the preview says so
    }
    if (typeof params !== "object" || params === null) return;
    if (this.kind.value === "cron") return this.fillCron(params);
    for (const input of this.editor()?.querySelectorAll("[data-key]") ?? []) {
      const text = textOf(params[input.dataset.key], input.dataset.as);
      // A picker of date and time knows no offset from UTC: such a time is shown as it was written.
      if (input.dataset.as === "moment") {
        input.type = /^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?)?$/.test(text) ? "datetime-local" : "text";
      }
      input.value = input.type === "datetime-local" ? text.replace(" ", "T") : text;
    }
  }

  fillCron(params) {
    const said = fromParams(params, [...this.dialect.options].map((option) => option.value));
    this.expression.value = said?.expression ?? "";
    if (said) this.dialect.value = said.dialect;
    this.fillBoxes();
  }

  fillBoxes() {
    this.said = this.dialect.value;
    const fields = split(this.expression.value, this.dialect.value);
    this.boxes.forEach((box, index) => {
      box.value = fields?.[index] ?? "";
    });
  }

  expressionChanged() {
    this.fillBoxes();
    this.write(this.expression.value.trim() ? toParams(this.expression.value, this.dialect.value) : {});
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
    this.write(first < 0 ? {} : toParams(this.expression.value, this.dialect.value));
  }

  preset(expression) {
    this.dialect.value = "unix";
    this.expression.value = expression;
    this.expressionChanged();
    this.preview.soon();
  }

  inputChanged() {
    const params = {};
    for (const input of this.editor().querySelectorAll("[data-key]")) {
      const value = valueOf(input.value, input.dataset.as);
      if (value !== undefined) params[input.dataset.key] = value;
    }
    this.write(params);
  }

  write(params) {
    this.text.value = JSON.stringify(params, null, 2);
  }
}

for (const root of document.querySelectorAll("[data-schedule]")) new Schedule(root);
