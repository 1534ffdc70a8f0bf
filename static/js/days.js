// The chart of outcomes by day, drawn with Chart.js from the JSON in the page, in the colours of the states.
// Drawn anew when the data or the theme changes.

const canvas = document.querySelector("canvas[data-days]");
const list = document.querySelector("[data-live] #days-data")?.closest("[data-live]");
let chart = null;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function draw() {
  const data = JSON.parse(document.getElementById(canvas.dataset.days).textContent);
  const faint = colour("--faint");
  chart?.destroy();
  chart = new Chart(canvas, {
    type: "bar",
    data: {
      labels: data.days.map((day) => day.slice(5)),
      datasets: data.states.map(({ state, label, numbers }) => ({
        label,
        data: numbers,
        backgroundColor: colour(`--state-${state}`),
        borderColor: colour("--surface"),
        borderWidth: 1,
        borderRadius: 2,
        maxBarThickness: 36,
      })),
    },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { stacked: true, grid: { display: false }, ticks: { color: faint } },
        y: { stacked: true, beginAtZero: true, grid: { color: colour("--line") }, ticks: { color: faint, precision: 0 } },
      },
      plugins: {
        legend: { position: "bottom", labels: { color: faint, boxWidth: 12, boxHeight: 12 } },
        tooltip: { callbacks: { title: ([item]) => data.days[item.dataIndex] }, filter: (item) => item.raw > 0 },
      },
    },
  });
}

if (canvas && list) {
  draw();
  list.addEventListener("jobsite:updated", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
}
