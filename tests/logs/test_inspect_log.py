from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from hydrometer.logs.base import Choice, Log, LogError
from hydrometer.logs.reading import read_log

LOGS = Path(__file__).resolve().parent.parent / "fixtures" / "logs" / "inspect"


def means(log: Log) -> dict[str, float | None]:
    (task,) = log.tasks.values()
    return {key: tally.mean for key, tally in task.items.items()}


def write(path: Path, samples: list[dict], **about: object) -> Path:
    """A log by hand, for what no scripted run produces."""
    log = {"version": 2, "status": "success", "eval": {"task": "t", "model": "m", **about}, "samples": samples}
    path.write_text(json.dumps(log), encoding="utf-8")
    return path


def sample(ident: object, value: object = "C", *, question: str = "", **more: object) -> dict:
    return {"id": ident, "epoch": 1, "input": question or f"q{ident}", "target": "a", "choices": None,
            "messages": [{"id": f"r{ident}", "role": "user", "content": f"q{ident}"}],
            "scores": {"match": {"value": value}}, **more}  # fmt: skip


@pytest.mark.parametrize("side", ["base", "student"])
def test_archive_and_json_of_one_run_say_the_same(side: str) -> None:
    archive, plain = read_log(LOGS / f"sums_{side}.eval"), read_log(LOGS / f"sums_{side}.json")
    assert means(archive) == means(plain)
    assert len(means(archive)) == 12
    stated = json.loads((LOGS / f"sums_{side}.json").read_text())["results"]["scores"][0]["metrics"]["accuracy"]["value"]
    assert sum(filter(None, means(archive).values())) / 12 == pytest.approx(stated)
    assert archive.model == f"mockllm/{side}"


def test_both_compressions_are_read() -> None:
    methods = {
        name: {info.compress_type for info in zipfile.ZipFile(LOGS / name).infolist()}
        for name in ("sums_base.eval", "deflate_base.eval")
    }
    assert methods == {"sums_base.eval": {93}, "deflate_base.eval": {zipfile.ZIP_DEFLATED}}
    assert means(read_log(LOGS / "sums_base.eval")) == means(read_log(LOGS / "deflate_base.eval"))


def test_a_log_left_by_a_crash_is_read_and_marked() -> None:
    log = read_log(LOGS / "crashed_student.eval")
    assert means(log) == means(read_log(LOGS / "sums_student.eval"))
    assert log.tasks["sums"].setup["log status"] == "did not finish"


def test_epochs_are_averaged_and_the_item_stays_the_unit() -> None:
    log = read_log(LOGS / "epochs_student.eval")
    tallies = log.tasks["sums"].items.values()
    assert len(tallies) == 12
    assert {t.scored for t in tallies} == {3}
    assert {round(3 * t.mean, 9) for t in tallies} & {1.0, 2.0}


def test_a_sample_with_an_error_is_missing() -> None:
    log = read_log(LOGS / "errors_student.eval")
    assert log.tasks["sums"].notes == {"sample error": 2}
    assert sum(mean is None for mean in means(log).values()) == 2


def test_several_scorers_need_a_choice() -> None:
    with pytest.raises(LogError, match=r"several scorers: choose with --scorer one of match, includes"):
        read_log(LOGS / "two_scorers_base.eval")
    with pytest.raises(LogError, match=r"no scorer 'exact': it has match, includes"):
        read_log(LOGS / "two_scorers_base.eval", choice=Choice(scorers=("exact",)))
    assert means(read_log(LOGS / "two_scorers_base.eval", choice=Choice(scorers=("includes",))))


def test_a_scorer_with_several_values_needs_a_metric(tmp_path: Path) -> None:
    path = write(tmp_path / "l.json", [sample(1, {"a": 1, "b": 0}), sample(2, {"a": "I", "b": 1}), sample(3, float("nan"))])
    with pytest.raises(LogError, match="several metrics: choose with --metric one of a, b"):
        read_log(path)
    assert list(means(read_log(path, choice=Choice(metrics=("a",)))).values()) == [1.0, 0.0, None]


@pytest.mark.parametrize(
    ("value", "mean"),
    [("C", 1.0), ("I", 0.0), ("P", 0.5), ("N", None), (True, 1.0), (0.25, 0.25), ("0.5", 0.5), ("Yes", 1.0), ("no", 0.0), (float("nan"), None), (None, None)],
)  # fmt: skip
def test_values_are_read_as_inspect_reads_them(tmp_path: Path, value: object, mean: float | None) -> None:
    log = read_log(write(tmp_path / "l.json", [sample(1, value), sample(2)]))
    assert next(iter(means(log).values())) == mean


