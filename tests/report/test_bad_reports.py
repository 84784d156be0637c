"""Folders and reports that are not what they should be: one line with the cure and status 1, never a trace."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sample
import sample_facets

from hydrometer.cli.main import main
from hydrometer.report.faces import FACES
from hydrometer.report.json_report import to_json, write
from hydrometer.result import AuditResult
from hydrometer.store import Store


def _missing(folder: Path) -> None:
    folder.rmdir()


def _unfinished(folder: Path) -> None:
    Store(folder / "evidence.sqlite").close()


def _half(folder: Path) -> None:
    path = write(sample.sample(), folder)[0]
    path.write_bytes(path.read_bytes()[:2000])


def _newer(folder: Path) -> None:
    (folder / "report.json").write_text(json.dumps({**to_json(sample.sample()), "schema_version": 99}))


def _older(folder: Path) -> None:
    (folder / "report.json").write_text(json.dumps({**to_json(sample.sample()), "schema_version": 0}))


def _other(folder: Path) -> None:
    (folder / "report.json").write_text('{"results": {"arc_easy": {"acc": 0.5}}}')


def _extra(folder: Path) -> None:
    (folder / "report.json").write_text(json.dumps({**to_json(sample.sample()), "wormhole": 1}))


@pytest.mark.parametrize("command", ["show", "report", "verify"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_missing, "no report.json in"),
        (_unfinished, "has finished: run its command again"),
        (_half, "the report is not JSON"),
        (_newer, "schema version 99, this version of hydrometer reads up to 1: upgrade hydrometer"),
        (_older, "schema_version == 0 is not a report of hydrometer: expected 1"),
        (_other, "schema_version == None is not a report"),
        (_extra, "damaged at wormhole"),
    ],
    ids=lambda value: getattr(value, "__name__", "").strip("_"),
)
def test_one_line_with_the_cure(
    command: str,
    damage: Callable[[Path], None],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    damage(folder)
    if command == "verify" and damage is not _missing and damage is not _unfinished:
        Store(folder / "evidence.sqlite").close()
    monkeypatch.setattr(sys, "argv", ["hydrometer", command, str(folder)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert said in lines[0]


def _ungraded() -> AuditResult:
    cut = sample.reply(None, "", reason="cut")
    return sample_facets.full(
        capabilities=(sample.EMPTY,),
        items=tuple(sample.item(n, cut, cut) for n in range(3)),
        tokens=tuple(replace(price, n=0) for price in sample.sample().tokens),
        budgets=(),
        tiers=(),
        behaviours=(),
    )


def test_an_audit_with_nothing_graded_has_every_face(tmp_path: Path) -> None:
    result = _ungraded()
    page = write(result, tmp_path)[1].read_text(encoding="utf-8")
    assert "nothing can be said: no item was answered by both models" in page
    assert "No recommendation yet" in page
    for _, make in FACES.values():
        make(result)


@pytest.mark.parametrize("command", [("show",), ("claims",), ("audit", "fake:echo"), ("contamination", "--data", "x")])
def test_a_name_that_no_file_can_have_is_one_line(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hydrometer", *command, "x" * 400])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert said.startswith("error: cannot open xxx")
