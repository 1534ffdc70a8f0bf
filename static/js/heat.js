// The picture of the forecast by keyboard: it is one stop of the tab key, and the arrow keys go from cell to cell.
// Without JavaScript each cell is a stop of its own.

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function grid(table) {
  return [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("td")].map((cell) => cell.querySelector("a")));
}

function prepare(table) {
  const links = grid(table).flat().filter(Boolean);
  const first = links.find((link) => link.ariaCurrent) ?? links[0];
  for (const link of links) link.tabIndex = link === first ? 0 : -1;
}

/** The next cell in a direction that is inside the picture. */
function next(cells, row, column, [down, right]) {
  for (let at = row + down, across = column + right; cells[at]?.[across] !== undefined; at += down, across += right) {
    if (cells[at][across]) return cells[at][across];
  }
  return null;
}

document.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  const table = event.target.closest?.("[data-heat]");
  if (!step || !table || event.altKey || event.ctrlKey || event.metaKey) return;
  const cells = grid(table);
  const row = cells.findIndex((links) => links.includes(event.target));
  if (row < 0) return;
  event.preventDefault();
  const link = next(cells, row, cells[row].indexOf(event.target), step);
  if (!link) return;
  event.target.tabIndex = -1;
  link.tabIndex = 0;
  link.focus();
});

for (const table of document.querySelectorAll("[data-heat]")) prepare(table);
document.addEventListener("jobsite:updated", (event) => {
  for (const table of event.target.querySelectorAll("[data-heat]")) prepare(table);
});
