from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hydrometer.errors import UsageError
from hydrometer.logs.base import Choice, LogError, Scale
from hydrometer.logs.lm_eval import is_results
from hydrometer.logs.reading import read_log

LOGS = Path(__file__).resolve().parent.parent / "fixtures" / "logs" / "lm_eval"
STAMP = "2026-01-02T03-04-05.678901"
BOTH = Choice(metrics=("acc", "exact_match"), filters=("none", "strict-match"))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, records: list[dict]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def record(number: int, score: object = 1.0, **more: object) -> dict:
    doc = {"q": number}
    return {"doc_id": number, "doc": doc, "resps": [["x"]], "filtered_resps": ["x"], "filter": "none",
            "metrics": ["acc"], "doc_hash": f"{number:064x}", "acc": score, **more}  # fmt: skip


def test_the_means_are_those_that_the_harness_itself_states() -> None:
    stated = json.loads((LOGS / "base" / f"results_{STAMP}.json").read_text())["results"]
    log = read_log(LOGS / "base", choice=BOTH)
    for task, name in (("capitals", "acc,none"), ("sums", "exact_match,strict-match")):
        tallies = log.tasks[task].items.values()
        # The harness counts "no answer found" as wrong.
        assert sum(t.lowest for t in tallies) / len(tallies) == pytest.approx(stated[task][name])
    assert log.model == "base"


def test_a_reply_without_an_answer_is_missing_and_not_wrong() -> None:
    log = read_log(LOGS / "base", choice=BOTH)
    unparsed = [r for r in lines(LOGS / "base" / f"samples_sums_{STAMP}.jsonl")
                if r["filter"] == "strict-match" and r["filtered_resps"] == ["[invalid]"]]  # fmt: skip
    assert unparsed
    assert log.tasks["sums"].notes == {"no answer found": len(unparsed)}
    assert sum(t.mean is None for t in log.tasks["sums"].items.values()) == len(unparsed)


def test_a_question_that_stands_twice_stays_two_items() -> None:
    rows = lines(LOGS / "base" / f"samples_capitals_{STAMP}.jsonl")
    assert len({r["doc_hash"] for r in rows}) < len(rows)
    assert len(read_log(LOGS / "base", choice=BOTH).tasks["capitals"].items) == len(rows)


def test_items_do_not_depend_on_rows_or_their_order(tmp_path: Path) -> None:
    source = LOGS / "base" / f"samples_capitals_{STAMP}.jsonl"
    rows = [{**r, "doc_id": 1000 - r["doc_id"]} for r in reversed(lines(source))]
    moved = read_log(write(tmp_path / source.name, rows), choice=Choice(metrics=("acc",)))
    kept = read_log(source, choice=Choice(metrics=("acc",)))
    assert {k: t.mean for k, t in moved.tasks["capitals"].items.items()} == {
        k: t.mean for k, t in kept.tasks["capitals"].items.items()
    }


