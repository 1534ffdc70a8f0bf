// The board: buttons ask in a dialog where it matters, act without leaving the page, say what happened in a toast, and
// have the cards refreshed. Without JavaScript the same buttons submit their forms.

import { busy, renewKeys } from "./busy.js";
import { confirmed } from "./confirm.js";

const cards = document.getElementById("cards");
const form = document.getElementById("act");
const toasts = document.getElementById("toasts");
const TOAST = 6_000;

function toast(text, { bad = false, address = "" } = {}) {
  const element = document.createElement("div");
  element.className = bad ? "toast bad" : "toast";
  if (address) {
    const link = document.createElement("a");
    link.href = address;
    link.textContent = text;
    element.append(link);
  } else {
    element.textContent = text;
  }
  toasts.append(element);
  setTimeout(() => element.remove(), bad ? 2 * TOAST : TOAST);
}

async function act(button) {
  if (button.getAttribute("aria-busy") || !(await confirmed(button))) return;
  const focused = document.activeElement === button; // a disabled button loses it
  busy(button, true);
  try {
    const answer = await fetch(button.dataset.action ?? button.formAction, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new FormData(form),
      credentials: "same-origin",
    });
    if (answer.status === 401) {
      location.reload(); // logged out meanwhile: the login page says so
      return;
    }
    const said = await answer.json();
    renewKeys(form); // where no answer came, the key stays: pressed again, what was done is not done twice
    if (answer.ok) toast(said.message, { address: said.execution?.url });
    else toast(said.error.message, { bad: true });
  } catch {
    toast(toasts.dataset.offline, { bad: true });
  } finally {
    busy(button, false);
    if (focused) button.focus();
  }
  cards.dispatchEvent(new Event("jobsite:refresh"));
}

cards.addEventListener("click", (event) => {
  const button = event.target.closest("[data-verb]");
  if (!button || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  act(button);
});

document.getElementById("filters").addEventListener("change", (event) => {
  if (event.target.matches("select")) event.target.form.requestSubmit();
});
