"""The page in a real browser: filters, links, keys, hostile replies, accessibility, and how fast it is."""

import importlib.resources
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sample
import sample_facets
from sample_drift import with_drift

from hydrometer.report.json_report import write
from hydrometer.result import ItemResult

LONG_LINE = "<img src=x onerror=document.title='broken'>" * 25_000
HOSTILE = (*sample.HOSTILE, LONG_LINE, "\x1b]0;title\x07\x1b[2J", "# head\n- [link](javascript:alert(3))\n<b>bold</b>")


def _hostile() -> list[ItemResult]:
    return [
        sample.item(
            700 + n,
            replace(sample.reply(1.0, text), signs=(f"loop: {text[:300]}",)),
            sample.reply(0.0, text, thinking=text, think_state="closed", extracted=text, reason=text),
            task="hostile",
        )
        for n, text in enumerate(HOSTILE)
    ]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("audit")
    result = with_drift(sample_facets.full(items=(*sample_facets.shown_items(), *_hostile())))
    return write(result, folder)[1].as_uri()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 2,000 items with replies of usual length, more than fit on one page."""
    words = "so the train leaves at nine and the answer follows from the second sentence of the question "
    items = tuple(
        sample.item(
            n,
            sample.reply(1.0, words * 3 + "Paris", thinking=words * 12, think_state="closed"),
            sample.reply(float(n % 3 == 0), words * 2 + "Lyon", thinking=words * 8, think_state="closed"),
            task=f"task {n % 9}",
            capability=f"capability {n % 4}",
        )
        for n in range(1000, 3000)
    )
    folder = tmp_path_factory.mktemp("large")
    return write(sample_facets.full(items=items), folder)[1]


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page on which nothing may go wrong: no error, no dialog, no request beyond the files of the report."""
    context = chromium.new_context(viewport={"width": 1100, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(5000)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.on("request", lambda r: None if r.url.startswith("file:") else faults.append(r.url))
    yield page
    assert faults == []
    context.close()


def shown(page: Any) -> list[str]:
    return page.eval_on_selector_all(".items > :not([hidden])", "all => all.map(item => item.id)")


def axe(page: Any) -> list[str]:
    """Serious faults that axe finds; it is evaluated from outside, which the page's policy does not stop."""
    source = importlib.resources.files(pytest.importorskip("axe_playwright_python")).joinpath("axe.min.js")
    page.evaluate(source.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def test_hostile_replies_do_nothing(page: Any, report: str) -> None:
    page.goto(f"{report}#items?outcome=all&task=hostile")
    assert len(shown(page)) == len(HOSTILE)
    page.click("#unfold")
    page.wait_for_timeout(100)
    # The script of the items, the library and what draws; the rest is data.
    assert page.evaluate("document.querySelectorAll('script:not([type])').length") == 3
    assert page.evaluate("document.images.length") == 0
    assert page.evaluate("document.querySelectorAll('.items b, .items a:not([href^=\"#item-\"])').length") == 0
    assert page.title().startswith("worse: ")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # What is right to left stays in its own box: the labels around it read as before.
    assert page.inner_text(f"#{sample_anchor(702)} .reply h3").startswith("Base ✓ right")
    assert not {"\x1b", "\x07", "\x00"} & set(page.inner_text("#items"))


def sample_anchor(number: int) -> str:
    return f"item-s2{number:032x}"


@pytest.mark.parametrize(
    ("field", "value", "test"),
    [
        ("outcome", "lost", "item => item.dataset.change === 'lost'"),
        ("outcome", "gained", "item => item.dataset.change === 'gained'"),
        ("outcome", "cut", "item => item.textContent.includes('cut at the token cap')"),
        ("capability", "general knowledge", "item => item.textContent.includes('knowledge')"),
        ("task", "knowledge", "item => item.querySelector('.where').textContent.startsWith('knowledge')"),
        ("behaviour", "loop", "item => /loop/.test(item.textContent)"),
        ("text", "the second city", "item => item.textContent.includes('the second city')"),
    ],
)
def test_each_filter_shows_exactly_what_it_says(page: Any, report: str, field: str, value: str, test: str) -> None:
    page.goto(report)
    page.check("input[value=all]")
    if field == "outcome":
        page.check(f"input[value={value}]")
    elif field == "text":
        page.fill("input[type=search]", value)
    else:
        page.select_option(f"select[name={field}]", value)
    found = shown(page)
    wanted = page.evaluate(f"[...document.querySelectorAll('.items > *')].filter({test}).map(item => item.id)")
    assert found == wanted
    total = page.evaluate("document.querySelectorAll('.items > *').length")
    assert 0 < len(found) < total
    assert page.inner_text("#shown") == f"{len(found)} of {total} shown"
    # The address brings another reader to the same.
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert shown(page) == found


def test_an_address_with_nonsense_shows_the_page(page: Any, report: str) -> None:
    page.goto(f"{report}#items?outcome=<b>&capability=none&item=nothing&x=%")
    assert len(shown(page)) > 0


def test_filter_and_item_are_one_address(page: Any, report: str) -> None:
    page.goto(report)
    page.check("input[value=gained]")
    page.click(f"#{shown(page)[0]} > summary")
    opened = page.evaluate("document.querySelector('.item[open]').id")
    assert page.url.endswith(f"#items?outcome=gained&item={opened}")
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert page.evaluate("document.querySelector('.item[open]').id") == opened
    # A plain link to an item that the filter hides shows it all the same.
    page.goto(f"{report}#{sample_anchor(1)}")
    page.reload()
    assert page.is_visible(f"#{sample_anchor(1)} .two")


def test_keys_alone_filter_walk_and_open(page: Any, report: str) -> None:
    page.goto(report)
    page.focus("#filter input:checked")
    page.keyboard.press("ArrowRight")
    visible = shown(page)
    assert page.evaluate("document.querySelector('#filter input:checked').value") == "lost"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            break
    at = "document.activeElement.parentElement.id"
    assert page.evaluate(at) == visible[0]
    page.keyboard.press("ArrowDown")
    assert page.evaluate(at) == visible[1]
    page.keyboard.press("Enter")
    assert page.is_visible(f"#{visible[1]} .two")
    page.keyboard.press("End")
    assert page.evaluate(at) == visible[-1]
    page.keyboard.press("Home")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.name") == "outcome"


def test_replies_stand_side_by_side_and_one_above_the_other_on_a_phone(page: Any, report: str) -> None:
    page.goto(f"{report}#{sample_anchor(2)}")
    boxes = "[...document.querySelectorAll('.item[open] .reply')].map(e => e.getBoundingClientRect().toJSON())"
    base, student = page.evaluate(boxes)
    assert base["top"] == student["top"]
    assert base["right"] <= student["left"]
    assert not page.is_visible(".item[open] .thinking pre")
    page.set_viewport_size({"width": 390, "height": 800})
    base, student = page.evaluate(boxes)
    assert base["bottom"] <= student["top"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_words_of_one_side_are_marked_and_the_marks_can_go(page: Any, report: str) -> None:
    page.goto(report)
    lines = "getComputedStyle(document.querySelector('.items mark')).textDecorationLine"
    assert page.evaluate(lines) == "underline"
    page.uncheck("input[name=marks]")
    assert page.evaluate(lines) == "none"


def test_links_from_the_page_lead_to_the_pages_beside_and_back(page: Any, large: Path) -> None:
    page.goto(large.as_uri())
    page.check("input[value=all]")
    away = page.get_attribute(".items > a.item", "id")
    page.click(".items > a.item")
    page.wait_for_selector(".item[open]")
    assert "/report-items/" in page.url
    assert page.evaluate("document.querySelector('.item[open]').id") == away
    page.click("text=Back to the report")
    page.wait_for_selector("#verdict")
    assert page.url == large.as_uri()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 390)])
def test_axe_finds_nothing_serious(page: Any, report: str, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{report}#{sample_anchor(2)}")
    draw_all(page)
    assert axe(page) == []


def test_axe_finds_nothing_serious_on_a_page_beside(page: Any, large: Path) -> None:
    page.goto((large.parent / "report-items" / "001.html").as_uri())
    # A page of hundreds of items that are all built alike takes axe ten seconds.
    page.evaluate("[...document.querySelectorAll('.items > :nth-child(n + 6)')].forEach(item => item.remove())")
    page.click(".item > summary")
    assert axe(page) == []


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_holds_the_sentence_and_the_picture(page: Any, report: str, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(report)
    for part in ("h1", "#picture svg"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] >= 0, part
        assert box["y"] + box["height"] <= height, part
    # One line per capability, each within the picture, also where a phone leaves it little room.
    frame = page.locator("#picture > svg").bounding_box()
    marks = page.locator("#picture .point, #picture .label")
    assert page.locator("#picture .label").count() == page.locator("#verdict .card").count()
    for mark in (marks.nth(n).bounding_box() for n in range(marks.count())):
        # A label has an outline in the colour of the paper.
        assert frame["x"] - 6 <= mark["x"]
        assert mark["x"] + mark["width"] <= frame["x"] + frame["width"] + 6


def test_a_pointer_finds_the_numbers_behind_a_mark(page: Any, report: str) -> None:
    page.goto(report)
    titles = page.eval_on_selector_all("#picture g > title", "all => all.map(e => e.textContent)")
    assert "instruction following: -9.0 [-14.1, -3.9] points" in titles
    for chart, spot, words in (
        ("forest-d", (0.3, 36), "instruction following: -9.0 [-14.1, -3.9] points"),
        ("budget-0-d", (0.11, 90), "16: base 2.0 %, student 10.0 %, +8.0 [0.0, 16.0] points"),
    ):
        place = drawn(page, chart)
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        page.mouse.move(box["x"] + box["width"] * spot[0], box["y"] + spot[1])
        page.wait_for_selector(f"[title='{words}']")
    page.evaluate("scrollTo(0, 0)")
    box = page.locator("#picture .hit").first.bounding_box()
    at = "([x, y]) => document.elementFromPoint(x, y).closest('g').querySelector('title').textContent"
    middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    assert page.evaluate(at, middle).startswith("instruction following")


ALL_DRAWN = "[...document.querySelectorAll('.drawing')].every(place => place.querySelector('svg.marks'))"


def drawn(page: Any, words: str) -> Any:
    """The place of a chart, once it is drawn."""
    place = page.locator(f".drawing:has(#{words})")
    place.scroll_into_view_if_needed()
    place.locator("svg.marks").wait_for()
    return place


def draw_all(page: Any) -> None:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(ALL_DRAWN)
    page.wait_for_timeout(100)


@pytest.mark.parametrize("width", [360, 1100])
def test_charts_are_as_wide_as_their_places_and_follow_them(page: Any, report: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(report)
    draw_all(page)
    fits = """[...document.querySelectorAll('.drawing')].every(place => {
      const svg = place.querySelector('svg.marks'), room = place.clientWidth;
      return Math.abs(svg.getAttribute('width') - room) < 2 && place.scrollWidth <= room + 1; })"""
    assert page.evaluate(fits)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": width + 150, "height": 900})
    page.wait_for_function(fits)


def test_charts_far_below_are_drawn_once_they_come_near(page: Any, large: Path) -> None:
    page.goto(large.as_uri())
    assert not page.evaluate(ALL_DRAWN)
    drawn(page, "flips-d" if page.locator("#flips-d").count() else "excess-d")
    # What the words said is read out still, but no longer seen.
    assert page.locator(".drawing p.unseen").count() > 0


def test_charts_have_the_colours_of_the_page(page: Any, report: str) -> None:
    page.goto(report)
    draw_all(page)
    colour = "getComputedStyle(document.querySelector('.drawing svg .mark-symbol path')).fill"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(colour) != light


def test_without_a_script_each_chart_is_a_sentence_and_a_table(chromium: Any, report: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report)
    assert "draws its charts" in page.inner_text("noscript")
    places = page.locator(".drawing")
    assert places.count() > 8
    for place in places.all():
        assert place.is_visible()
        assert len(place.inner_text()) > 40
        # Its table, or its facts, stand in the same section.
        assert place.locator("xpath=ancestor::section[1]//*[self::table or self::dl]").count() > 0
    context.close()


def test_names_that_look_like_expressions_are_shown_as_they_are(page: Any, tmp_path: Path) -> None:
    names = ("datum.x; globalThis.hacked = 1", '{"signal": "width"}', "</script><script>hacked = 1</script>")
    tiers = tuple(replace(t, task=name, tier=name) for name in names for t in sample_facets.tiers()[:2])
    worse = tuple(replace(sample.WORSE, capability=name) for name in names)
    page.goto(write(sample_facets.full(tiers=tiers, capabilities=worse), tmp_path)[1].as_uri())
    draw_all(page)
    texts = page.eval_on_selector_all(".drawing:has(#forest-d) text", "all => all.map(e => e.textContent)")
    assert set(names) <= set(texts)
    assert page.evaluate("globalThis.hacked") is None


def test_paper_shows_no_controls(page: Any, report: str) -> None:
    page.goto(report)
    page.emulate_media(media="print")
    assert not page.is_visible("nav")
    assert not page.is_visible("#filter")
    assert page.is_visible("#verdict svg")
    assert page.evaluate(ALL_DRAWN)


def test_two_thousand_items_are_painted_and_filtered_at_once(page: Any, large: Path) -> None:
    assert large.stat().st_size <= 3_000_000
    page.goto(large.as_uri())
    assert page.evaluate("document.querySelectorAll('.items > *').length") == 2000
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    # From the key to the frame that shows what it did.
    filtered = page.evaluate(
        """async () => {
          const box = document.querySelector("input[type=search]"), times = [];
          document.querySelector("input[value=all]").click();
          for (const word of ["p", "paris", "task 3", "1.0", ""]) {
            const start = performance.now();
            box.value = word;
            box.dispatchEvent(new InputEvent("input", { bubbles: true }));
            document.body.offsetHeight;
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            times.push(performance.now() - start);
          }
          return times;
        }"""
    )
    print(f"first paint {painted:.0f} ms; filters {[round(time) for time in filtered]} ms")
    assert painted < 1500
    assert statistics.median(filtered) < 100