def test_an_old_log_without_hashes_pairs_with_a_new_one(tmp_path: Path) -> None:
    source = LOGS / "base" / f"samples_capitals_{STAMP}.jsonl"
    old = [{k: v for k, v in r.items() if not k.endswith("_hash") and k not in ("filter", "metrics")} for r in lines(source)]
    got = read_log(write(tmp_path / source.name, old), choice=Choice(metrics=("acc",)))
    assert got.tasks["capitals"].items.keys() == read_log(source, choice=Choice(metrics=("acc",))).tasks["capitals"].items.keys()


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(), ["several metrics", "acc, acc_norm"]),
        (Choice(metrics=("acc",)), ["'sums' has no metric 'acc'", "exact_match"]),
        (Choice(metrics=("acc", "exact_match")), ["several filters", "strict-match, flexible-extract"]),
        (Choice(metrics=("acc", "exact_match"), filters=("none", "strikt")), ["unknown filter", "strict-match"]),
        (Choice(metrics=("acc",), tasks=("capitols",)), ["unknown task", "did you mean 'capitals'"]),
    ],
)
def test_where_several_fit_the_names_are_listed(choice: Choice, said: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        read_log(LOGS / "base", choice=choice)
    assert all(part in str(error.value) for part in said), str(error.value)


def test_the_setup_is_read_from_the_results_beside() -> None:
    setup = read_log(LOGS / "student-shots", choice=Choice(metrics=("acc",))).tasks["capitals"].setup
    assert setup["few-shots"] == "2"
    assert setup["limit"] == "8"
    assert setup["task version"] == "1.0"
    assert setup["chat template"] == "none"
    chat = read_log(LOGS / "student-chat", choice=Choice(metrics=("acc",))).tasks["capitals"].setup
    assert chat["chat template"].startswith("sha256:")
    sums = read_log(LOGS / "base", choice=BOTH).tasks["sums"].setup
    assert '"do_sample": false' in sums["generation"]
    assert "fewshot_seed 1234" in sums["seeds"]


def test_without_results_the_setup_is_not_stated(tmp_path: Path) -> None:
    shutil.copy(LOGS / "base" / f"samples_capitals_{STAMP}.jsonl", tmp_path / "mine.jsonl")
    log = read_log(tmp_path / "mine.jsonl", choice=Choice(metrics=("acc",)))
    assert list(log.tasks) == [""]
    assert dict(log.tasks[""].setup) == {}


def test_two_runs_of_one_task_are_not_joined(tmp_path: Path) -> None:
    for day in (1, 2):
        write(tmp_path / f"samples_t_2026-01-0{day}T00-00-00.000000.jsonl", [record(1)])
    with pytest.raises(LogError, match="name the file of one run"):
        read_log(tmp_path)
    assert read_log(str(tmp_path / "samples_t_*02T*.jsonl")).size == 1


def test_logs_of_several_models_are_not_joined(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / f"samples_{name}_2026-01-01T00-00-00.000000.jsonl", [record(1)])
        (tmp_path / name / "results_2026-01-01T00-00-00.000000.json").write_text(json.dumps({"model_name": name}))
    with pytest.raises(LogError, match=r"several models \(a, b\)"):
        read_log(tmp_path)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (record(2, float("nan")), "line 2: score nan is not a finite number"),
        (record(2, float("inf")), "line 2: score inf is not a finite number"),
        (record(2, "yes"), "line 2: score 'yes' is not a number"),
        (record(2, [0.1]), "line 2: score '[0.1]' is not a number"),
        (record(2, 999), "line 2: score 999 lies outside 0..1"),
        (record(2, metrics=["bypass"]), "has no metric"),
        ({"a": 1}, "line 2: not a record of lm-eval"),
    ],
)
def test_bad_scores_name_their_line(tmp_path: Path, bad: dict, said: str) -> None:
    with pytest.raises(LogError) as error:
        read_log(write(tmp_path / "samples.jsonl", [record(1), bad]))
    assert said in str(error.value)


def test_a_log_that_was_cut_off_names_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "samples.jsonl", [record(1), record(2)])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(LogError, match="line 2: not a complete JSON object"):
        read_log(path)


def test_null_is_missing(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "samples.jsonl", [record(1), record(2, None)]))
    assert [t.mean for t in log.tasks[""].items.values()] == [1.0, None]


def test_lower_is_better_needs_a_turned_range(tmp_path: Path) -> None:
    path = write(tmp_path / "samples_t_2026-01-01T00-00-00.000000.jsonl", [record(1, 0.5), record(2, 2.0)])
    results = {"higher_is_better": {"t": {"acc": False}}}
    (tmp_path / "results_2026-01-01T00-00-00.000000.json").write_text(json.dumps(results))
    with pytest.raises(LogError, match="better when lower"):
        read_log(path, scale=Scale(worst=0.0, best=4.0))
    log = read_log(path, scale=Scale(worst=4.0, best=0.0))
    assert [t.mean for t in log.tasks["t"].items.values()] == [0.875, 0.5]


def test_averages_are_told_from_samples() -> None:
    path = LOGS / "base" / f"results_{STAMP}.json"
    assert is_results(path.read_bytes())
    with pytest.raises(LogError, match="averages only"):
        read_log(path)
