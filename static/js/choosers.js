// Select2's boxes are read out by name: they carry the label of the field that they stand for.

function name(select) {
  const label = document.querySelector(`label[for="${select.id}"]`);
  const text = label?.textContent.trim().replace(/\s*\*$/, "");
  if (!text) return;
  for (const box of select.parentElement.querySelectorAll(".select2-selection, .select2-selection__rendered")) {
    box.setAttribute("aria-label", text);
    box.removeAttribute("aria-labelledby");
  }
}

function nameAll() {
  // The boxes in which Django has permissions chosen: their question marks have a name, so they need a role.
  for (const mark of document.querySelectorAll("span.help-tooltip[aria-label]:not([role])")) mark.setAttribute("role", "img");
  for (const select of document.querySelectorAll("select.select2-hidden-accessible")) name(select);
}

// Select2 makes its boxes when the page has loaded, and makes parts of them anew at every choice.
addEventListener("load", () => {
  nameAll();
  new MutationObserver(nameAll).observe(document.body, { childList: true, subtree: true });
});
