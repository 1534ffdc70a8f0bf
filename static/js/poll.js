// Parts of pages that live. <div data-live="/address/" data-cursor="…">: the address is asked again and again with
// ?cursor=…; an answer of 204 means that nothing is new, 200 brings the part's new content as HTML and the next cursor
// in the header X-Cursor. 2 s between questions, backing off to 10 s while nothing is new; none while the tab is hidden.
// data-every="60" asks every 60 s instead. X-Ended says that nothing more will come; with data-reload the page is then
// loaded once more, since what stands around the part is old. <span data-age-of="its id"> says how old what is shown
// is; while the server does not answer, #away says that too, and what is shown stays.
// The event jobsite:refresh on the part, after something was done, asks at once, but no more often than every second:
// of two refreshes in a row the second waits. It asks with ?fresh=1: what the server told others a moment ago will not
// do for somebody who has just pressed a button. Who comes back to the tab asks at once, but no more often than every
// 5 s. One part never asks twice at the same time.

import { distance } from "./times.js";

const LEAST = 2_000;
const MOST = 10_000;
const AFTER_ACTS = 1_000;
const AFTER_LOOKS = 5_000;
const PATIENCE = 15_000; // for one answer
const LONGEST_PRESS = 1_000; // that an answer waits for: a button that is replaced while it is pressed is not clicked

class Live {
  constructor(element) {
    this.element = element;
    this.least = 1_000 * Number(element.dataset.every) || LEAST;
    this.wait = this.least;
    this.asked = Date.now();
    this.timer = null;
    this.sent = 0;
    this.asking = this.again = false;
    this.refreshed = 0;
    this.pressed = false;
    this.letGo = () => {};
    element.addEventListener("pointerdown", () => (this.pressed = true));
    element.addEventListener("jobsite:refresh", () => this.refresh());
    this.schedule();
  }

  refresh() {
    clearTimeout(this.timer);
    const wait = Math.max(0, this.refreshed + AFTER_ACTS - Date.now());
    this.refreshed = Date.now() + wait;
    this.timer = setTimeout(() => this.ask({ fresh: true }), wait);
  }

  catchUp() {
    this.wait = Math.max(0, this.sent + AFTER_LOOKS - Date.now());
    this.schedule();
  }

  schedule() {
    clearTimeout(this.timer);
    if (document.hidden || !this.element.isConnected || this.element.dataset.ended) return;
    this.timer = setTimeout(() => this.ask(), this.wait);
  }

  async ask({ fresh = false } = {}) {
    if (this.asking) {
      this.again = true; // the answer on its way may be older than what was done meanwhile
      return;
    }
    this.asking = true;
    this.sent = Date.now();
    this.element.setAttribute("aria-busy", "true");
    await this.answer(fresh);
    this.element.removeAttribute("aria-busy");
    this.asking = false;
    if (!this.again) return this.schedule();
    this.again = false;
    this.ask({ fresh: true });
  }

  async answer(fresh) {
    const address = new URL(this.element.dataset.live, location.href);
    if (fresh) address.searchParams.set("fresh", "1");
    if (this.element.dataset.cursor) address.searchParams.set("cursor", this.element.dataset.cursor);
    try {
      const answer = await fetch(address, {
        credentials: "same-origin",
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE),
        headers: { "X-Requested-With": "fetch" },
      });
      if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) {
        location.reload(); // logged out meanwhile: the login page says so
        return;
      }
      if (answer.status === 200) {
        const html = await answer.text();
        if (this.pressed) await this.released();
        this.show(html, answer);
        this.wait = this.least;
      } else if (answer.status === 204) {
        this.wait = Math.max(this.least, Math.min(this.wait * 1.5, MOST));
      } else {
        throw new Error(`HTTP ${answer.status}`);
      }
      if (answer.headers.get("X-Ended")) this.end();
      this.asked = Date.now();
      this.stale(false);
    } catch {
      // The server is away: what is shown stays, says that it is old, and is asked for again.
      this.stale(true);
      this.wait = MOST;
    }
  }

  released() {
    return new Promise((resolve) => {
      this.letGo = resolve;
      setTimeout(resolve, LONGEST_PRESS); // let go outside the window, perhaps
    });
  }

  end() {
    this.element.dataset.ended = "1";
    if (this.element.dataset.reload !== undefined) location.reload();
  }

  stale(old) {
    this.element.toggleAttribute("data-stale", old);
    const away = document.getElementById("away");
    if (away) away.hidden = !document.querySelector("[data-live][data-stale]");
  }

  show(html, answer) {
    const cursor = answer.headers.get("X-Cursor");
    if (cursor !== null) this.element.dataset.cursor = cursor;
    if (this.element.dataset.append !== undefined) {
      const followed = this.element.scrollTop + this.element.clientHeight >= this.element.scrollHeight - 40;
      this.element.insertAdjacentHTML("beforeend", html);
      if (followed) this.element.scrollTop = this.element.scrollHeight;
    } else if (!this.element.contains(document.activeElement) || document.activeElement === document.body) {
      this.element.innerHTML = html;
    } else {
      // Somebody works in this part by keyboard: give the focus back to the same place.
      const id = document.activeElement.id;
      this.element.innerHTML = html;
      if (id) document.getElementById(id)?.focus();
    }
    this.element.dispatchEvent(new CustomEvent("jobsite:updated", { bubbles: true }));
  }
}

const parts = [...document.querySelectorAll("[data-live]")].map((element) => new Live(element));
document.addEventListener("visibilitychange", () => {
  for (const part of parts) {
    if (document.hidden) part.schedule();
    else part.catchUp();
  }
});

for (const type of ["pointerup", "pointercancel"]) {
  addEventListener(type, () =>
    // After the click, which follows in the same breath.
    setTimeout(() => {
      for (const part of parts) {
        part.pressed = false;
        part.letGo();
      }
    }),
  );
}

function showAges() {
  for (const part of parts) {
    const age = document.querySelector(`[data-age-of="${part.element.id}"]`);
    if (age) age.textContent = distance(part.asked - Date.now());
  }
}

showAges();
setInterval(showAges, 1_000);
