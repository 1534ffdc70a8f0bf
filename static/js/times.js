// Times as people read them: relative and in the viewer's zone, UTC on hover. Kept up to date while the page is open.
// Marked up by the template filter `moment`: <time datetime="…" data-moment data-zone="…">.

const language = document.documentElement.lang || undefined;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** "in 3 minutes", "2 hours ago". */
export function distance(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / length), unit);
}

/** The absolute time in the zone, which it names. */
export function absolute(at, zone) {
  return new Intl.DateTimeFormat(language, {
    dateStyle: "medium",
    timeStyle: "long", // with the zone
    ...(zone ? { timeZone: zone } : {}),
  }).format(at);
}

function zoneName(zone) {
  return zone || Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function showTimes(root = document) {
  const now = Date.now();
  for (const element of root.querySelectorAll("time[data-moment]")) {
    const at = new Date(element.dateTime);
    const zone = element.dataset.zone;
    if (!element.dataset.utc) element.dataset.utc = element.title;
    element.title = `${absolute(at, zone)} ${zoneName(zone)} · ${element.dataset.utc}`;
    const short = element.dataset.moment === "relative";
    element.textContent = short ? distance(at - now) : `${absolute(at, zone)} (${distance(at - now)})`;
  }
}

showTimes();
setInterval(() => {
  if (!document.hidden) showTimes();
}, 1000);
document.addEventListener("jobsite:updated", (event) => showTimes(event.target));
