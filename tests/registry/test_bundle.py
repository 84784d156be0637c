import json
import re
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from many import rewritten

from commands import hydrometer
from doubles import REF, Scripted
from hydrometer.api import audit, audit_folder
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import BundleError, EvidenceCorruptError, EvidenceError, HydrometerError
from hydrometer.outcomes import Completion
from hydrometer.registry.bundle import Limits, open_bundle, unpack, write_bundle
from hydrometer.registry.checking import check_apart, check_bundle
from hydrometer.spec import ModelRef
from hydrometer.verify import verify_folder

Forge = Callable[..., Path]


def test_a_bundle_becomes_the_folder_again_and_the_same_audit_gives_the_same_bytes(
    folder: Path, bundle: Path, tmp_path: Path
) -> None:
    again = unpack(open_bundle(bundle), tmp_path)
    assert again.name == folder.name
    assert (again / "report.json").read_bytes() == (folder / "report.json").read_bytes()
    found = verify_folder(again)
    assert found.problems == ()
    assert found.completions == 32
    second, _ = write_bundle(again, tmp_path / "second.zip")
    assert second.read_bytes() == bundle.read_bytes()


def test_a_bundle_holds_the_replies_of_its_own_audit_alone(tmp_path: Path) -> None:
    first = audit("fake:echo", "fake:echo?seed=1", tasks=["copying"], items=4, fixed=True, out=tmp_path)
    audit("fake:echo", "fake:echo?seed=2", tasks=["copying"], items=4, fixed=True, out=tmp_path)
    path, _ = write_bundle(audit_folder(tmp_path, first), tmp_path / "one.zip")
    checked = check_bundle(path, tmp_path / "in")
    assert checked.entry.checked is not None
    assert checked.entry.checked.replies == 8
    # Both audits of the folder in one call, each against its own store.
    assert verify_folder(tmp_path).reports == 2


def test_a_right_bundle_passes_in_a_process_of_its_own(bundle: Path, tmp_path: Path) -> None:
    found = check_apart(bundle, tmp_path)
    assert found.entry.checked is not None
    assert (found.entry.checked.replies, found.entry.checked.grades) == (32, 32)
    assert (found.folder / "report.html").is_file()


def flip(what: str, into: str) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        assert what.encode() in body
        return body.replace(what.encode(), into.encode(), 1)

    return change


@pytest.mark.parametrize("name", ["report.json", "evidence.jsonl", "report.html"])
def test_a_changed_file_is_named(forge: Forge, name: str) -> None:
    with pytest.raises(BundleError, match=f"{re.escape(name)} is not the file that manifest.json names"):
        open_bundle(forge({name: lambda body: body + b" "}))


def test_a_changed_reply_is_found_where_the_manifest_was_made_to_fit(forge: Forge, tmp_path: Path) -> None:
    forged = forge({"evidence.jsonl": lambda body: body.replace(b'\\"text\\":\\"', b'\\"text\\":\\"No: ', 1)}, fitting=True)
    with pytest.raises(BundleError, match=r"completion s2:.*another digest"):
        check_bundle(forged, tmp_path)


def test_a_changed_verdict_is_found_where_the_manifest_was_made_to_fit(forge: Forge, tmp_path: Path) -> None:
    def better(body: bytes) -> bytes:
        report = json.loads(body)
        report["capabilities"][0]["verdict"] = "better"
        return json.dumps(report).encode()

    with pytest.raises(BundleError, match="the verdicts do not follow from the evidence"):
        check_bundle(forge({"report.json": better}, fitting=True), tmp_path)


def test_a_changed_grade_is_found(forge: Forge, tmp_path: Path) -> None:
    def right(body: bytes) -> bytes:
        report = json.loads(body)
        reply = next(i["student"] for i in report["items"] if i["student"]["value"] == 0.0)
        reply["value"] = 1.0
        return json.dumps(report).encode()

    with pytest.raises(BundleError, match="1 of 16 items do not follow from the evidence"):
        check_bundle(forge({"report.json": right}, fitting=True), tmp_path)


def test_replies_of_another_model_than_the_report_names_are_found(forge: Forge, tmp_path: Path) -> None:
    def renamed(body: bytes) -> bytes:
        report = json.loads(body)
        report["student"]["identity"]["weights"] = "sha256:" + "0" * 64
        return json.dumps(report).encode()

    # The audit's id covers the models, so a forger has to change it too.
    with pytest.raises(BundleError, match=r"manifest\.json says audit"):
        open_bundle(forge({"report.json": renamed}, fitting=True))
    from hydrometer.registry.naming import audit_id
    from hydrometer.report.json_report import from_json

    body = renamed(zipfile.ZipFile(forge({})).read("report.json"))
    known = audit_id(from_json(body))

    def rename(manifest: bytes) -> bytes:
        return json.dumps({**json.loads(manifest), "audit": known}).encode()

    forged = forge({"report.json": renamed, "manifest.json": rename}, fitting=True)
    with pytest.raises(BundleError, match="16 replies of the student are another model's"):
        check_bundle(forged, tmp_path)


