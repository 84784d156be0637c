"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  // Everything is put in as text: replies are foreign.
  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const draw = (tag, values) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
    return element;
  };
  const place = (value) => `${Math.max(0, Math.min(100, (value + 0.3) / 0.6 * 100)).toFixed(1)}%`;
  const points = (value) => `${value > 0 ? "+" : ""}${(100 * value).toFixed(1)}`;

  const bar = ({ label, done, total }) => {
    const row = make("label", `${label}: ${done} of ${total}`);
    const progress = make("progress");
    progress.max = total || 1;
    progress.value = done;
    row.append(progress);
    return row;
  };
  const sight = ({ capability, items, planned, difference, low, high, words }) => {
    const row = make("div", undefined, "sight");
    const known = high - low < 2;
    row.append(make("strong", capability.replaceAll("_", " ")));
    row.append(make("span", `${items}/${planned} items, ${known ? `${points(difference)} [${points(low)}, ${points(high)}]` : "no pair yet"}: ${words}`, "words"));
    const picture = draw("svg", { "aria-hidden": "true" });
    picture.append(draw("line", { class: "zero", x1: "50%", x2: "50%", y1: 0, y2: 20 }));
    if (known) {
      picture.append(draw("line", { class: "whisker", x1: place(low), x2: place(high), y1: 10, y2: 10 }));
      picture.append(draw("circle", { cx: place(difference), cy: 10, r: 4.5 }));
    }
    row.append(picture);
    return row;
  };
  const reply = ({ side, question, reply: text }) => {
    const row = make("div", undefined, "reply");
    row.append(make("p", `${side}: ${question}`, "words"));
    const body = make("pre", text);
    body.dir = "auto";
    row.append(body);
    return row;
  };

  const source = new EventSource("/events");
  source.onmessage = (event) => {
    const { bars, sights, replies, done } = JSON.parse(event.data);
    at("state").textContent = done ? "The audit is over; the report says what it found." : "The audit is running.";
    at("bars").replaceChildren(...bars.map(bar));
    at("sights").replaceChildren(...sights.map(sight));
    at("replies").replaceChildren(...replies.map(reply));
    if (done) source.close();
  };
  source.onerror = () => {
    at("state").textContent = "The audit cannot be reached; if it was stopped, the same command goes on with it.";
  };
})();
