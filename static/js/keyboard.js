// What the admin's look makes of links without an address works by mouse alone: here it gets the keyboard.

for (const link of document.querySelectorAll("a:not([href])")) {
  if (!link.getAttributeNames().some((name) => name.startsWith("x-on:click") || name.startsWith("@click"))) continue;
  link.tabIndex = 0;
  link.setAttribute("role", "button");
  link.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    link.click();
  });
}
