"use strict";
// The plots of a page: of each place with data-figure, the figure of that name among those in #figures.
const Plots = (() => {
  // Where nothing hovers, as on a phone, the bar would stay, over legends and the ends of curves.
  const displayModeBar = matchMedia("(hover: hover)").matches ? "hover" : false;
  const config = { responsive: true, displaylogo: false, displayModeBar, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  const narrow = 600;
  // A sheet of paper is narrower than most screens, and plots do not follow by themselves.
  const paper = { width: 680, height: 250, whole: 900 };

  function places() {
    return [...document.querySelectorAll("[data-figure]")];
  }

  function figures() {
    return JSON.parse(document.getElementById("figures").textContent);
  }

  // Above the curves, a legend of many lines would leave them no room.
  function legendBelow(data, layout) {
    const room = 40 + 22 * data.length;
    layout.legend = { ...layout.legend, orientation: "v", y: -60 / (layout.height - 60), yanchor: "top" };
    layout.height += room;
    layout.margin = { ...layout.margin, b: layout.margin.b + room };
  }

  // The room of all plots is kept free at once, so that nothing moves while they are drawn.
  function reserve() {
    const known = figures();
    for (const place of places()) place.style.minHeight = `${known[place.dataset.figure].layout.height}px`;
  }

  // What is drawn already, and has not changed, is left as it is.
  async function draw() {
    const known = figures();
    for (const place of places()) {
      const text = JSON.stringify(known[place.dataset.figure]);
      if (place.drawnFrom === text) continue;
      place.drawnFrom = text;
      const { data, layout } = JSON.parse(text);
      if (innerWidth < narrow && data.length > 1 && layout.showlegend !== false) legendBelow(data, layout);
      place.style.minHeight = `${layout.height}px`;
      await Plotly.react(place, data, layout, config);
    }
    document.documentElement.dataset.drawn = "";
  }

  addEventListener("beforeprint", () => {
    const known = figures();
    for (const place of places()) {
      const { data, layout } = known[place.dataset.figure];
      const height = data[0].type === "heatmap" ? Math.min(layout.height, paper.whole) : paper.height;
      Plotly.relayout(place, { width: paper.width, height });
    }
  });
  addEventListener("afterprint", () => {
    const known = figures();
    for (const place of places()) {
      const { height } = known[place.dataset.figure].layout;
      Plotly.relayout(place, { width: null, height, autosize: true });
    }
  });

  reserve();
  return { config, draw, places };
})();
