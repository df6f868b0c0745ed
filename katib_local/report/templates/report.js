"use strict";
// What a page needs that is one file: plotly and the trials' details are packed in it.
(() => {
  async function unpack(id) {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  async function drawPlots() {
    const script = document.createElement("script");
    script.textContent = await unpack("plotly");
    document.head.append(script);
    await Plots.draw();
  }

  drawPlots();

  const table = document.getElementById("trials");
  if (!table) return;
  const dialog = document.getElementById("details");
  const inside = document.getElementById("details-body");
  let details = null;

  function element(name, text, className) {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // Plotly reads tags and entities in its texts.
  function plain(name) {
    return name.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  }

  function drawCurve(metric, values) {
    const place = element("div", "", "plot");
    inside.append(place);
    const layout = structuredClone(details.layout);
    layout.yaxis.title.text = plain(metric);
    if (values.length <= 12) layout.xaxis.dtick = 1;
    const x = values.map((_, index) => index + 1);
    const trace = { type: "scatter", mode: "lines+markers", x, y: values, line: { color: "#0072B2" } };
    Plotly.newPlot(place, [trace], layout, Plots.config);
  }

  async function open(number) {
    details ??= JSON.parse(await unpack("details-data"));
    const trial = details.trials[number];
    document.getElementById("details-title").textContent = trial.name;
    inside.replaceChildren();
    if (trial.picture) {
      const picture = element("div", "", "picture");
      picture.append(new DOMParser().parseFromString(trial.picture, "image/svg+xml").documentElement);
      inside.append(picture);
    }
    const list = document.createElement("dl");
    for (const [name, text] of Object.entries(trial.texts)) list.append(element("dt", name), element("dd", text, "code"));
    inside.append(list);
    dialog.showModal();
    for (const [metric, values] of Object.entries(trial.curves)) drawCurve(metric, values);
  }

  table.tBodies[0].addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) open(button.dataset.trial);
  });
  dialog.addEventListener("close", () => inside.replaceChildren());
})();
