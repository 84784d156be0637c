"""The site in Chromium, opened from the disk: filters, keyboard, addresses, no request elsewhere, axe."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from many import keep, made

from hydrometer.registry.naming import slug
from hydrometer.registry.site import build_site
from hydrometer.result import Verdict


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    verdicts = list(Verdict)[:4]
    for n in range(130):
        size = "" if n == 7 else str(10**9 * (1 + n % 30))
        base = ("Qwen3.5-4B", "gemma-4-12b")[n % 2]
        audit = made(f"model-{n:03d}.Q4_K_M", f"{base}.Q4_K_M", verdict=verdicts[n % 4], size=size, family=("qwen3.5", "gemma4")[n % 2])
        keep(audit, folder / "in" / str(n))
    keep(made("<img src=x onerror=document.title='hacked'>"), folder / "in" / "hostile")
    build_site(folder / "in", folder / "out")
    return folder / "out"


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1100, "height": 800})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: None if request.url.startswith("file:") else faults.append(request.url))
    yield opened
    context.close()
    assert faults == []


def shown(page: Any) -> str:
    return page.locator("#shown").inner_text()


def open_index(page: Any, site: Path, name: str = "index.html") -> None:
    page.goto(f"{(site / name).as_uri()}")
    page.wait_for_selector("#filter:not([hidden])")


def test_reports_draw_their_charts_with_the_copy_that_they_share(page: Any, site: Path) -> None:
    reports = sorted(site.glob("audits/*/report.html"))
    assert len(reports) == 131
    assert max(path.stat().st_size for path in reports) < 500_000 < (site / "vega.js").stat().st_size
    page.goto(reports[0].as_uri())
    page.locator(".drawing").first.scroll_into_view_if_needed()
    page.locator(".drawing svg.marks").first.wait_for()


def test_filters_find_what_they_say(page: Any, site: Path) -> None:
    open_index(page, site)
    assert shown(page) == "131 of 131 audits"
    page.select_option("[name=verdict]", "better")
    assert shown(page) == "33 of 131 audits"
    assert page.locator("#audits tbody .badge").all_inner_texts() == ["▲ better"] * 33
    page.select_option("[name=base]", "gemma-4-12b")
    assert shown(page) == "0 of 131 audits"
    page.click("button[type=reset]")
    page.fill("[name=q]", "MODEL-01")
    assert shown(page) == "10 of 131 audits"
    page.fill("[name=q]", "")
    page.select_option("[name=capability]", "code")
    page.select_option("[name=verdict]", "equivalent")
    # On code alone: an audit that is worse elsewhere is among them.
    assert page.locator("#audits tbody .badge.worse").count() > 0
    page.select_option("[name=verdict]", "worse")
    assert shown(page) == "0 of 131 audits"
    page.click("button[type=reset]")
    page.select_option("[name=family]", "gemma4")
    page.select_option("[name=quantisation]", "Q4_K_M")
    page.select_option("[name=size]", "1B to 4B")
    assert shown(page) == "65 of 131 audits"
    assert page.title() != "hacked"


def test_a_filter_has_an_address(page: Any, site: Path) -> None:
    open_index(page, site)
    page.select_option("[name=verdict]", "worse")
    page.fill("[name=q]", "model-00")
    address = page.evaluate("location.href")
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("#filter:not([hidden])")
    assert shown(page) == "3 of 131 audits"


def test_more_rows_come_by_keyboard_alone(page: Any, site: Path) -> None:
    open_index(page, site)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator("#audits tbody tr").count() == 100
    page.focus("#more")
    page.keyboard.press("Enter")
    assert page.locator("#audits tbody tr").count() == 131
    assert page.evaluate("document.activeElement.closest('tr').rowIndex") == 101
    page.focus("[name=q]")
    page.keyboard.type("model-003")
    assert shown(page) == "1 of 131 audits"
    page.focus("#audits tbody a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/**")
    assert page.locator("h1").inner_text() == "model-003"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_what_fits_into_memory(page: Any, site: Path) -> None:
    open_index(page, site, "memory.html")
    page.fill("[name=memory]", "8")
    page.fill("[name=free]", "3")
    sizes = page.locator("#audits tbody td:nth-child(8)").all_inner_texts()
    assert sizes
    assert all(float(size.split()[0]) <= 5.0 for size in sizes)
    assert sizes == sorted(sizes, reverse=True)
    page.fill("[name=memory]", "1000")
    assert shown(page) == "130 of 131 audits"
    page.select_option("[name=verdict]", "worse")
    assert set(page.locator("#audits tbody td:nth-child(3)").all_inner_texts()) == {"the plain base"}


@pytest.mark.parametrize("name", ["index.html", "memory.html"])
def test_the_script_writes_the_rows_that_stand_there_without_it(chromium: Any, page: Any, site: Path, name: str) -> None:
    bare = chromium.new_context(java_script_enabled=False, viewport={"width": 1100, "height": 800})
    still = bare.new_page()
    still.goto((site / name).as_uri())
    rows = "#audits tbody tr:nth-child(-n + 20)"
    open_index(page, site, name)
    page.fill("[name=memory]", "1000") if name == "memory.html" else None
    drawn = page.locator(rows).all_text_contents()
    assert any("▼ instruction following: worse" in row for row in drawn)
    assert drawn == still.locator(rows).all_text_contents()
    # A link that only its colour shows is none to many readers.
    assert page.evaluate("getComputedStyle(document.querySelector('#audits td a bdi')).display") == "inline"
    bare.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    chromium: Any, site: Path, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    opened = context.new_page()
    for name in ("index.html", "memory.html", "bases.html", f"bases/{slug('Qwen3.5-4B')}.html", f"models/{slug('model-003')}.html"):
        opened.goto((site / name).as_uri())
        assert opened.evaluate("document.documentElement.scrollWidth") <= width, name
        found = axe.run(opened)
        assert [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]] == [], name
    context.close()
