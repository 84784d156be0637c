"""The pages of a server in Chromium: search, filters, tables, memory, keyboard alone, no request elsewhere, axe."""

from collections.abc import Iterator
from typing import Any

import pytest
from many import made, served

from hydrometer.canon import canonical_json, to_plain
from hydrometer.registry.entry import entry_of
from hydrometer.registry.naming import slug
from hydrometer.result import Verdict

pytest.importorskip("sqlalchemy", reason="the serve extra is not installed")
pytest.importorskip("uvicorn", reason="the serve extra is not installed")

from hydrometer.registry.database import Database
from hydrometer.registry.server import Settings, make_app

HOSTILE = "<img src=x onerror=document.title='hacked'>"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('live') / 'registry.sqlite'}")
    verdicts = list(Verdict)[:4]
    for n in range(60):
        size = "" if n == 7 else str(10**9 * (1 + n % 30))
        family = ("qwen3.5", "gemma4")[n % 2]
        base = ("Qwen3.5-4B.Q4_K_M", "gemma-4-12b.Q4_K_M")[n % 2]
        name = HOSTILE if n == 2 else f"model-{n:02d}.Q4_K_M"
        audit = made(name, base, verdict=verdicts[n % 4], size=size, family=family)
        entry = entry_of(audit, f"sha256:{n}", signer="ed25519:" + "ab" * 32 if n == 1 else "")
        database.add(entry, canonical_json(to_plain(audit)).encode(), b"zip")
    with served(make_app(database, Settings(reads=10_000))) as port:
        yield f"http://127.0.0.1:{port}"
    database.close()


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:
    """A page on which nothing may go wrong: no error, no refusal of its policy, no request to anybody else."""
    context = chromium.new_context(viewport={"width": 1100, "height": 800})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda m: faults.append(m.text) if m.type == "error" and "favicon" not in m.location["url"] else None)
    opened.on("request", lambda request: None if request.url.startswith(f"{address}/") else faults.append(request.url))
    yield opened
    assert opened.title() != "hacked"
    context.close()
    assert faults == []


def shown(page: Any) -> str:
    return str(page.locator("#shown").inner_text())


def test_search_and_filters_find_what_they_say_and_have_an_address(page: Any, address: str) -> None:
    page.goto(f"{address}/")
    assert shown(page) == "60 of 60 audits"
    assert page.locator("#audits tbody tr").count() == 50
    page.click("a[rel=next]")
    assert page.locator("#audits tbody tr").count() == 10
    page.select_option("[name=verdict]", "better")
    page.select_option("[name=family]", "gemma4")
    page.click("button[type=submit]")
    found = page.locator("#audits tbody .badge").all_inner_texts()
    assert shown(page) == f"{len(found)} of 60 audits"
    assert set(found) <= {"▲ better"}
    page.goto(f"{address}/index.html")
    page.fill("[name=q]", "MODEL-01")
    page.press("[name=q]", "Enter")
    assert shown(page) == "1 of 60 audits"
    kept = page.url
    page.goto("about:blank")
    page.goto(kept)
    assert shown(page) == "1 of 60 audits"
    assert page.input_value("[name=q]") == "MODEL-01"


def test_a_base_leads_to_its_distillations_and_on_to_the_report_of_one(page: Any, address: str) -> None:
    page.goto(f"{address}/bases.html")
    page.click("text=gemma-4-12b")
    assert page.locator("h1").inner_text() == "Distillations of gemma-4-12b"
    assert page.locator("table").first.locator("tbody tr").count() == 30
    page.click("text=model-01")
    assert page.locator("h1").inner_text() == "model-01"
    assert "Signed with the key ed25519:abab" in page.inner_text("main")
    page.click("text=Full report")
    page.wait_for_selector("#picture svg")
    assert "model-01.Q4_K_M" in page.inner_text(".models")
    # The report's own script runs under the report's own policy.
    page.wait_for_selector("#filter:not([hidden])")


def test_what_fits_into_memory_says_what_it_leaves_out(page: Any, address: str) -> None:
    page.goto(f"{address}/memory.html")
    page.fill("[name=memory]", "8")
    page.fill("[name=free]", "3")
    page.press("[name=free]", "Enter")
    sizes = [float(size.split()[0]) for size in page.locator("#audits tbody td:nth-child(8)").all_inner_texts()]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 5.0
    assert "1 more do not say how large their weights are, and are not listed here" in page.inner_text("main")
    page.fill("[name=memory]", "1000")
    page.click("button[type=submit]")
    assert shown(page) == "59 of 60 audits"


def test_the_keyboard_alone_searches_and_opens(page: Any, address: str) -> None:
    page.goto(f"{address}/index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("model-03")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=model-03**")
    assert shown(page) == "1 of 60 audits"
    # Every control and every link is reached in turn; the outline shows where one is.
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#audits tbody') !== null"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/**")
    assert page.locator("h1").inner_text() == "model-03"


def test_errors_are_pages_of_the_registry(chromium: Any, address: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    for path, said in (("/nothing", "nothing at this address"), ("/memory.html?memory=lots", "give gigabytes"), ("/models/x.html", "no such model")):
        page.goto(f"{address}{path}")
        assert said in page.inner_text("main")
        page.click("nav >> text=All audits")
        assert shown(page) == "60 of 60 audits"
    context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 390)])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(chromium: Any, address: str, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    opened = context.new_page()
    paths = ("/index.html?q=model-0", "/memory.html?q=model-0", "/bases.html", f"/models/{slug('model-01')}.html", "/nothing")
    for path in paths:
        opened.goto(address + path)
        assert opened.evaluate("document.documentElement.scrollWidth") <= width, path
        found = axe.run(opened)
        assert [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]] == [], path
    context.close()
