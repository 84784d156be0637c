"""Drift on the page: pieces cover the text whatever the places say, size stays bounded, nothing becomes markup."""

from __future__ import annotations

import itertools
from dataclasses import replace

import sample
from sample_drift import with_drift

from hydrometer.distances import ReplyDrift, Surprise
from hydrometer.report.build import build_view
from hydrometer.report.drift_view import SHOWN, _pieces, surprise_level
from hydrometer.report.html import render_html, render_pages
from hydrometer.report.library import library


def test_pieces_cover_the_text_wherever_the_places_lie() -> None:
    text = "The <b>answer</b> is\r\nParis." + "x" * SHOWN
    for places in ([(0, 3, 1.0)], [(0, 10**9, 9.0)], [(5, 4, 2.0), (-3, 9, 2.0), (10**8, 10**9, 3.0)], [(0, 3, 1.0), (3, 8, 2.5)]):
        found = tuple(Surprise(place="answer", start=a, end=b, nats=n) for a, b, n in places)
        reply = ReplyDrift(spans=(), surprises=(*found, Surprise(place="thinking", start=0, end=5, nats=9.0)))
        for fork in (None, 0, 4, 10**6, -1):
            pieces = _pieces(text, "answer", reply, fork)
            shown = "".join(piece.text for piece in pieces[:-1])
            assert shown == text[:SHOWN].replace("\r\n", "\n")
            assert sum(piece.fork for piece in pieces) == (fork in (0, 4))
            assert pieces[-1].text.startswith("… (")
    assert [surprise_level(nats) for nats in (0.5, 1.0, 2.0, 3.9, 4.0, 90.0)] == [0, 1, 2, 2, 3, 3]
    assert _pieces("", "answer", ReplyDrift(spans=(), surprises=()), 0) == ()


def test_the_section_says_it_in_words_numbers_and_a_picture() -> None:
    page = render_html(with_drift(sample.sample()))
    view = build_view(with_drift(sample.sample()))
    assert view.drift
    assert view.drift.drawing
    points, line = (table["values"] for table in view.drift.drawing.spec["data"])
    assert [(point["number"], point["flips"]) for point in points] == [(str(n + 1), 10.0 * n) for n in range(5)]
    # The curve is that of the fit, as far as the chart goes.
    assert line[0]["kl"] <= points[0]["kl"] < points[-1]["kl"] <= line[-1]["kl"]
    assert all(low["flips"] < high["flips"] for low, high in itertools.pairwise(line))
    assert "factor of 1.74 (95 % 1.33 to 2.28); more drift goes with more flips" in page
    assert "0.200 nats a token from the base; the base itself, read again, 0.004" in page
    assert "2 replies are longer than 4,096 tokens" in page
    assert "(base 62 %, student under 0.1 %)" in page
    assert "<b>no" not in page
    assert "<i>tool use" not in page
    lost = [item for item in view.items if item.change == "lost" and item.surprise]
    assert len(view.drift.forks) == min(12, len(lost)) > 0
    for fork in view.drift.forks:
        assert f'href="#{fork.anchor}"' in page


def test_a_slope_that_may_be_none_is_not_called_shown() -> None:
    result = with_drift(sample.sample())
    assert result.drift
    assert result.drift.curve
    curve = replace(result.drift.curve, slope_error=result.drift.curve.slope)
    page = render_html(replace(result, drift=replace(result.drift, curve=curve)))
    assert "that drift goes with flips is not shown here" in page
    assert "more drift goes with more flips" not in page


def test_without_a_curve_the_page_says_why() -> None:
    result = with_drift(sample.sample())
    assert result.drift
    page = render_html(replace(result, drift=replace(result.drift, curve=None, tasks=result.drift.tasks[:1])))
    assert "No curve is fitted: 0 of 50 items flipped" in page
    assert '{"name":"line","values":[]}' in page


def test_the_page_stays_small_and_every_link_leads_somewhere() -> None:
    limit = 400_000 + len(library())
    words = "so the train leaves at nine and the answer follows from the second sentence of the question "
    items = tuple(
        sample.item(n, sample.reply(1.0, words * 4, thinking=words * 6), sample.reply(float(n % 3 == 0), words * 3))
        for n in range(1000, 1300)
    )
    pages = render_pages(with_drift(replace(sample.sample(), items=items)), limit)
    assert len(pages.report.encode()) <= limit
    assert pages.beside
    everything = pages.report + "".join(pages.beside.values())
    assert everything.count('class="surprise"') == len(items)
    for href in {part.split('"')[0] for part in pages.report.split('href="')[1:] if part.startswith(("#item", "report-items"))}:
        name, _, anchor = href.partition("#")
        page = pages.beside[name.rpartition("/")[2]] if name else pages.report
        assert not anchor or f'id="{anchor}"' in page
