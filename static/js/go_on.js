// A work that is done in parts goes on by itself; the buttons do the same where there is no JavaScript.

for (const form of document.querySelectorAll("form[data-go-on]")) {
  const timer = setTimeout(() => form.requestSubmit(), 400);
  form.querySelector("button[name=stop]")?.addEventListener("click", () => clearTimeout(timer));
}
