// What a schedule means, asked of the server while it is typed: not more than once in 300 ms, and only the last answer
// is shown.

const WAIT = 300;
// What is still being counted is asked for again after this.
const AGAIN = 1_500;
const FIELDS = [
  "key", "trigger", "trigger_params", "time_zone", "start_at_0", "start_at_1", "end_at_0", "end_at_1",
  "clock_gap", "clock_overlap", "spread_seconds", "calendar", "calendar_policy", "max_runs",
];

export class Preview {
  constructor(root, form) {
    this.root = root;
    this.form = form;
    this.place = root.querySelector("[data-preview]");
    this.timer = null;
    this.asking = null;
    this.asked = "";
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), WAIT);
  }

  /** The same question once more. */
  again() {
    this.asked = "";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), AGAIN);
  }

  async ask() {
    const address = new URL(this.root.dataset.previewAddress, location.href);
    for (const name of FIELDS) address.searchParams.set(name, this.form.elements[name]?.value ?? "");
    if (this.root.dataset.task) address.searchParams.set("task", this.root.dataset.task);
    if (address.search === this.asked) return;
    this.asked = address.search;
    this.asking?.abort();
    this.asking = new AbortController();
    try {
      const answer = await fetch(address, { credentials: "same-origin", signal: this.asking.signal });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      this.place.innerHTML = await answer.text();
      this.place.hidden = false;
      this.place.removeAttribute("data-stale");
      if (this.place.querySelector("[data-again]")) this.again();
      this.place.dispatchEvent(new CustomEvent("jobsite:updated", { bubbles: true }));
    } catch (error) {
      if (error.name === "AbortError") return;
      this.asked = "";
      this.place.setAttribute("data-stale", ""); // what is shown is old; the next key asks again
    }
  }
}
