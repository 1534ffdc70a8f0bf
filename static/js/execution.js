// The page of an execution. Its log opens at its end, so that it follows; when the run has ended, what the page
// showed of the beginning (no result, no error) is old: it is loaded once more, without losing the reader's place.

const log = document.getElementById("log");
if (log) log.scrollTop = log.scrollHeight;

const state = document.getElementById("state");
if (state && !state.dataset.ended) {
  const ended = new MutationObserver(() => {
    if (!state.dataset.ended) return;
    ended.disconnect();
    // The log's last words may still be on their way: they come with the page.
    location.reload();
  });
  ended.observe(state, { attributes: true, attributeFilter: ["data-ended"] });
}
