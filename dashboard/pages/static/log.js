"use strict";
// A trial's output, as far as its reader may see it.
(() => {
  const section = document.getElementById("log");

  function shown(title, text, note) {
    const heading = document.createElement("h3");
    heading.textContent = title;
    const box = document.createElement("pre");
    box.className = "log";
    box.tabIndex = 0;
    box.textContent = text || "(nothing)";
    const said = document.createElement("p");
    said.className = "note";
    said.textContent = note;
    return note ? [heading, said, box] : [heading, box];
  }

  async function load() {
    const place = section.querySelector(".logs");
    const reply = await fetch(section.dataset.address, { headers: { accept: "application/json" } }).catch(() => null);
    const found = await reply?.json().catch(() => null);
    if (!reply?.ok) {
      const said = document.createElement("p");
      said.className = "note";
      said.textContent = found?.detail ?? "It cannot be read.";
      place.replaceChildren(said);
      return;
    }
    const boxes = [...place.querySelectorAll("pre")];
    const atEnd = boxes.map((box) => box.scrollTop + box.clientHeight >= box.scrollHeight - 4);
    place.replaceChildren(...found.flatMap((log) => shown(log.title, log.text, log.is_cut ? "Its end." : "")));
    [...place.querySelectorAll("pre")].forEach((box, index) => {
      if (atEnd[index] ?? true) box.scrollTop = box.scrollHeight;
      else box.scrollTop = boxes[index].scrollTop;
    });
  }

  section.querySelector("button").addEventListener("click", load);
  document.addEventListener("taken-over", load);
  load();
})();
