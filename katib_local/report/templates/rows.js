"use strict";
// The page's table of class rows: sorted by the buttons of its head, filtered by #filter and #condition.
const Rows = (() => {
  const ascending = "ascending", descending = "descending";

  function table() {
    return document.querySelector("table.rows");
  }

  function compare(one, other, direction) {
    const [a, b] = [one.dataset.value, other.dataset.value];
    if (a === undefined && b === undefined) {
      return direction * one.textContent.trim().localeCompare(other.textContent.trim());
    }
    // What has no number stays below, whichever way the numbers go.
    if (a === undefined || b === undefined) return a === undefined ? 1 : -1;
    return direction * (Number(a) - Number(b));
  }

  function sort() {
    const head = table().tHead.rows[0];
    const header = head.querySelector("[aria-sort]");
    if (!header) return;
    const direction = header.getAttribute("aria-sort") === ascending ? 1 : -1;
    const body = table().tBodies[0];
    const rows = [...body.rows];
    rows.sort((one, other) => compare(one.cells[header.cellIndex], other.cells[header.cellIndex], direction));
    body.append(...rows);
  }

  function filter() {
    const wanted = document.getElementById("filter").value.trim().toLowerCase();
    const condition = document.getElementById("condition").value;
    const rows = [...table().tBodies[0].rows];
    for (const row of rows) {
      const isWanted = row.textContent.toLowerCase().includes(wanted);
      row.hidden = !isWanted || (condition !== "" && row.dataset.condition !== condition);
    }
    document.getElementById("shown").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  }

  function turn(header) {
    const next = header.getAttribute("aria-sort") === ascending ? descending : ascending;
    for (const other of table().tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", next);
    sort();
  }

  function start() {
    if (!table()) return;
    for (const header of table().tHead.rows[0].cells) {
      header.querySelector("button")?.addEventListener("click", () => turn(header));
    }
    document.querySelector("form.filter").addEventListener("submit", (event) => event.preventDefault());
    for (const id of ["filter", "condition"]) document.getElementById(id).addEventListener("input", filter);
  }

  // Of rows that have taken the place of others.
  function refresh() {
    if (!table()) return;
    sort();
    filter();
  }

  start();
  return { start, refresh };
})();
