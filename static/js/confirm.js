// Buttons with data-title ask before they do what they do: in the page's <dialog id="confirm">, which names what and how
// many. A button of a form then submits it; pages that act by themselves import `confirmed`. data-yes: what a button
// without words would say.

let drop = () => {}; // the question before this one

/** Whether the person says yes. What is not to be confirmed is a yes. */
export function confirmed(button) {
  const dialog = document.getElementById("confirm");
  if (!dialog || !button.dataset.title) return Promise.resolve(true);
  drop();
  dialog.querySelector("h2").textContent = button.dataset.title;
  dialog.querySelector("p").textContent = button.dataset.text ?? "";
  const yes = dialog.querySelector("[value=yes]");
  const words = button.cloneNode(true);
  for (const icon of words.querySelectorAll("[aria-hidden]")) icon.remove();
  yes.textContent = words.textContent.trim() || button.dataset.yes;
  yes.classList.toggle("danger", button.classList.contains("danger"));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const asked = new AbortController();
    const answer = (said) => {
      asked.abort();
      resolve(said);
    };
    drop = () => answer(false);
    // The event comes some time after the dialog was closed: by then it may be open again, for this question.
    const closed = () => dialog.open || answer(dialog.returnValue === "yes");
    dialog.addEventListener("close", closed, { signal: asked.signal });
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-title]");
  if (!button?.form || button.dataset.verb) return;
  event.preventDefault();
  if (await confirmed(button)) button.form.requestSubmit(button); // which is no click
});
