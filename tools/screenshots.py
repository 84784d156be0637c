"""Take the pictures of docs/images from a finished audit, from one that runs, and from a registry.

    python tools/screenshots.py AUDIT [--no-live]

AUDIT is the folder of an audit, such as the one of `make demo`. The live page is that of a short audit of the bundled
pair. The registry holds that audit and invented ones, with names that say so: a picture must not judge a model that
nobody audited. Needs playwright and a Chromium on this machine. Look at every picture before it is committed.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "registry")]

from many import keep, made  # noqa: E402

from hydrometer.registry.naming import slug  # noqa: E402
from hydrometer.registry.site import build_site  # noqa: E402
from hydrometer.report.json_report import write  # noqa: E402
from hydrometer.report.names import model_name  # noqa: E402
from hydrometer.result import AuditResult, Verdict  # noqa: E402
from hydrometer.verify import load_report  # noqa: E402

IMAGES = ROOT / "docs" / "images"
WAIT_FOR = ".sight circle"
"""The first interval, some minutes after the start; `.reply` comes within seconds."""
LIMIT = 500_000
"""Most bytes of all pictures together."""


def main() -> int:
    """Take every picture and print what was taken."""
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(folders) != 1:
        print((__doc__ or "").split("\n\n")[1].strip(), file=sys.stderr)
        return 2
    result = load_report(Path(folders[0]))
    IMAGES.mkdir(exist_ok=True)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = write(result, Path(folder))[1].as_uri()
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        report(browser, page)
        registry(browser, Path(folder), result)
        if "--no-live" not in sys.argv:
            live(browser, Path(folder))
        browser.close()
    sizes = {image.name: image.stat().st_size for image in sorted(IMAGES.glob("*.webp"))}
    for name, size in sizes.items():
        print(f"{name}: {size / 1000:.0f} kB")
    if sum(sizes.values()) > LIMIT:
        print(f"{sum(sizes.values()):,} bytes together, at most {LIMIT:,}")
        return 1
    return 0


def report(browser: Browser, address: str) -> None:
    """Pictures of the page: its top, single parts, a phone in the dark."""
    with opened(browser, address, 1000, 900) as page:
        draw(page)
        save(page, "report", height=1480)
        save(page, "price", top=top_of(page, "#price"), height=700)
        page.click("input[value=lost]")
        marked = page.evaluate("document.querySelector('.items > :not([hidden]):has(mark)').id")
        page.fill("input[type=search]", (page.text_content(f"#{marked} .what") or "")[:12])
        page.click(f"#{marked} > summary")
        save(page, "items", top=top_of(page, "#items"), height=760)
    with opened(browser, address, 390, 844, scheme="dark") as page:
        draw(page)
        save(page, "phone", height=844)


def draw(page: Page) -> None:
    """Draw every chart, as before printing: those below the window wait until somebody comes near."""
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("[...document.querySelectorAll('.drawing')].every(box => box.querySelector('svg.marks'))")


def registry(browser: Browser, folder: Path, result: AuditResult) -> None:
    """Pictures of a registry: its list, what fits into memory, a base, a model."""
    write(result, folder / "audits" / "real")
    verdicts = (Verdict.WORSE, Verdict.EQUIVALENT, Verdict.NOT_ENOUGH, Verdict.BETTER)
    for number in range(14):
        size = (4, 9, 27)[number % 3]
        weights = ("Q4_K_M", 0.6) if number % 2 else ("Q8_0", 1.1)
        audit = made(
            f"invented-distillation-{number + 1}-{size}b.{weights[0]}",
            f"invented-base-{size}b.{weights[0]}",
            verdict=verdicts[number % 4],
            parameters=str(size * 10**9),
            size=str(round(size * weights[1] * 1e9)),
            quantisation=weights[0],
            family="invented",
            created=f"2026-11-{number + 1:02d}T00:00:00+00:00",
        )
        keep(audit, folder / "audits" / str(number))
    build_site(folder / "audits", folder / "site")
    model = slug(model_name(result.student.identity.label))
    views = {"registry": "index.html", "memory": "memory.html", "base": f"bases/{slug('invented-base-9b')}.html"}
    for name, path in {**views, "model": f"models/{model}.html"}.items():
        with opened(browser, (folder / "site" / path).as_uri(), 1200, 900) as page:
            save(page, name, height=min(760.0, float(page.evaluate("document.body.offsetHeight"))))


def top_of(page: Page, part: str) -> float:
    """Where a part begins on its page, without the space above it."""
    return float(page.evaluate(f"document.querySelector('{part}').getBoundingClientRect().top + scrollY")) + 40


def live(browser: Browser, folder: Path) -> None:
    """A picture of the page of an audit that runs."""
    command = [sys.executable, "-m", "hydrometer.cli", "audit", "bundled:base", "bundled:student"]
    command += ["--task", "copying", "--task", "recall", "--items", "60", "--fixed", "--serve"]
    command += ["--out", str(folder / "live")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
        try:
            address = next(text.split("live: ")[1].strip() for text in run.stderr or () if "live: " in text)
            with opened(browser, address, 1000, 900) as page:
                page.wait_for_selector(WAIT_FOR, timeout=600_000)
                save(page, "live", height=760)
        finally:
            run.terminate()


@contextmanager
def opened(browser: Browser, address: str, width: int, height: int, scheme: str = "light") -> Iterator[Page]:
    """A page of a size."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address, wait_until="domcontentloaded")
    yield page
    context.close()


def save(page: Page, name: str, *, height: float, top: float = 0.0) -> None:
    """Save a stretch of a page as WebP, which playwright itself cannot."""
    width: Any = page.viewport_size and page.viewport_size["width"]
    session = page.context.new_cdp_session(page)
    shot = session.send(
        "Page.captureScreenshot",
        {
            "format": "webp",
            "quality": 78,
            "captureBeyondViewport": True,
            "clip": {"x": 0, "y": top, "width": width, "height": height, "scale": 1},
        },
    )
    (IMAGES / f"{name}.webp").write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    sys.exit(main())
