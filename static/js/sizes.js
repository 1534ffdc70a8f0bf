// Charts of sizes. <canvas data-sizes="ID">: the script element ID (json_script) holds {label, days, bytes}; a null in
// bytes is a day without a collection, and stays a gap. Chart.js comes with the admin's look.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const language = document.documentElement.lang || undefined;

function size(bytes) {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || Math.abs(value) >= 100 ? 0 : 1;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value)} ${UNITS[unit]}`;
}

/** Steps of 1, 2 or 5 times a power of two units, so that the axis shows whole sizes. */
function step(highest) {
  const wanted = Math.max(highest, 1) / 5;
  const unit = 1024 ** Math.floor(Math.log(wanted) / Math.log(1024));
  const power = 10 ** Math.floor(Math.log10(wanted / unit));
  return [1, 2, 5, 10].map((factor) => factor * power * unit).find((length) => length >= wanted) ?? wanted;
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const dark = document.documentElement.classList.contains("dark");
  const named = (name) => style.getPropertyValue(name).trim();
  return {
    line: named(dark ? "--color-primary-400" : "--color-primary-600"),
    text: named(dark ? "--color-base-300" : "--color-base-600"),
    grid: named(dark ? "--color-base-700" : "--color-base-200"),
  };
}

function draw(canvas) {
  const { label, days, bytes } = JSON.parse(document.getElementById(canvas.dataset.sizes).textContent);
  const look = colours();
  const axis = { ticks: { color: look.text }, grid: { color: look.grid }, border: { color: look.grid } };
  // A day between two gaps has no line: it gets a point.
  const lonely = (at) => bytes[at] !== null && (bytes[at - 1] ?? null) === null && (bytes[at + 1] ?? null) === null;
  const chart = new Chart(canvas, {
    type: "line",
    data: {
      labels: days,
      datasets: [
        {
          label,
          data: bytes,
          spanGaps: false,
          borderColor: look.line,
          backgroundColor: look.line,
          borderWidth: 2,
          pointRadius: (point) => (lonely(point.dataIndex) ? 3 : 0),
          pointHitRadius: 12,
          tension: 0,
        },
      ],
    },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { ...axis, grid: { display: false }, ticks: { ...axis.ticks, maxRotation: 0, autoSkipPadding: 24 } },
        y: {
          ...axis,
          beginAtZero: true,
          ticks: { ...axis.ticks, callback: size, stepSize: step(Math.max(...bytes.filter((one) => one !== null))) },
        },
      },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { label: (item) => ` ${label}: ${size(item.raw)}` } },
      },
    },
  });
  return chart;
}

const canvases = [...document.querySelectorAll("canvas[data-sizes]")];
let charts = canvases.map(draw);
// Light to dark and back, by the switch in the page.
new MutationObserver(() => {
  for (const chart of charts) chart.destroy();
  charts = canvases.map(draw);
}).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
