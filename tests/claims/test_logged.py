"""Claims against logs of other harnesses: scores measured again, differences and words as comparisons, other setups refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from commands import hydrometer
from hydrometer.claims.card import read_card
from hydrometer.claims.evidence import answer
from hydrometer.claims.logged import benchmark_of, facts_of_logs
from hydrometer.claims.model import Answer, Card, Checked, Claim, ClaimKind
from hydrometer.logs.base import Log, LogError
from hydrometer.logs.reading import read_log

TIME = "2026-01-02T03-04-05.678901"


def written(folder: Path, right: int, items: int = 164, *, task: str = "humaneval", shots: int = 0, filter_: str = "none") -> Path:
    """A run of lm-eval with its samples and its results; the first `right` items are right."""
    folder.mkdir(parents=True)
    lines = [
        json.dumps({
            "doc_id": i, "doc": {"question": f"Question {i}?"}, "target": "x", "arguments": {}, "resps": [["x"]], "filtered_resps": ["x"],
            "filter": filter_, "metrics": ["pass@1"], "doc_hash": f"{i:064x}", "prompt_hash": f"{i:064x}", "target_hash": "0" * 64,
            "pass@1": float(i < right),
        })
        for i in range(items)
    ]  # fmt: skip
    (folder / f"samples_{task}_{TIME}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    results = {
        "results": {task: {}}, "n-shot": {task: shots}, "versions": {task: 1}, "higher_is_better": {task: {"pass@1": True}}, "config": {},
        "configs": {task: {}},
    }  # fmt: skip
    (folder / f"results_{TIME}.json").write_text(json.dumps(results), encoding="utf-8")
    return folder


def ask(text: str, student: Log, base: Log | None = None) -> list[Checked]:
    return list(answer(read_card(text, "card"), logs=facts_of_logs(student, base)))


@pytest.mark.parametrize(
    ("right", "items", "expected"),
    [(160, 164, Answer.UNPROVEN), (163, 164, Answer.SUPPORTED), (140, 164, Answer.CONTRADICTED), (19, 20, Answer.UNPROVEN)],
)
def test_a_score_is_measured_again(tmp_path: Path, right: int, items: int, expected: Answer) -> None:
    (row,) = ask("HumanEval 97.56 %.", read_log(written(tmp_path / "s", right, items)))
    assert row.answer is expected
    assert row.low is not None
    assert row.high is not None
    assert row.low < right / items < row.high
    assert len(row.items) == items
    assert f"on {items}{' of 164' if items < 164 else ''} items" in row.reasons[0]


def test_a_base_that_is_better_than_the_card_says_contradicts_it(tmp_path: Path) -> None:
    logs = [read_log(written(tmp_path / name, right)) for name, right in (("s", 150), ("b", 155))]
    rows = ask("| Benchmark | Base | Ours |\n|---|---|---|\n| HumanEval | 80.49 | 91.46 |\n", *logs)
    assert [(row.claim.of, row.answer) for row in rows] == [("base", Answer.CONTRADICTED), ("student", Answer.UNPROVEN)]


@pytest.mark.parametrize(
    ("right", "text", "expected"),
    [
        (100, "It preserves the base's coding.", Answer.CONTRADICTED),
        (150, "It preserves the base's coding.", Answer.SUPPORTED),
        (150, "Improved coding.", Answer.CONTRADICTED),
        (100, "HumanEval improves by 5 points.", Answer.CONTRADICTED),
        (100, "HumanEval falls by 3 points.", Answer.SUPPORTED),
        (100, "It preserves vision.", Answer.UNPROVEN),
    ],
)
def test_two_logs_answer_words_and_differences(tmp_path: Path, right: int, text: str, expected: Answer) -> None:
    base, student = (read_log(written(tmp_path / name, k, 1000)) for name, k in (("b", 150), ("s", right)))
    (row,) = ask(text, student, base)
    assert row.answer is expected


def test_other_setups_are_not_comparable(tmp_path: Path) -> None:
    five = read_log(written(tmp_path / "five", 150, shots=5))
    (row,) = ask("HumanEval 91.46 % (0-shot).", five)
    assert row.answer is Answer.NOT_COMPARABLE
    assert "shots 0 on the card, 5 in the log" in row.reasons[0]
    (row,) = ask("HumanEval 91.46 % with evalplus.", five)
    assert "harness evalplus on the card, lm-eval in the log" in row.reasons[0]
    none = read_log(written(tmp_path / "none", 150))
    (row,) = ask("It preserves the base's coding.", five, none)
    assert row.answer is Answer.NOT_COMPARABLE
    assert "few-shots 0 in the base's log, 5 in the student's" in row.reasons[0]
    other = read_log(written(tmp_path / "other", 150, filter_="strict"))
    (row,) = ask("It preserves the base's coding.", other, none)
    assert row.answer is Answer.NOT_COMPARABLE
    assert "filter strict" in row.reasons[0]


@pytest.mark.parametrize(("name", "other", "same"), [("metric", "acc", "pass@1"), ("filter", "strict", "none")])
def test_another_metric_or_filter_is_not_comparable(tmp_path: Path, name: str, other: str, same: str) -> None:
    facts = facts_of_logs(read_log(written(tmp_path / "s", 163)))
    for said, expected in ((other, Answer.NOT_COMPARABLE), (same, Answer.SUPPORTED)):
        claim = Claim(kind=ClaimKind.SCORE, subject="humaneval", value=0.9756, digits=2, settings={name: said})
        (row,) = answer(Card(source="card", claims=(claim,)), logs=facts)
        assert row.answer is expected
        assert expected is Answer.SUPPORTED or f"{name} {other} on the card, {same} in the log" in row.reasons[0]


def test_what_has_no_score_could_have_been_right_or_wrong(tmp_path: Path) -> None:
    rows = (f"{i},{1 if i < 150 else ''},humaneval\n" for i in range(164))
    (tmp_path / "s.csv").write_text("item,score,task\n" + "".join(rows), encoding="utf-8")
    (row,) = ask("HumanEval 97.56 %.", read_log(tmp_path / "s.csv"))
    assert row.answer is Answer.UNPROVEN
    assert "14 without a score" in row.reasons[0]
    assert row.low is not None
    assert row.low < 150 / 164
    assert row.high == 1.0


def test_a_benchmark_that_a_log_holds_twice_is_not_chosen_from(tmp_path: Path) -> None:
    rows = (f"{i},1,{task}\n" for task in ("gsm8k", "gsm8k_cot") for i in range(100))
    (tmp_path / "s.csv").write_text("item,score,task\n" + "".join(rows), encoding="utf-8")
    (row,) = ask("GSM8K 97.5 %.", read_log(tmp_path / "s.csv"))
    assert row.answer is Answer.NOT_COMPARABLE
    assert "holds it 2 times (gsm8k, gsm8k_cot)" in row.reasons[0]


def test_no_log_makes_a_percentage_possible(tmp_path: Path) -> None:
    (row,) = ask("HumanEval 96.91 %.", read_log(written(tmp_path / "s", 159)))
    assert row.answer is Answer.IMPOSSIBLE


@pytest.mark.parametrize(
    ("task", "key"),
    [("gsm8k_cot", "gsm8k"), ("inspect_evals/gsm8k", "gsm8k"), ("leaderboard_mmlu_pro", "mmlu_pro"), ("capitals", ""), ("humaneval_plus", "humaneval_plus")],
)
def test_tasks_of_harnesses_are_known_by_their_names(task: str, key: str) -> None:
    assert benchmark_of(task) == key


def test_the_command_takes_logs_and_tables(tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text("HumanEval 97.56 %.\n", encoding="utf-8")
    table = "item,score,task\n" + "".join(f"{i},{int(i < 140)},humaneval\n" for i in range(164))
    (tmp_path / "s.csv").write_text(table, encoding="utf-8")
    run = hydrometer("claims", "card.md", "--log", "s.csv", "--json", cwd=tmp_path)
    assert run.returncode == 10, run.stderr
    (row,) = json.loads(run.stdout)["claims"]
    assert (row["answer"], len(row["items"])) == ("contradicted", 164)
    run = hydrometer("claims", "card.md", "--log", "a", "--log", "b", "--log", "c", cwd=tmp_path)
    assert run.returncode == 2
    assert "3 times" in run.stderr
    assert "Traceback" not in run.stderr
    run = hydrometer("claims", "card.md", "--log", "nowhere.json", cwd=tmp_path)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_a_broken_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("{\n", encoding="utf-8")
    with pytest.raises(LogError):
        read_log(tmp_path / "x.jsonl")


@pytest.mark.parametrize(("rows", "expected"), [(14_000, Answer.SUPPORTED), (13_600, Answer.SUPPORTED), (13_400, Answer.UNPROVEN), (9_000, Answer.UNPROVEN)])
def test_a_number_of_samples_is_counted_in_the_data(rows: int, expected: Answer) -> None:
    (row,) = answer(read_card("Trained on 14k traces.", "card"), rows_of_data=rows)
    assert row.answer is expected
    assert f"hold {rows:,} rows, claimed 14,000" in row.reasons[0]


def test_the_command_counts_training_data(tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text("Trained on 3 traces.\n", encoding="utf-8")
    (tmp_path / "t.jsonl").write_text('{"text": "one two"}\n' * 3, encoding="utf-8")
    run = hydrometer("claims", "card.md", "--data", "t.jsonl", "--json", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["claims"][0]["answer"] == "supported"
