// The page of an execution: its log opens at its end, so that it follows.

const log = document.getElementById("log");
if (log) log.scrollTop = log.scrollHeight;
