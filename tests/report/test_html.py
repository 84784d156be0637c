"""The page: hostile text stays text, nothing is loaded, it stays small, and colours have contrast."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
import sample
import sample_facets

from hydrometer.report.html import SIZE_LIMIT, render_html, render_pages
from hydrometer.report.json_report import write
from hydrometer.report.library import library
from hydrometer.result import AuditResult

VOID = {"meta", "input", "rect", "line", "circle", "link", "br", "img"}
STYLE = files("hydrometer.report").joinpath("templates/report.css").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Reads a page as a browser would: its tags with attributes, its text, and whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.raw: dict[str, list[str]] = {"style": [], "script": [], "data": []}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.raw["style"].append(data)
        elif self.open and self.open[-1] == "script":
            last = next(attrs for tag, attrs in reversed(self.tags) if tag == "script")
            self.raw["data" if last.get("type") == "application/json" else "script"].append(data)
        else:
            self.texts.append(data)


@pytest.fixture(scope="module")
def text() -> str:
    return render_html(sample_facets.full())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_hostile_text_stays_text(page: Page) -> None:
    assert page.open == []
    assert scripts(page) == 3
    assert not {"img", "iframe", "textarea", "b", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") or name == "style" for _, attrs in page.tags for name in attrs)
    shown = "".join(page.texts)
    for hostile in (
        "<script>alert(1)</script>",
        "</style></title><img src=x onerror=alert(2)>",
        "{{ 7 * 7 }} {% raw %}",
    ):
        assert hostile in shown
    assert "\x1b" not in shown
    assert "\x00" not in shown


@pytest.mark.parametrize("field", ["headline", "created", "evidence"])
@pytest.mark.parametrize("hostile", sample.HOSTILE)
def test_hostile_text_in_the_result_itself(field: str, hostile: str) -> None:
    page = Page(render_html(sample.sample(**{field: hostile}, items=())))
    assert page.open == []
    assert scripts(page) == 3
    assert "img" not in {tag for tag, _ in page.tags}


def test_nothing_is_loaded(page: Page, text: str) -> None:
    for tag, attrs in page.tags:
        for name in ("src", "href", "action", "data", "srcset", "poster", "xlink:href"):
            assert (attrs.get(name) or "#").startswith("#"), (tag, attrs)
    (style,) = page.raw["style"]
    assert "@import" not in style
    assert "url(" not in style
    # The library names addresses in its licences and of namespaces; that it asks for none is seen in the browser.
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text.replace(library(), "")))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def scripts(page: Page) -> int:
    """How many scripts run: that of the items, the library, and what draws."""
    assert len(page.raw["script"]) == sum(tag == "script" and "type" not in attrs for tag, attrs in page.tags)
    return len(page.raw["script"])


def test_the_policy_allows_exactly_the_style_and_the_scripts(page: Page) -> None:
    policy = next(
        a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for kind, count in (("style", 1), ("script", 3)):
        assert len(page.raw[kind]) == count
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in page.raw[kind]]
        allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
        assert f"{kind}-src {allowed};" in policy


def test_pages_of_a_registry_share_the_library_and_pages_without_charts_have_none() -> None:
    shared = render_pages(sample_facets.full(), shared="../../vega.js").report
    assert len(shared) < len(render_html(sample_facets.full())) - 500_000
    page = Page(shared)
    assert [attrs["src"] for tag, attrs in page.tags if tag == "script" and "src" in attrs] == ["../../vega.js"]
    policy = next(a["content"] or "" for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert re.search(r"script-src 'sha256-[^ ]+' 'sha256-[^ ]+' 'self';", policy)
    invalid = Page(render_html(sample.invalid()))
    assert scripts(invalid) == 1
    assert not any("'self'" in (attrs.get("content") or "") for _, attrs in invalid.tags)


def test_links_lead_to_parts_of_the_page(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {(a["href"] or "").removeprefix("#") for t, a in page.tags if t == "a"}
    assert targets
    assert targets <= set(ids)
    labels = {part for _, a in page.tags for part in (a.get("aria-labelledby") or "").split()}
    assert labels <= set(ids)


def test_every_verdict_reads_without_colour(page: Page) -> None:
    shown = "".join(page.texts)
    for row in ("▼ worse", "▲ better", "= equivalent", "? not enough evidence"):
        assert row in shown
    description = shown[shown.index("instruction following: worse, -9.0 [-14.1, -3.9] points.") :]
    assert "text editing: equivalent, +0.2 [-1.8, 2.1] points" in description


def _many(count: int, size: int) -> AuditResult:
    thinking = ("<&\"'" * size)[:size]
    changed = [
        sample.item(n, sample.reply(1.0, "a"), sample.reply(0.0, thinking, thinking=thinking))
        for n in range(2, count + 2)
    ]
    return sample.sample(items=(*sample.items()[:1], *changed))


def test_what_does_not_fit_is_listed_and_stands_on_pages_beside_it() -> None:
    pages = render_pages(_many(400, 5000))
    assert len(pages.report.encode()) <= SIZE_LIMIT
    assert all(len(text.encode()) <= SIZE_LIMIT for text in pages.beside.values())
    page = Page(pages.report)
    lines = [a for tag, a in page.tags if tag == "a" and a.get("class", "").startswith("item")]
    bodies = [a["data-change"] for tag, a in page.tags if tag == "details" and "data-change" in a]
    assert len(lines) + len(bodies) == 401
    assert bodies.count("lost") > 40
    assert f"the replies of {len(lines)} items stand on pages of their own" in "".join(page.texts)
    beside = {name: {a.get("id") for _, a in Page(text).tags} for name, text in pages.beside.items()}
    for line in lines:
        folder, _, rest = (line["href"] or "").partition("/")
        name, _, anchor = rest.partition("#")
        assert folder == "report-items"
        assert anchor == line["id"]
        assert anchor in beside[name]


def test_small_limits_are_kept_and_what_is_not_listed_is_counted() -> None:
    pages = render_pages(_many(200, 100), limit=90_000, shared="vega.js")
    assert len(pages.report.encode()) <= 90_000
    page = Page(pages.report)
    listed = sum("data-change" in attrs for _, attrs in page.tags)
    assert 20 < listed < 201
    assert f"{201 - listed} of those are not even listed here" in "".join(page.texts)
    held = [a["id"] for text in pages.beside.values() for _, a in Page(text).tags if "data-change" in a]
    here = [a["id"] for tag, a in page.tags if tag == "details" and "data-change" in a]
    assert len(held) + len(here) == len({*held, *here}) == 201
    # What has no charts needs no library.
    assert all(scripts(Page(text)) == 1 for text in pages.beside.values())


def test_pages_of_an_earlier_report_go_and_nothing_else_does(tmp_path: Path) -> None:
    write(_many(1400, 3000), tmp_path)
    beside = tmp_path / "report-items"
    before = sorted(path.name for path in beside.iterdir())
    assert len(before) >= 2
    (beside / "notes.txt").write_text("mine")
    write(_many(500, 3000), tmp_path)
    after = {path.name for path in beside.iterdir()}
    assert {"notes.txt", "001.html"} <= after < {*before, "notes.txt"}


def test_an_invalid_setup_has_a_page_without_scores() -> None:
    page = Page(render_html(sample.invalid()))
    shown = "".join(page.texts)
    assert "not comparable" in shown
    assert "undeclared difference" in shown
    ids = {attrs.get("id") for _, attrs in page.tags}
    assert {"setup", "reading", "reproduce"} <= ids
    assert not {"verdict", "price", "tasks", "items"} & ids


def test_every_part_that_has_something_is_on_the_page_and_in_its_contents(page: Page) -> None:
    ids = {attrs.get("id") for _, attrs in page.tags}
    links = {attrs.get("href") for tag, attrs in page.tags if tag == "a"}
    for part in ("budgets", "tiers", "behaviours"):
        assert part in ids
        assert f"#{part}" in links
    bare = Page(render_html(sample.sample()))
    assert not {"budgets", "tiers", "behaviours"} & {attrs.get("id") for _, attrs in bare.tags}


def test_charts_read_without_colour_and_each_has_its_table(page: Page) -> None:
    charts = [attrs for tag, attrs in page.tags if attrs.get("class") == "drawing"]
    assert all(attrs["role"] == "img" and len(str(attrs["aria-labelledby"]).split()) == 2 for attrs in charts)
    assert len(charts) == len(page.raw["data"])
    lines = [json.loads(text) for text in page.raw["data"] if '"ends"' in text]
    assert len(lines) == 3 + 4
    shown = "".join(page.texts)
    # The words that stand there without a script.
    assert "At 512: base 64.0 %, student 43.0 %. The table below holds" in shown
    assert len(re.findall(r"(?<!The same) in numbers\n", shown)) == 3 + 4
    for spec in lines:
        dashed = [mark["encode"]["update"].get("strokeDash") for mark in spec["marks"] if mark["type"] == "line"]
        shapes = [mark["encode"]["update"].get("shape") for mark in spec["marks"] if mark["type"] == "symbol"]
        assert dashed == [{"value": [5, 4]}, None]
        assert shapes == [None, {"value": "square"}]


def test_behaviours_filter_items_and_stand_in_their_order(page: Page) -> None:
    signs = [(attrs.get("data-signs") or "").split() for _, attrs in page.tags if "data-change" in attrs]
    options = {attrs.get("value") for tag, attrs in page.tags if tag == "option"}
    assert {"loop", "identity_claim", "refusal"} <= options
    assert sum("loop" in own for own in signs) == 3
    shown = "".join(page.texts)
    assert shown.index("loopturns in circles") < shown.index("identity claimsays to be")


def test_links_to_items_lead_to_where_their_replies_stand(page: Page, text: str) -> None:
    def linked(tags: list[tuple[str, dict[str, str | None]]]) -> set[str]:
        return {a["href"] or "" for t, a in tags if t == "a" and "class" not in a and "item-" in (a["href"] or "")}

    assert {link for link in linked(page.tags) if link.startswith("#")} == linked(page.tags)
    first = text.index('<details class="item')
    small = render_pages(sample_facets.full(), limit=len((text[:first] + library()).encode()) + 22_000)
    tags = Page(small.report).tags
    places = {f"#{a['id']}" for t, a in tags if t == "details" and "data-change" in a}
    for name, beside in small.beside.items():
        places |= {f"report-items/{name}#{a['id']}" for _, a in Page(beside).tags if "data-change" in a}
    assert any("/" in link for link in linked(tags))
    assert linked(tags) <= places


@pytest.mark.parametrize("hostile", sample.HOSTILE)
def test_hostile_names_of_tiers_behaviours_and_signs_stay_text(hostile: str) -> None:
    loop = replace(sample_facets.LOOP, behaviour=hostile, summary=hostile)
    marked = replace(sample.reply(1.0, "a"), signs=(hostile, f"loop: {hostile}"))
    result = sample_facets.full(
        behaviours=(loop,),
        tiers=tuple(replace(t, task=hostile, tier=hostile + t.tier) for t in sample_facets.tiers()),
        cuts=(replace(sample_facets.CUT, capability=hostile),),
        budgets=tuple(replace(point, capability=hostile) for point in sample_facets.budgets()[:6]),
        items=(sample.item(1, marked, marked),),
    )
    page = Page(render_html(result))
    assert page.open == []
    assert scripts(page) == 3
    assert not {"img", "b", "textarea"} & {tag for tag, _ in page.tags}
    assert not {"\x1b", "\x00", "\x07"} & set("".join(page.texts))


def test_two_thousand_items_stay_within_three_megabytes() -> None:
    signs = ("loop: the last 12 tokens repeat 9 times", "refusal: says that it cannot")
    marked = replace(sample.reply(0.0, "It is Lyon. " * 6), signs=signs)
    items = tuple(sample.item(n, sample.reply(1.0, "It is Paris. " * 6), marked) for n in range(2000))
    assert len(render_html(sample_facets.full(items=items)).encode()) <= SIZE_LIMIT


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_of_wcag_aa(scheme: int) -> None:
    block = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    texts = {"ink", "soft", "link", "better", "worse", "equivalent", "not-enough", "invalid"}
    assert texts <= set(colours)
    for ground in ("paper", "raised", "band"):
        for name in texts:
            light, dark = sorted((_luminance(colours[name]), _luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)
