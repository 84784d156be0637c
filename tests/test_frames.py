from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import hydrometer
from doubles import World
from hydrometer.errors import MissingPackageError, UnknownNameError
from hydrometer.frames import TABLES, rows, to_pandas, to_polars
from hydrometer.items import Request
from hydrometer.outcomes import Completion, Finish

ITEMS = 105
"""More than the 100 rows that polars looks at unless told otherwise, all of them without a score."""

TASKS = ("arithmetic", "knowledge_facts")


def guess(request: Request) -> Completion:
    return Completion(text="The answer is 7.", completion_tokens=5)


def cut(request: Request) -> Completion:
    return Completion(text="Let me think", finish=Finish.LENGTH)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> hydrometer.AuditResult:
    """The student finishes no arithmetic and chooses as the base does; it counts no tokens. Tasks one after another."""
    world, out = World(base=guess, student=cut), tmp_path_factory.mktemp("frames")
    found = hydrometer.audit(
        "fake:base", "fake:student", tasks=TASKS, items=ITEMS, fixed=True, out=out, opener=world.open
    )
    return replace(found, items=tuple(sorted(found.items, key=lambda item: item.task)))


@pytest.fixture(scope="module")
def number(result: hydrometer.AuditResult) -> dict[str, int]:
    """Rows that each table must have."""
    return {
        "capabilities": 2, "findings": len(result.findings), "items": len(result.items), "tasks": 2,
        "tokens": len(result.tokens),
    }  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_the_same_flat_columns(
    table: str, result: hydrometer.AuditResult, number: dict[str, int]
) -> None:
    found = rows(result, table)
    assert len(found) == number[table]
    assert len({tuple(row) for row in found}) == 1
    assert not [value for row in found for value in row.values() if isinstance(value, dict)]


def test_one_row_per_item_capability_and_task(result: hydrometer.AuditResult) -> None:
    assert [row["item_id"] for row in rows(result, "items")] == [item.item_id for item in result.items]
    assert [row["change"] for row in rows(result, "items")] == [item.change for item in result.items]
    assert [row["capability"] for row in rows(result, "capabilities")] == [c.capability for c in result.capabilities]
    assert [row["task"] for row in rows(result, "tasks")] == list(TASKS)
    for row, capability in zip(rows(result, "capabilities"), result.capabilities, strict=True):
        assert row["verdict"] == capability.verdict.value
        assert row["estimate.difference"] == capability.estimate.difference
        assert row["strict.n"] == capability.strict.n


def test_missing_values_are_none_and_zeros_are_zeros(result: hydrometer.AuditResult) -> None:
    items = rows(result, "items")
    cut_off = [row for row in items if row["task"] == "arithmetic"]
    assert len(cut_off) == ITEMS
    assert {row["student.value"] for row in cut_off} == {None}
    assert {row["student.status"] for row in cut_off} == {"truncated"}
    assert {row["student.tokens"] for row in cut_off} == {None}
    assert 0.0 in {row["base.value"] for row in cut_off}
    assert {row["change"] for row in cut_off} == {"unanswered"}
    arithmetic, knowledge = rows(result, "tasks")
    assert arithmetic["estimate.difference"] is None
    assert arithmetic["student_counts.truncated"] == ITEMS
    assert knowledge["estimate.difference"] == 0.0
    assert knowledge["student_counts.truncated"] == 0


def test_pandas_keeps_types_and_gaps(result: hydrometer.AuditResult, number: dict[str, int]) -> None:
    pandas = pytest.importorskip("pandas")
    for table in TABLES:
        frame = to_pandas(result, table)
        assert isinstance(frame, pandas.DataFrame)
        assert frame.shape == (number[table], len(rows(result, table)[0]))
    items = to_pandas(result, "items")
    assert items["base.value"].dtype == items["student.value"].dtype == "float64"
    unanswered = items[items["task"] == "arithmetic"]
    assert unanswered["student.value"].isna().all()
    assert not items["base.value"].isna().any()
    assert math.isnan(to_pandas(result, "tasks")["estimate.difference"][0])
    assert to_pandas(result, "tasks")["items"].dtype == "int64"
    # A mean over scores leaves gaps out, as every table of the report does.
    chosen = [item.student.value for item in result.items if item.task == "knowledge_facts"]
    assert items["student.value"].mean() == pytest.approx(sum(chosen) / len(chosen))


def test_polars_keeps_types_and_gaps(result: hydrometer.AuditResult, number: dict[str, int]) -> None:
    polars = pytest.importorskip("polars")
    for table in TABLES:
        frame = to_polars(result, table)
        assert isinstance(frame, polars.DataFrame)
        assert frame.shape == (number[table], len(rows(result, table)[0]))
    items = to_polars(result, "items")
    assert items.schema["base.value"] == items.schema["student.value"] == polars.Float64
    assert items.schema["base.scores"] == polars.List(polars.Float64)
    assert items["student.value"].null_count() == ITEMS
    assert items["base.value"].null_count() == 0
    assert to_polars(result, "tasks")["estimate.difference"].to_list() == [None, 0.0]
    assert to_polars(result, "tasks").schema["items"] == polars.Int64


def test_an_audit_without_items_gives_empty_tables(result: hydrometer.AuditResult, tmp_path: Path) -> None:
    world = World(base=guess, student=guess, template="another")
    invalid = hydrometer.audit("fake:base", "fake:student", tasks=TASKS, items=2, out=tmp_path, opener=world.open)
    assert invalid.verdict is hydrometer.Verdict.INVALID
    assert rows(invalid, "items") == []
    assert [row["aspect"] for row in rows(invalid, "findings")] == [f.aspect for f in invalid.findings]


def test_an_unknown_table_and_a_missing_package_say_what_to_do(
    result: hydrometer.AuditResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'capabilities'"):
        rows(result, "capability")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingPackageError, match=r"pip install polars, or use hydrometer\.rows"):
        to_polars(result, "items")