@pytest.mark.parametrize("value", ["great", [1, 0], float("inf"), 7, "nan"])
def test_values_that_are_no_score_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(LogError, match="sample 1: score"):
        read_log(write(tmp_path / "l.json", [sample(1, value), sample(2)]))


def test_ids_only_tell_equal_contents_apart(tmp_path: Path) -> None:
    renumbered = read_log(write(tmp_path / "a.json", [sample(7, "I", question="x"), sample(8, "C", question="y")]))
    original = read_log(write(tmp_path / "b.json", [sample(1, "C", question="y"), sample(2, "I", question="x")]))
    assert means(renumbered) == means(original)
    twice = read_log(write(tmp_path / "c.json", [sample(2, "I", question="x"), sample(10, "C", question="x")]))
    turned = read_log(write(tmp_path / "d.json", [sample(10, "C", question="x"), sample(2, "I", question="x")]))
    assert means(twice) == means(turned)
    assert len(means(twice)) == 2


def test_another_target_or_other_choices_make_another_item(tmp_path: Path) -> None:
    keys = [
        next(iter(means(read_log(write(tmp_path / "l.json", [sample(1, **change)])))))
        for change in ({}, {"target": "b"}, {"choices": ["a", "b"]}, {"question": "z"})
    ]
    assert len(set(keys)) == 4


def test_ids_of_messages_do_not_make_another_prompt(tmp_path: Path) -> None:
    prompts = []
    for ident in ("r1", "r2"):
        messages = [{"id": ident, "role": "user", "content": "q"}, {"role": "assistant", "content": ident}]
        log = read_log(write(tmp_path / "l.json", [sample(1, messages=messages)]))
        prompts.append(next(iter(log.tasks["t"].items.values())).prompt)
    assert prompts[0] == prompts[1] != ""


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = tmp_path / "l.eval"
    shutil.copy(LOGS / "sums_base.eval", path)
    with zipfile.ZipFile(path) as archive:
        member = next(info for info in archive.infolist() if info.filename.startswith("samples/"))
    data = bytearray(path.read_bytes())
    start = member.header_offset + 30 + len(member.filename)
    data[start + 20 : start + 24] = bytes(byte ^ 0xFF for byte in data[start + 20 : start + 24])
    path.write_bytes(data)
    with pytest.raises(LogError, match=r"samples/1_epoch_1.json: cannot be unpacked"):
        read_log(path)


def test_a_member_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.eval"
    data = bytearray((LOGS / "sums_base.eval").read_bytes())
    with zipfile.ZipFile(LOGS / "sums_base.eval") as archive:
        size = archive.getinfo("samples/1_epoch_1.json").file_size
    entry = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    assert int.from_bytes(data[entry + 24 : entry + 28], "little") == size
    data[entry + 24 : entry + 28] = (size // 2).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(LogError, match="checksum does not match"):
        read_log(path)


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_broken_archive_is_one_line(tmp_path: Path, keep: float) -> None:
    data = (LOGS / "sums_base.eval").read_bytes()
    (tmp_path / "l.eval").write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(LogError, match="not a readable archive"):
        read_log(tmp_path / "l.eval")


def test_another_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "l.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(LogError, match="not of Inspect"):
        read_log(tmp_path / "l.zip")


def test_a_cut_json_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.json").write_bytes((LOGS / "sums_base.json").read_bytes()[:9000])
    with pytest.raises(LogError, match="not complete JSON"):
        read_log(tmp_path / "l.json")


def test_a_log_of_several_models_cannot_be_one_side(tmp_path: Path) -> None:
    write(tmp_path / "a.json", [sample(1)], task="t1")
    write(tmp_path / "b.json", [sample(1)], task="t2", model="other")
    with pytest.raises(LogError, match=r"several models \(m, other\)"):
        read_log(tmp_path)


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    data = bytearray((LOGS / "sums_base.eval").read_bytes())
    entry = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[entry + 16] ^= 0xFF
    (tmp_path / "l.eval").write_bytes(data)
    with pytest.raises(LogError, match="checksum does not match"):
        read_log(tmp_path / "l.eval")