def _speaking(ref: ModelRef, settings: EngineSettings) -> Scripted:
    """A model that copies, whichever template it is asked under."""
    template = settings.chat_template or ref.target
    copy: Any = lambda request: Completion(text=request.messages[-1].content, completion_tokens=4)  # noqa: E731
    engine = Scripted(ref.target, copy, [], template=f"digest of {template}")
    engine.chat_template = template
    return engine


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of an audit with both templates and a teacher."""
    out = tmp_path_factory.mktemp("crossed")
    result = audit(
        REF["base"], REF["student"], template="2x2", tasks=["copying"], items=6, out=out, fixed=True, inspect=False,
        opener=_speaking, teacher=ModelRef(text="teacher", engine="fake", target="teacher"),
    )  # fmt: skip
    assert result.swapped
    assert result.taught
    return write_bundle(audit_folder(out, result), out / "crossed.zip")[0]


def test_a_bundle_with_both_templates_and_a_teacher_passes(crossed: Path, tmp_path: Path) -> None:
    assert check_bundle(crossed, tmp_path).entry.checked


@pytest.mark.parametrize(
    ("part", "side", "other", "said"),
    [
        ("swapped", "base", ("swapped", "student"), "6 replies of the base under the student's template are another model's"),
        ("swapped", "student", ("items", "student"), "6 replies of the student under the base's template are another model's"),
        ("taught", "base", ("items", "student"), "6 replies of the base are another model's"),
        ("taught", "student", ("items", "base"), "1 replies of the teacher are another model's"),
    ],
)
def test_replies_of_another_model_are_found_in_every_part(
    crossed: Path, tmp_path: Path, part: str, side: str, other: tuple[str, str], said: str
) -> None:
    def lend(body: bytes) -> bytes:
        report = json.loads(body)
        own = {item["item_id"]: item for item in report[other[0]]}
        # Of the teacher one reply alone: a teacher is known by nothing but its replies.
        for item in report[part][-1:] if (part, side) == ("taught", "student") else report[part]:
            item[side] = {**own[item["item_id"]][other[1]], "signs": item[side]["signs"]}
        return json.dumps(report).encode()

    with pytest.raises(BundleError, match=re.escape(said)):
        check_bundle(rewritten(crossed, tmp_path / "forged.zip", {"report.json": lend}, fitting=True), tmp_path)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../report.json", "leads out of the bundle"),
        ("a/../../report.json", "leads out of the bundle"),
        ("/etc/passwd", "leads out of the bundle"),
        ("C:\\report.json", "leads out of the bundle"),
        ("notes.txt", "does not belong into a bundle"),
        ("sub/report.json", "does not belong into a bundle"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(bundle: Path, tmp_path: Path, name: str, why: str) -> None:
    target = tmp_path / "named.zip"
    target.write_bytes(bundle.read_bytes())
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(BundleError, match=why):
        open_bundle(target)


def test_links_and_files_that_are_there_twice_are_refused(bundle: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("report.html")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    target = tmp_path / "link.zip"
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(target, "w") as new:
        for name in ("manifest.json", "report.json", "evidence.jsonl"):
            new.writestr(name, old.read(name))
        new.writestr(link, "/etc/passwd")
    with pytest.raises(BundleError, match=r"'report\.html' is a link"):
        open_bundle(target)
    twice = tmp_path / "twice.zip"
    twice.write_bytes(bundle.read_bytes())
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(twice, "a") as archive:
        archive.writestr("report.json", b"{}")
    with pytest.raises(BundleError, match="is there twice"):
        open_bundle(twice)


def test_bombs_are_refused_before_they_are_unpacked(forge: Forge) -> None:
    with pytest.raises(BundleError, match="unpacks to more than 200 times its size"):
        open_bundle(forge({"evidence.jsonl": lambda _: b"\n" * (8 << 20)}))
    with pytest.raises(BundleError, match=r"unpacks to .* bytes, at most 10,000"):
        open_bundle(forge({"report.json": lambda b: b}), Limits(files={**Limits().files, "report.json": 10_000}))
    with pytest.raises(BundleError, match="bytes, at most 1,000"):
        open_bundle(forge({}), Limits(packed=1_000))


def test_a_size_that_lies_is_found(forge: Forge) -> None:
    path = forge({})
    body = bytearray(path.read_bytes())
    # The central directory says that the first file, the manifest, holds ten bytes.
    at = body.index(b"PK\x01\x02")
    struct.pack_into("<I", body, at + 24, 10)
    path.write_bytes(bytes(body))
    with pytest.raises(BundleError, match="damaged"):
        open_bundle(path)


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path, bundle: Path) -> None:
    other = tmp_path / "other.zip"
    other.write_text("no archive")
    with pytest.raises(BundleError, match="is no bundle"):
        open_bundle(other)
    with pytest.raises(BundleError, match="cannot read"):
        open_bundle(tmp_path / "missing.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("manifest.json", "{}")
    with pytest.raises(BundleError, match=r"report\.json, evidence\.jsonl not in it"):
        open_bundle(tmp_path / "empty.zip")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(bundle.read_bytes()[:-200])
    with pytest.raises(BundleError):
        open_bundle(cut)


def test_manifests_and_rows_that_are_none(forge: Forge, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json is damaged at audit"):
        open_bundle(forge({"manifest.json": lambda b: re.sub(rb'"audit": "\w+"', b'"audit": "../x"', b)}))
    with pytest.raises(BundleError, match="upgrade hydrometer"):
        open_bundle(forge({"manifest.json": flip('"version": 1', '"version": 2')}))
    with pytest.raises(BundleError, match=r"line 1 of evidence\.jsonl is no row"):
        check_bundle(forge({"evidence.jsonl": lambda _: b'["items", 3]\n'}, fitting=True), tmp_path)
    with pytest.raises(EvidenceCorruptError, match="has no table 'sqlite_master'"):
        check_bundle(forge({"evidence.jsonl": lambda _: b'["sqlite_master", ["a"]]\n'}, fitting=True), tmp_path)
    assert list(tmp_path.glob(".*")) == []


def test_graders_from_elsewhere_are_not_loaded(forge: Forge, tmp_path: Path) -> None:
    def foreign(body: bytes) -> bytes:
        report = json.loads(body)
        report["spec"]["tasks"] = ["lm_eval:evil@/tmp/evil"]
        return json.dumps(report).encode()

    from hydrometer.registry.naming import audit_id
    from hydrometer.report.json_report import from_json

    known = audit_id(from_json(foreign(zipfile.ZipFile(forge({})).read("report.json"))))
    forged = forge(
        {
            "report.json": foreign,
            "manifest.json": lambda m: json.dumps({**json.loads(m), "audit": known}).encode(),
        },
        fitting=True,
    )
    with pytest.raises(BundleError, match=r"lm_eval:evil.*cannot be derived again here"):
        check_bundle(forged, tmp_path)


def test_two_audits_of_one_id_contradict_each_other_and_neither_is_changed(
    folder: Path, bundle: Path, tmp_path: Path
) -> None:
    first = unpack(open_bundle(bundle), tmp_path)
    assert unpack(open_bundle(bundle), tmp_path) == first
    report = (first / "report.json").read_bytes()
    (first / "report.json").write_bytes(report + b"\n")
    with pytest.raises(BundleError, match="hold different results of the same models and settings"):
        unpack(open_bundle(bundle), tmp_path)
    assert (first / "report.json").read_bytes() == report + b"\n"


def test_a_check_that_takes_too_long_is_given_up(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="took longer than 0 s"):
        check_apart(bundle, tmp_path, seconds=0)


def test_an_audit_without_its_evidence_makes_no_bundle(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "deep" / "alone"
    alone.mkdir(parents=True)
    (alone / "report.json").write_bytes((folder / "report.json").read_bytes())
    with pytest.raises(EvidenceError, match="could not be checked"):
        write_bundle(alone, tmp_path / "x.zip")
    with pytest.raises(HydrometerError):
        write_bundle(tmp_path / "nothing", tmp_path / "x.zip")


def test_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    made = hydrometer("bundle", str(folder), "-o", "one.zip", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    digest = made.stdout.splitlines()[1]
    taken = hydrometer("unbundle", "one.zip", "--out", "in", "--digest", digest, cwd=tmp_path)
    assert taken.returncode == 0, taken.stderr
    assert "32 replies and 32 grades derived again: all match" in taken.stdout
    other = hydrometer("unbundle", "one.zip", "--out", "in", "--digest", "sha256:0", cwd=tmp_path)
    assert other.returncode == 1
    assert "it is another bundle" in other.stderr
    assert "Traceback" not in other.stderr
