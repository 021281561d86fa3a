// Moves the page: it hears the beats of stream.js while it is seen, and at each loads its content anew.
"use strict";
(() => {
  const root = document.documentElement;
  if (root.dataset.live !== "yes") return;
  let dead = 0, loading = false, again = false, everyS = Number(root.dataset.refresh);
  const broken = (is) => root.classList.toggle("broken", is);

  const load = async () => {
    if (loading) { again = true; return; }
    loading = true;
    clearTimeout(dead); // a page that is on its way is not lost: a busy store may take longer than three beats
    try {
      const answer = await fetch(location.href, { cache: "no-cache", signal: AbortSignal.timeout(30000) });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main"), shown = document.querySelector("main");
      const open = new Set([...shown.querySelectorAll("details[open]")].map((d) => d.id));
      const focused = shown.contains(document.activeElement) ? document.activeElement.id || document.activeElement.getAttribute("href") : null;
      for (const d of fresh.querySelectorAll("details")) d.open = open.has(d.id);
      shown.replaceWith(fresh);
      if (focused) [...fresh.querySelectorAll("[id],[href]")].find((e) => e.id === focused || e.getAttribute("href") === focused)?.focus({ preventScroll: true });
      broken(false);
      alive();
    } catch { broken(true); }
    loading = false;
    if (again) { again = false; load(); }
  };

  const alive = () => {
    clearTimeout(dead);
    dead = setTimeout(() => broken(true), 1000 * Math.max(3 * everyS, 6));
  };

  // A big screen goes on to the next page, once that is there: it never stands before a browser's own message.
  const turn = async () => {
    const answer = await fetch(root.dataset.next, { signal: AbortSignal.timeout(30000) }).catch(() => null);
    if (answer?.ok) location.replace(root.dataset.next); else setTimeout(turn, 1000 * root.dataset.cycle);
  };
  if (root.dataset.cycle) setTimeout(turn, 1000 * root.dataset.cycle);

  const heard = ({ kind, every_s }) => {
    if (kind === "lost") { broken(true); return; }
    if (kind === "hello") everyS = every_s;
    load();
  };

  const shared = () => {
    const worker = new SharedWorker("/static/stream.js", { name: "zonepulse" });
    worker.onerror = () => { listen = streamOf(heard); look(!document.hidden); };
    worker.port.onmessage = ({ data }) => heard(data);
    return (isSeen) => worker.port.postMessage(isSeen);
  };

  const look = (isSeen) => { if (isSeen) alive(); else clearTimeout(dead); listen(isSeen); };
  let listen = window.SharedWorker ? shared() : streamOf(heard);
  document.addEventListener("visibilitychange", () => look(!document.hidden));
  addEventListener("pagehide", () => look(false));
  addEventListener("pageshow", (event) => { if (event.persisted) look(true); });
  look(!document.hidden);
})();
