// Parts of pages that live. <div data-live="/address/" data-cursor="…">: the address is asked again and again with
// ?cursor=…; an answer of 204 means that nothing is new, 200 brings the part's new content as HTML and the next cursor
// in the header X-Cursor. 2 s between questions, backing off to 10 s while nothing is new; none while the tab is hidden.
// data-every="60" asks every 60 s instead. <span data-age> inside or beside it (or <span data-age-of="its id">
// anywhere) says how old what is shown is. The event jobsite:refresh on the part asks at once, but no more often than
// every second: of two refreshes in a row the second waits. It asks with ?fresh=1: what the server told others a moment
// ago will not do for somebody who has just pressed a button.

import { distance } from "./times.js";

const LEAST = 2_000;
const THROTTLE = 1_000;
const MOST = 10_000;

class Live {
  constructor(element) {
    this.element = element;
    this.least = 1_000 * Number(element.dataset.every) || LEAST;
    this.wait = this.least;
    this.asked = Date.now();
    this.timer = null;
    this.refreshed = 0;
    element.addEventListener("jobsite:refresh", () => this.refresh());
    this.schedule();
  }

  refresh() {
    clearTimeout(this.timer);
    const wait = Math.max(0, this.refreshed + THROTTLE - Date.now());
    this.refreshed = Date.now() + wait;
    this.timer = setTimeout(() => this.ask({ fresh: true }), wait);
  }

  schedule() {
    clearTimeout(this.timer);
    if (document.hidden || !this.element.isConnected || this.element.dataset.ended) return;
    this.timer = setTimeout(() => this.ask(), this.wait);
  }

  async ask({ fresh = false } = {}) {
    const address = new URL(this.element.dataset.live, location.href);
    if (fresh) address.searchParams.set("fresh", "1");
    if (this.element.dataset.cursor) address.searchParams.set("cursor", this.element.dataset.cursor);
    try {
      const answer = await fetch(address, {
        credentials: "same-origin",
        redirect: "manual",
        headers: { "X-Requested-With": "fetch" },
      });
      if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) {
        location.reload(); // logged out meanwhile: the login page says so
        return;
      }
      if (answer.status === 200) {
        this.show(await answer.text(), answer);
        this.wait = this.least;
      } else if (answer.status === 204) {
        this.wait = Math.max(this.least, Math.min(this.wait * 1.5, MOST));
      } else {
        throw new Error(`HTTP ${answer.status}`);
      }
      if (answer.headers.get("X-Ended")) this.element.dataset.ended = "1"; // nothing new will come
      this.asked = Date.now();
      this.element.removeAttribute("data-stale");
    } catch {
      // The server is away: what is shown stays, says that it is old, and is asked for again.
      this.element.setAttribute("data-stale", "");
      this.wait = MOST;
    }
    this.schedule();
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
    part.wait = part.least;
    if (!document.hidden) part.ask();
    else part.schedule();
  }
});

function showAges() {
  for (const part of parts) {
    const age =
      document.querySelector(`[data-age-of="${part.element.id}"]`) ??
      part.element.querySelector("[data-age]") ??
      part.element.parentElement?.querySelector("[data-age]");
    if (age) age.textContent = distance(part.asked - Date.now());
  }
}

showAges();
setInterval(showAges, 1_000);
