"""What a chart library would cost the page, beside the pictures it has: `python bench/charts.py FOLDER`.

FOLDER holds one bundle per library, `NAME.js`, which puts the library into the global `lib`; made for example with

    npm install @observablehq/plot vega vega-interpreter uplot plotly.js-basic-dist-min esbuild
    echo 'export {plot,dot,ruleX,ruleY,line,tip} from "@observablehq/plot"' > in.js
    npx esbuild in.js --bundle --minify --format=iife --global-name=lib --outfile=FOLDER/plot.js

Each draws the same sixteen charts, two lines of five points with whiskers, on a report of 2,000 items, under the page's
own policy plus the digests of the two scripts. Told apart: bytes, first paint, when all charts stand, what the policy
refuses, what axe finds, what is left without a script.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "report")]

import sample  # noqa: E402
import sample_facets  # noqa: E402

from hydrometer.report.html import render_html  # noqa: E402

CHARTS, RUNS = 16, 5
DATA = "const rows = [1,2,3,4,5].flatMap((x) => [[x, .3 + x / 20, 'base'], [x, .25 + x / 15, 'student']]);"
DRAW = {
    "plot": """box.append(lib.plot({width: 300, height: 180, ariaLabel: 'scores', y: {domain: [0, 1]}, marks: [
      lib.ruleX(rows, {x: 0, y1: (d) => d[1] - .1, y2: (d) => d[1] + .1}), lib.line(rows, {x: 0, y: 1, stroke: 2}),
      lib.dot(rows, {x: 0, y: 1, fill: 2}), lib.tip(rows, lib.pointer({x: 0, y: 1}))]}));""",
    "vega": """const spec = {width: 300, height: 180, description: 'scores',
      data: [{name: 't', values: rows.map((d) => ({x: d[0], y: d[1], low: d[1] - .1, high: d[1] + .1, s: d[2]}))}],
      scales: [{name: 'x', type: 'linear', range: 'width', domain: [1, 5]}, {name: 'y', range: 'height', domain: [0, 1]},
        {name: 'c', type: 'ordinal', range: ['#575b61', '#1d4f8c'], domain: ['base', 'student']}],
      axes: [{orient: 'bottom', scale: 'x'}, {orient: 'left', scale: 'y'}],
      marks: [{type: 'rule', from: {data: 't'}, encode: {update: {x: {scale: 'x', field: 'x'},
        y: {scale: 'y', field: 'low'}, y2: {scale: 'y', field: 'high'}, stroke: {scale: 'c', field: 's'}}}},
        {type: 'symbol', from: {data: 't'}, encode: {update: {x: {scale: 'x', field: 'x'}, y: {scale: 'y', field: 'y'},
        fill: {scale: 'c', field: 's'}, tooltip: {signal: 'datum.y'}}}}]};
      new lib.View(lib.parse(spec, null, {ast: true}), {expr: lib.expressionInterpreter, renderer: 'svg',
        container: box, hover: true}).runAsync();""",
    "uplot": """const of = (s) => rows.filter((d) => d[2] === s).map((d) => d[1]);
      new lib.uPlot({width: 300, height: 180, scales: {x: {time: false}}, series: [{}, {stroke: '#575b61'},
        {stroke: '#1d4f8c'}]}, [[1, 2, 3, 4, 5], of('base'), of('student')], box);""",
    "plotly": """lib.P.newPlot(box, ['base', 'student'].map((s) => { const at = rows.filter((d) => d[2] === s);
      return {x: at.map((d) => d[0]), y: at.map((d) => d[1]), error_y: {type: 'constant', value: .1}, name: s}; }),
      {width: 300, height: 180}, {displayModeBar: false});""",
}


def main() -> None:
    bundles = Path(sys.argv[1])
    page = _page()
    pages = {"pictures of the page itself": page}
    for name, draw in DRAW.items():
        path = bundles / f"{name}.js"
        if path.is_file():
            pages[name] = with_library(page, path.read_text(encoding="utf-8"), draw)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, text in pages.items():
            path = Path(folder) / f"{name.partition(' ')[0]}.html"
            path.write_text(text, encoding="utf-8")
            print(f"{name}: {len(text) - len(page):+,} bytes, {measured(browser, path.as_uri())}")
        browser.close()


def _page() -> str:
    words = "so the train leaves at nine and the answer follows from the second sentence of the question "
    items = tuple(
        sample.item(n, sample.reply(1.0, words * 3 + "Paris"), sample.reply(float(n % 3 == 0), words * 2 + "Lyon"))
        for n in range(1000, 3000)
    )
    return render_html(sample_facets.full(items=items))


def with_library(page: str, library: str, draw: str) -> str:
    """Return the page with a library and a script that draws, both allowed by their digests."""
    script = (
        f"{DATA} for (const box of document.querySelectorAll('.bench')) {{ {draw} }} "
        "requestAnimationFrame(() => setTimeout(() => performance.mark('drawn')));"
    )
    allowed = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in (library, script)
    )
    boxes = "<div class='bench' role='img' aria-label='scores'></div>" * CHARTS
    # Jinja escapes the quotes of the policy.
    page = re.sub(r"(script-src )", lambda found: found[0] + allowed.replace("'", "&#39;") + " ", page, count=1)
    page = page.replace("<main>", f"<main>{boxes}", 1)
    return page.replace("</body>", f"<script>{library}</script><script>{script}</script></body>")


def measured(browser: Browser, address: str) -> str:
    """Load a page several times; say what was seen."""
    paints, drawn, faults, found = [], [], set[str](), list[str]()
    for run in range(RUNS):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.on("console", lambda message: faults.add(message.text[:90]) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.add(str(error)[:90]))
        page.goto(address)
        page.wait_for_timeout(600)
        paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        drawn.append(page.evaluate("performance.getEntriesByName('drawn')[0]?.startTime ?? 0"))
        found = found if run else _axe(page)
        shown = page.evaluate(
            "[...document.querySelectorAll('.bench')].filter((e) => e.querySelector('svg *, canvas')).length"
        )
        context.close()
    return (
        f"first paint {statistics.median(paints):.0f} ms, charts after {statistics.median(drawn):.0f} ms, {shown} drawn, "
        f"refused or failed: {sorted(faults) or 'nothing'}, axe: {found or 'nothing'}"
    )


def _axe(page: Any) -> list[str]:
    source = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js")
    page.evaluate(source.read_text(encoding="utf-8"))
    faults = page.evaluate("axe.run(document.querySelector('.bench') ? '.bench' : 'header')")["violations"]
    return sorted({fault["id"] for fault in faults})


if __name__ == "__main__":
    main()
