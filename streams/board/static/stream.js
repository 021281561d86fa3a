// The stream of beats. As a shared worker, one of a browser: all its pages hear the same one, so that no number of open pages uses up the
// six connections that a browser opens to a host. A browser without shared workers runs it in the page that is seen.
"use strict";

// Opens and closes the stream as it is wanted, and tells what it hears: {kind: "hello", every_s}, {kind: "beat"}, {kind: "lost"}.
const streamOf = (tell) => {
  let source = null, retry = 0, isWanted = false;
  const open = () => {
    clearTimeout(retry);
    if (source) return;
    source = new EventSource("/events");
    source.addEventListener("hello", (event) => tell({ kind: "hello", ...JSON.parse(event.data) }));
    source.addEventListener("beat", () => tell({ kind: "beat" }));
    source.onerror = () => {
      tell({ kind: "lost" });
      if (source?.readyState !== EventSource.CLOSED) return; // it comes back by itself
      source = null;
      if (isWanted) retry = setTimeout(open, 5000);
    };
  };
  const close = () => { clearTimeout(retry); source?.close(); source = null; };
  return (is) => { isWanted = is; (is ? open : close)(); };
};

if (typeof SharedWorkerGlobalScope !== "undefined") {
  const seen = new Set(); // the ports of the pages that are seen
  let hello = null;
  const want = streamOf((heard) => {
    if (heard.kind !== "beat") hello = heard.kind === "hello" ? heard : null;
    for (const port of seen) port.postMessage(heard);
  });
  self.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data: isSeen }) => {
      if (isSeen) { seen.add(port); if (hello) port.postMessage(hello); } else seen.delete(port);
      if (!seen.size) hello = null;
      want(seen.size > 0);
    };
  };
}
