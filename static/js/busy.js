// A form that is on its way: its button says so (aria-busy) and cannot be pressed again until the next page is there.

const PATIENCE = 15_000; // then somebody has stopped the loading, and the page stays

/** The button is at work, or free again. */
export function busy(button, working) {
  if (working) button.setAttribute("aria-busy", "true");
  else button.removeAttribute("aria-busy");
  if (button.tagName === "A") button.setAttribute("aria-disabled", String(working));
  else button.disabled = working;
}

/** Another request from now on: with the key of the one before, nothing would be done again. */
export function renewKeys(root = document) {
  for (const input of root.querySelectorAll("input[name=idempotency_key]")) {
    const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is there with HTTPS alone
    input.value = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}

const sent = new Map(); // forms, each with the button that sent it

function release(form) {
  const button = sent.get(form);
  sent.delete(form);
  if (button) busy(button, false);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.getAttribute("method")?.toLowerCase() !== "post") return;
  if (sent.has(form)) {
    event.preventDefault();
    return;
  }
  if (event.defaultPrevented) return;
  sent.set(form, event.submitter);
  // The browser reads the form after this event: a button that is disabled by then would not be sent.
  if (event.submitter) setTimeout(() => sent.has(form) && busy(event.submitter, true));
  setTimeout(() => release(form), PATIENCE);
});

// Back from the next page, which the browser had kept beside this one.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  renewKeys();
  for (const form of [...sent.keys()]) release(form);
});
