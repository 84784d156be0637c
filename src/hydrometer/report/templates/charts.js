"use strict";
(() => {
  // Without the library the words that stand in the place of each chart stay.
  if (!globalThis.vega?.expressionInterpreter) return;
  const font = getComputedStyle(document.body).fontFamily;
  const soft = "var(--soft)";
  const axis = { domainColor: soft, tickColor: soft, labelColor: soft, gridColor: "var(--rule)", labelFontSize: 11.5, tickSize: 5 };
  const words = { font, fontSize: 12.5 };
  const config = { background: null, axis, text: words, style: { "guide-label": { font }, "guide-title": { font, fontSize: 11.5 } } };
  const boxes = [...document.querySelectorAll(".drawing")];
  const specs = new Map(boxes.map((box) => [box, JSON.parse(box.nextElementSibling.textContent)]));
  const views = new Map();

  const draw = (box) => {
    if (views.has(box)) return;
    const place = document.createElement("div");
    // The words in the box say what the chart shows: within the drawing there is nothing to read out.
    place.setAttribute("aria-hidden", "true");
    const view = new vega.View(vega.parse(specs.get(box), config, { ast: true }), {
      renderer: "svg", expr: vega.expressionInterpreter, logLevel: vega.Warn,
    });
    views.set(box, view);
    view.initialize(place).hover().width(box.clientWidth).run();
    box.firstElementChild.classList.add("unseen");
    box.append(place);
  };
  const resized = new ResizeObserver((changes) => {
    for (const { target } of changes) {
      const view = views.get(target);
      if (view && target.clientWidth && view.width() !== target.clientWidth) view.width(target.clientWidth).run();
    }
  });
  const near = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) if (isIntersecting) draw(target);
  }, { rootMargin: "600px" });
  // Paper has no place to scroll to.
  const all = () => boxes.forEach(draw);
  addEventListener("beforeprint", all);
  matchMedia("print").addEventListener("change", (change) => change.matches && all());

  for (const box of boxes) {
    // Room for the chart and its axis, so that nothing moves once it is drawn.
    box.style.minHeight = `${specs.get(box).height + 24}px`;
    resized.observe(box);
    near.observe(box);
  }
})();
