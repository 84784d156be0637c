"""What the chart library costs the page: `python bench/charts.py`.

A report of 2,000 items with its charts, and the same page without library and drawing script, in turns, in Chromium.
Told apart: bytes, first paint, when the document stands, how long all charts take, and what the page's policy refuses.
"""

from __future__ import annotations

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
from sample_drift import with_drift  # noqa: E402

from hydrometer.report.html import render_html  # noqa: E402
from hydrometer.report.library import library  # noqa: E402

RUNS = 5
DRAW_ALL = """() => { const start = performance.now(); dispatchEvent(new Event('beforeprint'));
  return new Promise((done) => requestAnimationFrame(() => setTimeout(() => done([performance.now() - start,
    document.querySelectorAll('.drawing svg.marks').length, document.querySelectorAll('.drawing').length])))); }"""


def main() -> None:
    whole = _page()
    pages = {"with": whole, "without": whole.replace(f"<script>{library()}</script>", "")}
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in pages}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, text in pages.items():
            (Path(folder) / f"{name}.html").write_text(text, encoding="utf-8")
        for _ in range(RUNS):
            for name in pages:
                seen[name].append(measured(browser, (Path(folder) / f"{name}.html").as_uri()))
        browser.close()
    for name, runs in seen.items():
        times = {key: statistics.median(run[key] for run in runs) for key in ("paint", "stands", "all")}
        drawn, places, faults = (runs[-1][key] for key in ("drawn", "places", "faults"))
        print(
            f"{name} the library: {len(pages[name].encode()):,} bytes, first paint {times['paint']:.0f} ms, document after "
            f"{times['stands']:.0f} ms, {drawn} of {places} charts drawn in {times['all']:.0f} ms, refused or failed: "
            f"{faults or 'nothing'}"
        )


def _page() -> str:
    words = "so the train leaves at nine and the answer follows from the second sentence of the question "
    items = tuple(
        sample.item(n, sample.reply(1.0, words * 3 + "Paris"), sample.reply(float(n % 3 == 0), words * 2 + "Lyon"))
        for n in range(1000, 3000)
    )
    return render_html(with_drift(sample_facets.full(items=items)))


def measured(browser: Browser, address: str) -> dict[str, Any]:
    """Load a page once; return what was seen."""
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.on("console", lambda message: faults.append(message.text[:90]) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)[:90]))
    page.goto(address)
    page.wait_for_timeout(600)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    stands = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    spent, drawn, places = page.evaluate(DRAW_ALL)
    context.close()
    return {"paint": paint, "stands": stands, "all": spent, "drawn": drawn, "places": places, "faults": faults}


if __name__ == "__main__":
    main()
