// The board: buttons ask in a dialog where it matters, act without leaving the page, say what happened in a toast, and
// have the cards refreshed. Without JavaScript the same buttons submit their forms.

const cards = document.getElementById("cards");
const form = document.getElementById("act");
const dialog = document.getElementById("confirm");
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

/** Whether the person says yes. What is not to be confirmed is a yes. */
function confirmed(button) {
  if (!button.dataset.title) return Promise.resolve(true);
  dialog.querySelector("h2").textContent = button.dataset.title;
  dialog.querySelector("p").textContent = button.dataset.text;
  const yes = dialog.querySelector("[value=yes]");
  yes.textContent = button.textContent.replace(button.querySelector(".material-symbols-outlined")?.textContent ?? "", "").trim();
  yes.classList.toggle("danger", button.classList.contains("danger"));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

async function act(button) {
  if (button.getAttribute("aria-busy") || !(await confirmed(button))) return;
  button.setAttribute("aria-busy", "true");
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
    if (answer.ok) toast(said.message, { address: said.execution?.url });
    else toast(said.error.message, { bad: true });
  } catch {
    toast(toasts.dataset.offline, { bad: true });
  } finally {
    button.removeAttribute("aria-busy");
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
