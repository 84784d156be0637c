"use strict";
(async () => {
  const form = document.getElementById("filter");
  const body = document.querySelector("#audits tbody");
  if (!form || !body) return;
  const block = document.getElementById("data");
  let data;
  try {
    data = block ? JSON.parse(block.textContent) : await (await fetch("index.json")).json();
  } catch {
    document.getElementById("no-data").hidden = false;
    return;
  }
  const memory = form.dataset.kind === "memory";
  const shown = document.getElementById("shown");
  const more = document.getElementById("more");
  const step = 100;
  let limit = step;
  const name = (n) => data.names[n];
  const audits = data.rows.map(([id, student, page, base, basePage, family, quant, params, bytes, verdict, caps, date, ratio, run]) =>
    ({ id, student: name(student), page: name(page), base: name(base), basePage: name(basePage), family: name(family),
      quant: name(quant), params, bytes, verdict, caps, date, ratio, run: name(run) }));
  if (memory) audits.sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0));
  for (const audit of audits) audit.text = `${audit.student} ${audit.base}`.toLowerCase();

  const make = (tag, text, kind) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };
  const link = (href, text) => {
    const node = make("a");
    node.href = href;
    node.append(make("bdi", text));
    return node;
  };
  const mark = (tag, letter, text) => {
    const [, kind, symbol, word] = data.verdicts[letter];
    const node = make(tag, undefined, text ? kind : `badge ${kind}`);
    const sign = make("span", symbol);
    sign.setAttribute("aria-hidden", "true");
    node.append(sign, ` ${text ?? word}`);
    if (text) {
      node.append(make("span", `: ${word}`, "unseen"));
      node.title = `${text}: ${word}`;
    }
    return node;
  };
  // Capabilities that are worse or better by name, the others as a count per verdict.
  const named = ["worse", "better"].map((kind) => Object.keys(data.verdicts).find((letter) => data.verdicts[letter][0] === kind));
  const chips = (caps) => {
    const list = make("ul", undefined, "chips");
    for (const letter of named) [...caps].forEach((own, n) => own === letter && list.append(mark("li", letter, data.capabilities[n])));
    for (const letter of Object.keys(data.verdicts)) {
      const count = [...caps].filter((own) => own === letter).length;
      if (count && !named.includes(letter)) list.append(mark("li", letter, String(count)));
    }
    return list;
  };
  const row = (audit) => {
    const line = make("tr");
    const cell = (content, kind, tag = "td") => {
      const node = make(tag, undefined, kind);
      node.append(content ?? "–");
      line.append(node);
      return node;
    };
    cell(link(`models/${audit.page}.html#${audit.id}`, audit.student), undefined, "th").scope = "row";
    cell(link(`bases/${audit.basePage}.html`, audit.base));
    if (memory) cell(audit.run);
    cell(mark("span", audit.verdict));
    cell(chips(audit.caps));
    const params = audit.params;
    cell(params == null ? "–" : params >= 1000 ? `${(params / 1000).toFixed(1)}B` : `${params}M`, "n");
    cell(audit.quant || "–");
    cell(audit.bytes == null ? "–" : `${(audit.bytes / 1000).toFixed(2)} GB`, "n");
    cell(audit.ratio == null ? "–" : `x${audit.ratio.toFixed(2)}`, "n");
    if (!memory) cell(audit.date);
    return line;
  };
  const apply = () => {
    const chosen = Object.fromEntries(new FormData(form));
    const words = chosen.q.toLowerCase().split(/\s+/).filter(Boolean);
    const room = memory ? (Number(chosen.memory || 0) - Number(chosen.free || 0)) * 1000 : Infinity;
    const size = data.sizes.find(([label]) => label === chosen.size);
    const at = data.capabilities.indexOf(chosen.capability);
    const found = audits.filter((audit) => {
      const letter = chosen.capability ? audit.caps[at] : audit.verdict;
      return words.every((word) => audit.text.includes(word)) &&
        (!chosen.base || audit.base === chosen.base) && (!chosen.family || audit.family === chosen.family) &&
        (!chosen.quantisation || audit.quant === chosen.quantisation) &&
        (!size || (audit.params != null && audit.params > size[1] && audit.params <= size[2])) &&
        (!chosen.capability || letter !== "-") &&
        (!chosen.verdict || (data.verdicts[letter] && data.verdicts[letter][0] === chosen.verdict)) &&
        (!memory || (audit.bytes != null && audit.bytes <= room));
    });
    body.replaceChildren(...found.slice(0, limit).map(row));
    more.hidden = found.length <= limit;
    shown.textContent = `${found.length.toLocaleString("en")} of ${audits.length.toLocaleString("en")} audits`;
    const set = Object.entries(chosen).filter(([, value]) => value);
    // The fragment, for a page that is opened from a disk may change nothing else of its address.
    history.replaceState(null, "", set.length ? `#${new URLSearchParams(set)}` : "#");
  };
  const start = new URLSearchParams(location.hash.slice(1));
  for (const [key, value] of start) if (form.elements[key]) form.elements[key].value = value;
  form.hidden = false;
  document.getElementById("leaf").hidden = true;
  form.addEventListener("input", () => { limit = step; apply(); });
  form.addEventListener("reset", () => setTimeout(() => { limit = step; apply(); }));
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => {
    const next = body.children.length;
    limit += step;
    apply();
    // The keyboard goes on where the new rows begin.
    body.children[next]?.querySelector("a")?.focus();
  });
  apply();
})();
