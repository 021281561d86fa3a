// Moves the page: one event stream while the page is seen, none while it is hidden. Each beat loads the page's content anew.
"use strict";
(() => {
  const root = document.documentElement;
  if (root.dataset.live !== "yes") return;
  let source = null, dead = 0, loading = false, again = false, retry = 0, everyS = Number(root.dataset.refresh);
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

  const listen = () => {
    clearTimeout(retry);
    if (source || document.hidden) return;
    source = new EventSource("/events");
    source.addEventListener("hello", (event) => { everyS = JSON.parse(event.data).every_s; alive(); load(); });
    source.addEventListener("beat", load);
    source.onerror = () => {
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        broken(true);
        retry = setTimeout(listen, 5000);
      }
    };
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; clearTimeout(dead); } else { alive(); listen(); }
  });
  addEventListener("pagehide", () => { source?.close(); source = null; });
  addEventListener("pageshow", listen);
  alive();
  listen();
})();
