"""Charts as data: whatever names say, they reach Vega as values, and the library is the published one."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import sample
import sample_facets
from sample_drift import with_drift

from hydrometer.report.build import build_view
from hydrometer.report.drawing import Drawing
from hydrometer.report.forest import ForestRow, describe, forest
from hydrometer.report.html import render_html
from hydrometer.report.library import PARTS, library
from hydrometer.result import AuditResult

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = (
    "</script><script>alert(1)</script>",
    "datum.x; globalThis.alert(1)",
    "'+alert(1)+'",
    '{"signal": "width"}',
    "<!-- __proto__",
    *sample.HOSTILE,
)


def drawings(value: Any) -> Iterator[Drawing]:
    """All charts within a view."""
    if isinstance(value, Drawing):
        yield value
    elif is_dataclass(value):
        for part in fields(value):
            yield from drawings(getattr(value, part.name))
    elif isinstance(value, tuple):
        for part in value:
            yield from drawings(part)


def fixed(spec: dict[str, Any]) -> str:
    """A specification without its rows."""
    return json.dumps(spec | {"data": [table["name"] for table in spec["data"]]})


def named(name: str) -> AuditResult:
    """A result whose every name is the same."""
    plain = sample_facets.full(
        capabilities=tuple(replace(row, capability=name) for row in sample.CAPABILITIES),
        tokens=tuple(replace(row, capability=name) for row in sample.sample().tokens),
        tiers=tuple(replace(t, task=name, tier=name) for t in sample_facets.tiers()),
        budgets=tuple(replace(point, capability=name) for point in sample_facets.budgets()[:6]),
        behaviours=(replace(sample_facets.LOOP, behaviour=name, summary=name),),
        style=replace(sample_facets.STYLE, teacher=name),
    )
    result = with_drift(plain)
    assert result.drift is not None
    tasks = tuple(replace(task, task=name) for task in result.drift.tasks)
    return replace(result, drift=replace(result.drift, tasks=tasks))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_name_reaches_anything_but_rows(hostile: str) -> None:
    charts, plain = (list(drawings(build_view(named(name)))) for name in (hostile, "plain"))
    assert {chart.key.partition("-")[0] for chart in charts} == {
        "forest", "price", "budget", "tier", "excess", "style", "flips"
    }  # fmt: skip
    assert [fixed(chart.spec) for chart in charts] == [fixed(chart.spec) for chart in plain]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_specification_stays_in_its_element_and_comes_out_as_it_went_in(hostile: str) -> None:
    result = named(hostile)
    page = render_html(result)
    blocks = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert [json.loads(block) for block in blocks] == [chart.spec for chart in drawings(build_view(result))]
    assert not any("<" in block for block in blocks)


def test_rows_of_a_forest_are_its_differences_in_points() -> None:
    rows = [
        ForestRow(name="a", verdict="▼ worse", tone="worse", found=sample.estimate(0.7, 0.6, -0.15, -0.05, n=80)),
        ForestRow(name="b", verdict="? none", tone="not-enough", found=sample_facets.NOTHING),
    ]
    spec = forest(rows, 0.03, written=True)
    names, (place,) = (table["values"] for table in spec["data"])
    assert [(row["name"], row["note"]) for row in names] == [("a", ""), ("b", "no pairs")]
    assert (place["low"], place["point"], place["high"]) == (-15.0, -10.0, -5.0)
    assert place["value"] == "-10.0 [-15.0, -5.0]"
    # What has no pairs does not widen the axis.
    assert spec["scales"][0]["domain"] == [-15.0, 15.0]
    band = spec["marks"][0]["encode"]["update"]
    assert (band["x"]["value"], band["x2"]["value"]) == (-3.0, 3.0)
    assert describe(rows) == "a: worse, -10.0 [-15.0, -5.0] points. b: none, no pairs."
    assert len(forest(rows)["marks"]) < len(spec["marks"])


def test_the_library_is_as_published_and_comes_with_its_licences() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "vendor_charts.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout.strip()) == (0, "chart library: as published")
    text = library()
    assert all(files("hydrometer.report").joinpath("vendor", part).read_text("utf-8").strip() in text for part in PARTS)
    assert "University of Washington Interactive Data Lab" in text
    assert "Mike Bostock" in text
    # Nothing in it ends the element that it stands in, and nothing leads to a file that is not there.
    assert "</script" not in text.lower()
    assert "<!--" not in text
    assert "sourceMappingURL" not in text


def test_no_specification_asks_for_a_file() -> None:
    for chart in drawings(build_view(named("plain"))):
        assert not re.search(r'"(url|href|loader)"', json.dumps(chart.spec))
