"""Everything that can be wrong with an audit, a bundle or a database, each named in one line, and nothing lost."""

import json
import stat
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import pytest
import sample
from many import keep, made, rewritten

from hydrometer.canon import canonical_json, to_plain
from hydrometer.cli.main import main
from hydrometer.registry.site import build_site
from hydrometer.store import Store


def _older(report: bytes) -> bytes:
    return json.dumps({**json.loads(report), "schema_version": 0}).encode()


def _newer(report: bytes) -> bytes:
    return json.dumps({**json.loads(report), "schema_version": 99}).encode()


def _half(report: bytes) -> bytes:
    return report[: len(report) // 2]


def _bomb(_: bytes) -> bytes:
    return b"\n" * (8 << 20)


def _climbing(bundle: Path, target: Path) -> Path:
    target.write_bytes(bundle.read_bytes())
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("../report.json", b"x")
    return target


def _linking(bundle: Path, target: Path) -> Path:
    link = zipfile.ZipInfo("report.html")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(target, "w") as new:
        for name in ("manifest.json", "report.json", "evidence.jsonl"):
            new.writestr(name, old.read(name))
        new.writestr(link, "/etc/passwd")
    return target


def _cut(bundle: Path, target: Path) -> Path:
    target.write_bytes(bundle.read_bytes()[:-300])
    return target


BUNDLES: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "climbs": (_climbing, "leads out of the bundle"),
    "links": (_linking, "is a link"),
    "bomb": (lambda b, t: rewritten(b, t, {"evidence.jsonl": _bomb}, fitting=True), "unpacks to more than 200 times its size"),
    "cut": (_cut, "is no bundle"),
    "changed": (lambda b, t: rewritten(b, t, {"report.json": _half}), "is not the file that manifest.json names"),
    "older": (lambda b, t: rewritten(b, t, {"report.json": _older}, fitting=True), "is not a report of hydrometer"),
    "newer": (lambda b, t: rewritten(b, t, {"report.json": _newer}, fitting=True), "upgrade hydrometer"),
}


def _contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_site_names_everything_that_it_cannot_take_and_holds_the_rest(bundle: Path, tmp_path: Path) -> None:
    audits = tmp_path / "audits"
    good = canonical_json(to_plain(made("good"))).encode()
    for name, change in (("older", _older), ("newer", _newer), ("half", _half)):
        (audits / name).mkdir(parents=True)
        (audits / name / "report.json").write_bytes(change(good))
    (audits / "unfinished").mkdir()
    Store(audits / "unfinished" / "evidence.sqlite").close()
    (audits / "nothing").mkdir()
    (audits / "gone").mkdir()
    (audits / "gone" / "report.json").symlink_to(tmp_path / "nowhere.json")
    for name, (make, _) in BUNDLES.items():
        make(bundle, audits / f"{name}.hydrometer.zip")
    keep(made("good"), audits / "one")
    keep(replace(made("good"), created="2026-11-11T00:00:00+00:00"), audits / "two")
    # The id covers the models, so that this one is told apart from `good` by its name.
    keep(replace(made("ungraded"), capabilities=(sample.EMPTY,), items=()), audits / "ungraded")
    before = _contents(audits)
    built = build_site(audits, tmp_path / "site")
    said = {fault.where: fault.why for fault in built.left_out}
    expected = {f"{name}.hydrometer.zip": why for name, (_, why) in BUNDLES.items()}
    expected |= {
        "older/report.json": "is not a report of hydrometer",
        "newer/report.json": "upgrade hydrometer",
        "half/report.json": "the report is not JSON",
        "unfinished": "the audit did not end",
        "gone/report.json": "cannot read",
        "two/report.json": "hold different results",
    }
    assert said.keys() == expected.keys()
    for where, why in expected.items():
        assert why in said[where], where
        assert "\n" not in said[where]
    assert built.audits == 2
    assert "nothing can be said: no item was answered by both models" in "".join(
        page.read_text() for page in (tmp_path / "site" / "models").iterdir()
    )
    assert _contents(audits) == before


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command that must end with one line on standard error."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["hydrometer", *words])
        with pytest.raises(SystemExit) as left:
            main()
        (said,) = capsys.readouterr().err.strip().splitlines()
        assert said.startswith("error: ")
        return int(str(left.value.code)), said

    return run


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bad_bundle_is_one_line_and_leaves_nothing_behind(
    name: str, bundle: Path, tmp_path: Path, line: Callable[..., tuple[int, str]]
) -> None:
    make, why = BUNDLES[name]
    path = make(bundle, tmp_path / "bad.zip")
    status, said = line("unbundle", str(path), "--out", str(tmp_path / "out"))
    assert status == 1
    assert why in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("registry", "build", "missing"), 1, "no folder missing"),
        (("unbundle", "missing.zip"), 1, "cannot read missing.zip"),
        (("bundle", "missing"), 1, "no report.json in missing"),
        (("registry", "push", "http://127.0.0.1:1/", "missing.zip", "--token", "x"), 1, "cannot read missing.zip"),
    ],
)
def test_what_is_not_there_is_one_line(
    words: tuple[str, ...], status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: Callable[..., tuple[int, str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = line(*words)
    assert found[0] == status
    assert said in found[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not find_spec("psycopg"), reason="the serve extra is not installed")
@pytest.mark.parametrize("words", [("registry", "serve"), ("registry", "token", "ann")], ids=" ".join)
def test_a_database_that_is_down_is_one_line(words: tuple[str, ...], line: Callable[..., tuple[int, str]]) -> None:
    status, said = line(*words, "--database", "postgresql://nobody:secret@127.0.0.1:1/none")
    assert status == 1
    assert "cannot be used" in said
    assert "nothing was changed" in said
    assert "secret" not in said
