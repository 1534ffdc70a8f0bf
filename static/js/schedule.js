// The schedule of a task: the editor of the chosen kind, in step with the JSON text both ways, and what it means.
// Marked up by templates/scheduling/forms/schedule.html; the text is what is sent.

import { editorIn } from "./schedule_editors.js";
import { Preview } from "./schedule_preview.js";

class Schedule {
  constructor(root) {
    this.root = root;
    this.form = root.closest("form");
    this.text = root.querySelector("textarea[name]");
    this.kind = this.form.elements.trigger;
    this.details = root.querySelector("details.as-json");
    this.editors = new Map();
    for (const element of root.querySelectorAll(":scope > [data-editor]")) {
      this.editors.set(element.dataset.editor, { element, editor: editorIn(element, () => this.write()) });
    }
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
    this.root.addEventListener("click", (event) => this.offered(event.target.closest("[data-set-minute], [data-set-spread]")));
    this.form.addEventListener("input", () => this.preview.soon());
    this.form.addEventListener("change", () => this.preview.soon());
  }

  editor() {
    return this.editors.get(this.kind.value)?.editor;
  }

  show() {
    for (const [kind, { element }] of this.editors) element.hidden = kind !== this.kind.value;
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
    if (typeof params === "object" && params !== null && !Array.isArray(params)) this.editor()?.fill(params);
  }

  /** From the inputs to the JSON text. */
  write() {
    this.text.value = JSON.stringify(this.editor().read(), null, 2);
    this.preview.soon();
  }

  /** Takes an offer of the preview: a minute with fewer others, or a spread. */
  offered(button) {
    if (!button) return;
    if (button.dataset.setMinute !== undefined) this.editor().setMinute(button.dataset.setMinute);
    else this.form.elements.spread_seconds.value = button.dataset.setSpread;
    this.preview.soon();
  }
}

for (const root of document.querySelectorAll("[data-schedule]")) new Schedule(root);
