"""report.json comes back exactly, is written whole or not at all, and is read with suspicion."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import sample
import sample_facets

from hydrometer.errors import EvidenceCorruptError, EvidenceError, EvidenceVersionError
from hydrometer.report.json_report import from_json, json_schema, to_json, write, write_file


@pytest.mark.parametrize(
    "result",
    [sample.sample(), sample.invalid(), sample_facets.full()],
    ids=["plain", "invalid", "full"],
)
def test_round_trip_is_exact(result, tmp_path: Path) -> None:
    path, page = write(result, tmp_path / "new" / "folder")
    assert (path.name, page.name) == ("report.json", "report.html")
    assert from_json(path.read_text(encoding="utf-8")) == result
    assert from_json(path.read_bytes()) == result
    assert from_json(to_json(result)) == result
    assert sorted(p.name for p in path.parent.iterdir()) == ["report.html", "report.json"]


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_without_a_json_form_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_json(sample.sample(seconds=number))


def _with(path: tuple[object, ...], value: object) -> dict[str, object]:
    data = to_json(sample.sample())
    place = data
    for part in path[:-1]:
        place = place[part]  # type: ignore[index]
    place[path[-1]] = value  # type: ignore[index]
    return data


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("surprise",), 1, "surprise"),
        (("items", 0, "base", "surprise"), 1, "items.0.base.surprise"),
        (("verdict",), "splendid", "verdict"),
        (("seconds",), "12", "seconds"),
        (("capabilities", 0, "estimate", "n"), 1.5, "capabilities.0.estimate.n"),
        (("items", 0, "messages"), None, "items.0.messages"),
        (("spec", "margin"), 7.0, "margin == 7.0"),
    ],
)
def test_what_no_audit_writes_is_refused_with_its_place(path, value, place: str) -> None:
    with pytest.raises(EvidenceCorruptError, match=place.replace(".", r"\.")) as caught:
        from_json(_with(path, value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema_version": NaN}', "[" * 100_000, b"\xff\xfe{"]
)
def test_what_is_no_report_is_refused(text) -> None:
    with pytest.raises(EvidenceCorruptError):
        from_json(text)


def test_versions() -> None:
    with pytest.raises(EvidenceVersionError, match="upgrade hydrometer"):
        from_json(_with(("schema_version",), 2))
    for value in (0, True, "1", None):
        with pytest.raises(EvidenceCorruptError, match="schema_version"):
            from_json(_with(("schema_version",), value))


def test_a_failed_write_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = write(sample.sample(), tmp_path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EvidenceError, match="No space left on device; choose another place"):
        write(sample.sample(seconds=1.0), tmp_path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_halves_of_surrogate_pairs_do_not_stop_a_report(tmp_path: Path) -> None:
    odd = sample.item(1, sample.reply(1.0, "\ud83d half"), sample.reply(0.0, "b"))
    path, page = write(replace(sample.sample(), items=(odd,)), tmp_path)
    assert from_json(path.read_bytes()).items[0].base.answer == "? half"
    assert "\ufffd half" in page.read_text(encoding="utf-8")


def test_the_schema_names_every_field_of_a_written_report() -> None:
    schema = json_schema()
    name = schema["$ref"].rsplit("/", 1)[-1] if "$ref" in schema else None
    properties = schema["$defs"][name]["properties"] if name else schema["properties"]
    assert set(properties) == set(json.loads(json.dumps(to_json(sample.sample()))))


def test_a_report_fits_the_published_schema_and_a_changed_one_does_not() -> None:
    validator = pytest.importorskip("jsonschema").Draft202012Validator(json_schema())
    plain = to_json(sample.sample())
    validator.validate(plain)
    assert not validator.is_valid({**plain, "verdict": "fine"})
    assert not validator.is_valid({**plain, "extra": 1})
    assert not validator.is_valid({key: value for key, value in plain.items() if key != "spec"})


@pytest.mark.parametrize("name", [".", "/", ""])
def test_a_folder_is_no_file_to_write(name: str) -> None:
    with pytest.raises(EvidenceError, match="is a folder: name a file in it"):
        write_file(Path(name), "text")
