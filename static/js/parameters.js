// The parameters of a function as fields, in step with their JSON text both ways. The text is what is sent.
// Marked up by templates/scheduling/forms/parameters.html and fields.html.

const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const LONG = /\d{16,}/; // JavaScript would round such numbers

/** The JSON value that a text stands for; a text that stands for none is kept: the server says what is wrong. */
function scalar(text, kind) {
  if (kind === "integer" && INTEGER.test(text)) return Number(text);
  if (kind === "number" && NUMBER.test(text)) return Number(text);
  return text;
}

/** What a field says; undefined when it is left empty. */
export function read(kind, items, text) {
  if (kind === "json" || kind === "choice" || kind === "boolean") {
    if (!text.trim()) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  if (kind === "list") {
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
    return lines.length ? lines.map((line) => scalar(line, items)) : undefined;
  }
  if (text === "") return undefined;
  return scalar(kind === "text" || kind === "lines" ? text : text.trim(), kind);
}

/** How a value is shown in a field. */
export function shown(kind, value) {
  if (value === undefined || value === null) return "";
  if (kind === "list" && Array.isArray(value) && value.every((item) => typeof item !== "object")) return value.join("\n");
  if (kind === "json" || kind === "choice" || kind === "boolean") return JSON.stringify(value, null, 1);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

class Parameters {
  constructor(root) {
    this.root = root;
    this.fields = root.querySelector("[data-fields]");
    this.details = root.querySelector("details");
    this.text = root.querySelector("textarea[name]");
    this.chooser = root.dataset.chooser ? document.getElementById(root.dataset.chooser) : null;
    this.kept = new Map(); // what was typed for functions chosen before
    // Fields beside these: what stands in them as long as nobody has typed in them.
    this.takes = new Map();
    for (const name of root.dataset.takes.split(" ").filter(Boolean)) {
      const input = document.getElementById(`id_${name}`);
      if (input) this.takes.set(input, input.value);
    }
    this.shown = this.wanted = this.chooser?.value;
    this.fields.hidden = false;
    this.fields.addEventListener("input", (event) => this.fieldChanged(event.target));
    this.fields.addEventListener("change", (event) => this.fieldChanged(event.target));
    this.text.addEventListener("input", () => this.fill());
    this.chooser?.addEventListener("change", () => this.choose());
    this.fill();
    // The JSON is for those who want it, and where fields cannot say what is there.
    this.details.open = this.value() === null || (this.places().length === 0 && this.text.value.trim().length > 2);
  }

  places() {
    return [...this.fields.querySelectorAll("[data-parameter]")];
  }

  value() {
    try {
      const value = JSON.parse(this.text.value.trim() || "{}");
      return isObject(value) ? value : null;
    } catch {
      return null;
    }
  }

  fill() {
    const value = this.value();
    const long = LONG.test(this.text.value);
    let fault = "";
    if (value === null) fault = this.root.dataset.notJson;
    else if (long) fault = this.root.dataset.noNumber;
    this.say(fault);
    for (const place of this.places()) {
      const input = place.querySelector("input, select, textarea");
      input.disabled = Boolean(fault);
      if (value !== null) input.value = shown(place.dataset.kind, value[place.dataset.parameter]);
    }
  }

  say(fault) {
    let place = this.details.querySelector(".fault");
    if (!place) {
      place = document.createElement("p");
      place.className = "fault";
      place.setAttribute("role", "status");
      this.details.append(place);
    }
    place.textContent = fault;
    if (fault) this.details.open = true;
  }

  fieldChanged(input) {
    const place = input.closest("[data-parameter]");
    if (!place) return;
    const all = this.value() ?? {};
    const value = read(place.dataset.kind, place.dataset.items, input.value);
    if (value === undefined) delete all[place.dataset.parameter];
    else all[place.dataset.parameter] = value;
    this.text.value = Object.keys(all).length ? JSON.stringify(all, null, 2) : "{}";
    input.removeAttribute("aria-invalid");
  }

  async choose() {
    const wanted = (this.wanted = this.chooser.value);
    const address = new URL(this.root.dataset.fieldsAddress, location.href);
    address.searchParams.set("function", wanted);
    const answer = await fetch(address, { credentials: "same-origin" });
    const html = await answer.text();
    // Who goes through the list by keyboard chooses many: the last one counts, in whatever order answers come.
    if (!answer.ok || wanted !== this.wanted) return; // the JSON text is still there
    this.kept.set(this.shown, this.text.value);
    const before = this.value() ?? {};
    this.shown = wanted;
    this.fields.innerHTML = html;
    this.take(JSON.parse(this.fields.querySelector("[data-declared]")?.dataset.declared ?? "{}"));
    if (this.kept.has(wanted)) {
      this.text.value = this.kept.get(wanted);
    } else {
      const names = this.places().map((place) => place.dataset.parameter);
      const left = Object.fromEntries(Object.entries(before).filter(([name]) => names.includes(name)));
      this.text.value = JSON.stringify(left, null, 2);
    }
    this.fill();
  }

  /** What the function declares goes into the fields in which nobody has typed. */
  take(declared) {
    for (const [input, given] of this.takes) {
      const name = input.id.replace(/^id_/, "");
      if (input.value !== given || !(name in declared)) continue;
      input.value = declared[name] ?? "";
      this.takes.set(input, input.value);
    }
  }
}

for (const root of document.querySelectorAll("[data-parameters]")) new Parameters(root);
