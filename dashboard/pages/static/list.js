"use strict";
// The list: what is ticked can be compared, and / goes to the filter.
(() => {
  function count() {
    const form = document.getElementById("compare");
    const [fewest, most] = [Number(form.dataset.fewest), Number(form.dataset.most)];
    const ticked = document.querySelectorAll("#rows input:checked").length;
    const button = form.querySelector("button");
    button.disabled = ticked < fewest || ticked > most;
    form.querySelector("output").textContent = ticked === 0 ? "" : ticked > most ? `${ticked} chosen, at most ${most}` : `${ticked} chosen`;
  }

  document.addEventListener("change", count);
  document.addEventListener("taken-over", count);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
    event.preventDefault();
    document.getElementById("filter")?.focus();
  });
  count();
})();
