"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const items = [...document.querySelectorAll(".item")];
  const shown = document.getElementById("shown");
  const apply = () => {
    const { change, capability } = form.elements;
    let count = 0;
    for (const item of items) {
      const fits = change.value === "all" || item.dataset.change === change.value ||
        (change.value === "changed" && item.dataset.change !== "same");
      item.hidden = !(fits && (!capability.value || item.dataset.capability === capability.value));
      count += !item.hidden;
    }
    shown.textContent = `${count} of ${items.length} shown`;
  };
  const jump = () => {
    const item = document.getElementById(location.hash.slice(1));
    if (!item || !item.classList.contains("item")) return;
    item.hidden = false;
    item.open = true;
    item.scrollIntoView();
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  document.getElementById("unfold").addEventListener("click", () => {
    const visible = items.filter((item) => !item.hidden);
    const open = visible.some((item) => !item.open);
    for (const item of visible) item.open = open;
  });
  addEventListener("hashchange", jump);
  apply();
  jump();
})();
