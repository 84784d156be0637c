"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const list = document.querySelector(".items");
  const items = [...list.children];
  const shown = document.getElementById("shown");
  const fields = form.elements;
  const names = ["outcome", "capability", "task", "behaviour", "text"].filter((name) => fields[name]);
  const first = Object.fromEntries(names.map((name) => [name, fields[name].value]));
  let texts = null;
  let open = "";

  const text = (index) => {
    // Read once, at the first search: it takes longer than everything else here.
    texts ??= items.map((item) => item.textContent.toLowerCase());
    return texts[index];
  };

  const fits = (item, index) => {
    const data = item.dataset;
    const outcome = fields.outcome.value;
    const change = outcome === "all" || data.change === outcome || (outcome === "cut" && "cut" in data) ||
      (outcome === "changed" && data.change !== "same");
    return change &&
      (!fields.capability.value || data.capability === fields.capability.value) &&
      (!fields.task.value || data.task === fields.task.value) &&
      (!fields.behaviour?.value || (data.signs || "").split(" ").includes(fields.behaviour.value)) &&
      (!fields.text.value || text(index).includes(fields.text.value.trim().toLowerCase()));
  };

  const apply = () => {
    let count = 0;
    items.forEach((item, index) => {
      const hidden = !fits(item, index);
      if (item.hidden !== hidden) item.hidden = hidden;
      count += !hidden;
    });
    list.classList.toggle("unmarked", !fields.marks.checked);
    shown.textContent = `${count} of ${items.length} shown`;
  };

  // The address holds what differs from the first state, so that it can be sent to somebody.
  const remember = () => {
    const state = new URLSearchParams();
    for (const name of names) if (fields[name].value !== first[name]) state.set(name, fields[name].value);
    if (open) state.set("item", open);
    const only = [...state.keys()].join() === "item";
    const hash = only ? `#${open}` : `#items?${state}`;
    if (`${state}` || location.hash.startsWith("#item")) history.replaceState(null, "", `${state}` ? hash : "#items");
  };

  const reveal = (id) => {
    const item = document.getElementById(id);
    if (!item || item.parentElement !== list) return;
    open = id;
    item.hidden = false;
    item.open = true;
    item.scrollIntoView();
  };

  const read = () => {
    const [place, query] = location.hash.slice(1).split("?");
    if (place === "items" && query !== undefined) {
      const state = new URLSearchParams(query);
      for (const name of names) {
        fields[name].value = state.get(name) ?? first[name];
        // A value that no option has leaves a list empty: then it asks for nothing.
        if (fields[name].value === "" && first[name]) fields[name].value = first[name];
      }
      apply();
      if (state.has("item")) reveal(state.get("item"));
      else document.getElementById("items").scrollIntoView();
    } else reveal(place);
  };

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    // A behaviour shows whatever the outcome: whoever picks one wants every reply with it.
    if (event.target === fields.behaviour) fields.outcome.value = "all";
    apply();
    remember();
  });
  document.getElementById("unfold").addEventListener("click", () => {
    const visible = items.filter((item) => !item.hidden && item.tagName === "DETAILS");
    const closed = visible.some((item) => !item.open);
    for (const item of visible) item.open = closed;
  });
  list.addEventListener("click", (event) => {
    const summary = event.target.closest(".item > summary");
    if (!summary) return;
    // The item has not turned yet when its summary is clicked.
    open = summary.parentElement.open ? "" : summary.parentElement.id;
    remember();
  });
  list.addEventListener("keydown", (event) => {
    const at = event.target.closest("summary, a")?.closest(".items > *");
    if (!at || !(event.target.parentElement === at || event.target === at)) return;
    const visible = items.filter((item) => !item.hidden);
    const place = visible.indexOf(at);
    const next = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: visible.length - 1 }[event.key];
    if (event.key === "Escape") form.querySelector("input:checked").focus();
    else if (next !== undefined && visible[next]) (visible[next].querySelector("summary") ?? visible[next]).focus();
    else return;
    event.preventDefault();
  });
  addEventListener("hashchange", read);
  apply();
  read();
})();
