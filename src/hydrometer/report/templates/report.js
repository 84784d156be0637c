"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const items = [...document.querySelectorAll(".item")];
  const shown = document.getElementById("shown");
  const apply = () => {
    const { change, capability, behaviour } = form.elements;
    let count = 0;
    for (const item of items) {
      const fits = change.value === "all" || item.dataset.change === change.value ||
        (change.value === "changed" && item.dataset.change !== "same");
      const shows = !behaviour?.value || (item.dataset.signs || "").split(" ").includes(behaviour.value);
      item.hidden = !(fits && shows && (!capability.value || item.dataset.capability === capability.value));
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
  form.addEventListener("input", (event) => {
    // A behaviour shows whatever the outcome: whoever picks one wants every reply with it.
    if (event.target === form.elements.behaviour) form.elements.change.value = "all";
    apply();
  });
  document.getElementById("unfold").addEventListener("click", () => {
    const visible = items.filter((item) => !item.hidden);
    const open = visible.some((item) => !item.open);
    for (const item of visible) item.open = open;
  });
  addEventListener("hashchange", jump);
  apply();
  jump();
})();
