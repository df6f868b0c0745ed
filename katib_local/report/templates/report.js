"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  // Where nothing hovers, as on a phone, the bar would stay, over legends and the ends of curves.
  const displayModeBar = matchMedia("(hover: hover)").matches ? "hover" : false;
  const config = { responsive: true, displaylogo: false, displayModeBar, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  const narrow = 600;
  const plots = [...document.querySelectorAll("[data-figure]")];

  async function unpack(id) {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  // Above the curves, a legend of many lines would leave them no room.
  function legendBelow(place, data, layout) {
    const room = 40 + 22 * data.length;
    layout.legend = { ...layout.legend, orientation: "v", y: -60 / (layout.height - 60), yanchor: "top" };
    layout.height += room;
    layout.margin = { ...layout.margin, b: layout.margin.b + room };
    place.style.minHeight = `${layout.height}px`;
  }

  async function drawPlots() {
    const script = document.createElement("script");
    script.textContent = await unpack("plotly");
    document.head.append(script);
    for (const place of plots) {
      const { data, layout } = structuredClone(figures[place.dataset.figure]);
      if (innerWidth < narrow && data.length > 1 && layout.showlegend !== false) legendBelow(place, data, layout);
      await Plotly.newPlot(place, data, layout, config);
    }
    document.documentElement.dataset.drawn = "";
  }

  drawPlots();

  // A sheet of paper is narrower than most screens, and plots do not follow by themselves.
  const paper = { width: 680, height: 250, whole: 900 };
  addEventListener("beforeprint", () => {
    for (const place of plots) {
      const { data, layout } = figures[place.dataset.figure];
      const height = data[0].type === "heatmap" ? Math.min(layout.height, paper.whole) : paper.height;
      Plotly.relayout(place, { width: paper.width, height });
    }
  });
  addEventListener("afterprint", () => {
    for (const place of plots) {
      const { height } = figures[place.dataset.figure].layout;
      Plotly.relayout(place, { width: null, height, autosize: true });
    }
  });

  const table = document.getElementById("trials");
  if (!table) return;
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];

  function compare(one, other, direction) {
    const [a, b] = [one.dataset.value, other.dataset.value];
    if (a === undefined && b === undefined) {
      return direction * one.textContent.trim().localeCompare(other.textContent.trim());
    }
    // What has no number stays below, whichever way the numbers go.
    if (a === undefined || b === undefined) return a === undefined ? 1 : -1;
    return direction * (Number(a) - Number(b));
  }

  function sort(header) {
    const column = headers.indexOf(header);
    const ascending = header.getAttribute("aria-sort") !== "ascending";
    headers.forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const rows = [...body.rows];
    rows.sort((one, other) => compare(one.cells[column], other.cells[column], ascending ? 1 : -1));
    body.append(...rows);
  }

  for (const header of headers) header.querySelector("button")?.addEventListener("click", () => sort(header));

  const text = document.getElementById("filter");
  const condition = document.getElementById("condition");
  function filter() {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const row of body.rows) {
      const isWanted = row.textContent.toLowerCase().includes(wanted);
      row.hidden = !isWanted || (condition.value !== "" && row.dataset.condition !== condition.value);
      shown += row.hidden ? 0 : 1;
    }
    document.getElementById("shown").textContent = `${shown} of ${body.rows.length}`;
  }
  text.addEventListener("input", filter);
  condition.addEventListener("input", filter);

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
    Plotly.newPlot(place, [trace], layout, config);
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

  body.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) open(button.dataset.trial);
  });
  dialog.addEventListener("close", () => inside.replaceChildren());
})();
