"use strict";
// Follows what the page shows: the server says when it has changed, and the page takes over what is new of itself.
(() => {
  const pulse = document.getElementById("pulse");
  const agesEvery_ms = 30_000;
  const again_ms = 3_000;

  function say(state, text) {
    pulse.dataset.state = state;
    pulse.textContent = text;
  }

  function age(moment) {
    const seconds = Math.max(0, (Date.now() - new Date(moment)) / 1000);
    for (const [length, unit] of [[86_400, "d"], [3_600, "h"], [60, "min"]]) {
      if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
    }
    return `${Math.floor(seconds)} s`;
  }

  function tellAges() {
    for (const time of document.querySelectorAll("time.age")) time.textContent = age(time.dateTime);
  }

  // Whoever goes by the keyboard stays where they are, though the row under them is another one by now.
  function keepFocus(replace) {
    const at = document.activeElement;
    const mark = at?.getAttribute("href") ?? at?.getAttribute("value");
    replace();
    if (!at || at.isConnected || mark === null || mark === undefined) return;
    const name = at.tagName === "A" ? "href" : "value";
    document.querySelector(`${at.tagName}[${name}="${CSS.escape(mark)}"]`)?.focus({ preventScroll: true });
  }

  function replaceChildren(place, fresh) {
    const value = place.value;
    const ticked = new Set([...place.querySelectorAll("input:checked")].map((input) => input.value));
    const drawn = new Map([...place.querySelectorAll("[data-figure]")].map((plot) => [plot.dataset.figure, plot]));
    place.replaceChildren(...fresh.childNodes);
    if (place.tagName === "SELECT") place.value = [...place.options].some((one) => one.value === value) ? value : "";
    for (const plot of place.querySelectorAll("[data-figure]")) {
      const before = drawn.get(plot.dataset.figure);
      if (before) plot.replaceWith(before);
    }
    for (const input of place.querySelectorAll("input")) input.checked = ticked.has(input.value);
  }

  function liveIds(root) {
    return [...root.querySelectorAll("[data-live]")].map((place) => place.id);
  }

  async function takeOver(fresh) {
    document.body.dataset.version = fresh.body.dataset.version;
    document.title = fresh.title;
    const figures = document.getElementById("figures");
    if (figures) figures.textContent = fresh.getElementById("figures").textContent;
    const ids = liveIds(document);
    const isAlike = ids.join() === liveIds(fresh).join();
    keepFocus(() => {
      for (const id of isAlike ? ids : ["content"]) {
        replaceChildren(document.getElementById(id), fresh.getElementById(id));
      }
    });
    if (!isAlike) Rows.start();
    Rows.refresh();
    tellAges();
    if (figures) await Plots.draw();
    document.dispatchEvent(new Event("taken-over"));
  }

  // A page that costs much is not rendered at each change: what comes may be older than what was told.
  let told = null;
  let isBusy = false;
  async function refresh() {
    if (isBusy || told === document.body.dataset.version) return;
    isBusy = true;
    try {
      const reply = await fetch(location.href, { headers: { accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
      if (reply.ok) await takeOver(fresh);
      else say("lost", fresh.querySelector("main p")?.textContent ?? `${reply.status}`);
    } catch {
      say("lost", "the server does not answer");
    } finally {
      isBusy = false;
    }
    setTimeout(refresh, again_ms);
  }

  // A browser has few connections to a server: a page that nobody looks at holds none.
  let stream = null;
  function follow() {
    stream?.close();
    stream = null;
    if (document.hidden) return;
    stream = new EventSource(document.body.dataset.events);
    stream.addEventListener("open", () => say("live", "live"));
    stream.addEventListener("message", (event) => {
      told = event.data;
      refresh();
    });
    stream.addEventListener("refused", (event) => {
      stream.close();
      say("lost", event.data);
    });
    stream.addEventListener("error", () => say("lost", "the connection is lost; trying again"));
  }

  tellAges();
  setInterval(tellAges, agesEvery_ms);
  if (document.getElementById("figures")) Plots.draw();
  else document.documentElement.dataset.drawn = "";
  if (document.body.dataset.events) {
    document.addEventListener("visibilitychange", follow);
    follow();
  }
})();
