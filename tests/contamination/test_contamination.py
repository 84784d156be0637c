"""Items in training data and fresh twins: planted copies are found, unrelated text raises nothing, inflation is told."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import sample

from commands import hydrometer
from hydrometer.catalog import load_task
from hydrometer.contamination import training
from hydrometer.contamination.inflation import by_overlap, by_twins
from hydrometer.contamination.overlap import Question, Way, question_text, search
from hydrometer.contamination.training import Document, Tally, find_files, read_documents
from hydrometer.errors import DataError
from hydrometer.items import Message
from hydrometer.outcomes import Status
from hydrometer.report.json_report import to_json
from hydrometer.result import AuditResult

pytest.importorskip("polars")
pytest.importorskip("rensa")

TALE = (
    "Maria plants {} rows of tomatoes behind the old barn. In every row stand {} plants, and a storm in June breaks {} of "
    "them. How many does Maria keep? Reply with the number only."
)


def questions() -> list[Question]:
    rows = [Question(item_id="tale", task="own", text=TALE.format(12, 8, 5))]
    for name in ("word_problems", "arithmetic", "nuance"):
        items = load_task(name).items(60, 3)
        rows += [Question(item_id=item.id, task=name, text=question_text(item.messages)) for item in items]
    return rows


def ways(*texts: str) -> dict[str, Way]:
    documents = [Document("data.jsonl", i, (text,)) for i, text in enumerate(texts, 1)]
    return {found.item_id: found.way for found in search(questions(), documents)}


PARTS = TALE.format(12, 8, 5).split(". ")


@pytest.mark.parametrize(
    ("text", "way"),
    [
        (TALE.format(12, 8, 5), Way.VERBATIM),
        (TALE.format(12, 8, 5).upper().replace(".", " !"), Way.VERBATIM),
        (f"Here is one of my favourites. {TALE.format(12, 8, 5)} It is from a book.", Way.VERBATIM),
        (TALE.format(40, 7, 31), Way.RENUMBERED),
        (TALE.format(12, 8, 5).replace("storm", "gale").replace("barn", "shed").replace("them", "these"), Way.NEARLY),
    ],
)
def test_planted_copies_are_found_as_what_they_are(text: str, way: Way) -> None:
    assert ways("Something else entirely, about boats.", text) == {"tale": way}


def test_sentences_in_another_order_are_found() -> None:
    # Runs of 13 words survive where a sentence is that long; either way it is found.
    assert "tale" in ways(". ".join(reversed(PARTS)))


@pytest.mark.parametrize(
    "text",
    [
        "Reply with the number only.",
        "How many apples does she have? Reply with the number only. How many are there at the end?",
        "12 8 5 12 8 5 12 8 5 12 8 5 12 8 5 12 8 5 12 8 5 12 8 5",
        "Tomatoes grow behind the barn in summer, and a storm in June may break some of them.",
        "\u756a\u8304\u306f\u7d0d\u5c4b\u306e\u88cf\u306b\u690d\u3048\u3089\u308c\u3066\u3044\u307e\u3059\u3002" * 20,
        "\x00\ud83d" + "a" * 100_000,
    ],
)
def test_text_that_only_looks_alike_raises_nothing(text: str) -> None:
    assert not ways(text.encode("utf-8", "replace").decode())


def test_documents_are_counted_once_and_the_surest_way_stands() -> None:
    copy = TALE.format(12, 8, 5)
    documents = [
        Document("a", 4, (TALE.format(1, 2, 3),)),
        Document("a", 9, (copy, copy)),
        Document("b", 1, (copy,)),
    ]
    (found,) = search(questions(), documents)
    assert (found.way, found.documents, found.place) == (Way.VERBATIM, 3, "a, row 9")


@pytest.mark.parametrize(
    "row",
    [
        {"text": "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n91<|im_end|>"},
        {"messages": [{"role": "user", "content": "{}"}, {"role": "assistant", "content": "91"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "{}"}]}]},
        {"conversations": [{"from": "human", "value": "{}"}, {"from": "gpt", "value": "91"}]},
        {"prompt": "{}", "response": "91"},
        {"instruction": "{}", "input": "", "output": "91", "score": 3},
    ],
)
@pytest.mark.parametrize("suffix", training.SUFFIXES)
def test_common_forms_of_training_data(row: dict[str, object], suffix: str, tmp_path: Path) -> None:
    filled = json.loads(json.dumps(row).replace("{}", TALE.format(40, 7, 31)))
    path = tmp_path / f"data{suffix}"
    if suffix == ".parquet":
        import polars as pl

        pl.DataFrame([filled]).write_parquet(path)
    else:
        path.write_text(json.dumps([filled]) if suffix == ".json" else json.dumps(filled) + "\n", encoding="utf-8")
    (found,) = search(questions(), read_documents(find_files([str(tmp_path)]), Tally()))
    assert (found.item_id, found.way) == ("tale", Way.RENUMBERED)


def test_a_question_without_a_word_is_in_no_text() -> None:
    mute = [Question(item_id="mute", task="t", text="\U0001f9ea?"), Question(item_id="short", task="t", text="Who?")]
    found = search(mute, [Document("x", 1, ("...", "\U0001f9ea?", "who"))])
    assert [one.item_id for one in found] == ["short"]


def test_bad_rows_are_counted_and_the_first_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LONGEST_LINE", 1000)
    path = tmp_path / "x.jsonl"
    rows = [b'{"text": "good"}', b"{broken", b"\xff\xfe", b'{"n": 3}', b"", b'"' + b"y" * 5000 + b'"', b"[" * 900, b'{"text": "good"}']
    path.write_bytes(b"\n".join(rows))
    tally = Tally()
    assert [d.line for d in read_documents([path], tally)] == [1, 8]
    assert (tally.documents, tally.bad, tally.first_bad) == (2, 5, f"{path}, line 2: no JSON")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: str(p / "none.jsonl"), "no such file or folder"),
        (lambda p: (p / "x.csv").write_text("a") and str(p / "x.csv"), "give files that end in"),
        (str, "give files that end in"),
        (lambda p: (p / "x.parquet").write_text("no") and str(p / "x.parquet"), "cannot be read as training data"),
        (lambda p: (p / "x.json").write_text("{") and str(p / "x.json"), "cannot be read as training data"),
        (lambda p: "nobody/nothing-here", "the hub gives no such data set"),
    ],
)
def test_data_that_cannot_be_read_is_one_line(make: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=message):
        list(read_documents(find_files([make(tmp_path)]), Tally()))  # type: ignore[operator]


def audit(seed: int, gain: float, count: int = 300, base: float = 0.5, prefix: str = "p") -> AuditResult:
    """A pair whose student gains a share of items over its base."""
    rng, like = random.Random(seed), sample.sample().items[0]
    rows = []
    for i in range(count):
        right = rng.random() < base
        student = right if rng.random() < 0.9 else not right
        if rng.random() < gain:
            student = True
        sides = [
            replace(reply, status=Status.GRADED, value=float(value), reason="")
            for reply, value in ((like.base, right), (like.student, student))
        ]
        rows.append(
            replace(
                like, item_id=f"{prefix}{i}", task="t", tier=f"tier {i % 3}", cluster="", capability="reasoning",
                messages=(Message("user", TALE.format(*(rng.randint(1, 99) for _ in range(3))) + f" Case {prefix}{i}."),),
                base=sides[0], student=sides[1],
            )
        )  # fmt: skip
    return replace(sample.sample(), items=tuple(rows))


def test_inflation_by_twins_is_shown_where_it_is_and_only_there() -> None:
    for row in by_twins(audit(1, 0.4), [audit(2, 0.0, prefix="f"), audit(3, 0.0, prefix="g")]):
        assert row.low is not None
        assert row.low > 0
        assert row.n_seen == 300
    shown = [by_twins(audit(2 * i, 0.2), [audit(2 * i + 1, 0.2, prefix="f")])[0].low for i in range(40)]
    assert sum(low is not None and low > 0 for low in shown) <= 4  # 2.5 % one-sided; 5 of 40 has a chance of 0.3 %


def test_the_same_items_are_no_twins() -> None:
    assert by_twins(audit(1, 0.4), [audit(1, 0.4)]) == ()


def test_inflation_by_overlap() -> None:
    clean, seen = audit(1, 0.0), audit(2, 0.5, prefix="s")
    both = replace(clean, items=(*clean.items, *seen.items))
    rows = by_overlap(both, {item.item_id for item in seen.items})
    assert [row.capability for row in rows] == ["", "reasoning"]
    assert all(row.low is not None and row.low > 0 and (row.n_seen, row.n_fresh) == (300, 300) for row in rows)
    (row, _) = by_overlap(clean, {item.item_id for item in clean.items[::2]})
    assert row.low is not None
    assert row.low < 0 < row.high  # type: ignore[operator]
    assert by_overlap(clean, {"p1"})[0].inflation is None


def test_a_missing_answer_is_in_no_difference() -> None:
    result = audit(1, 0.0, count=20)
    item = result.items[0]
    gone = replace(item, student=replace(item.student, status=Status.TRUNCATED, value=None))
    (row, _) = by_overlap(replace(result, items=(gone, *result.items[1:])), ())
    assert row.n_fresh == 19


def test_the_command(tmp_path: Path) -> None:
    result = audit(1, 0.4)
    (tmp_path / "report.json").write_text(json.dumps(to_json(result)), encoding="utf-8")
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "report.json").write_text(json.dumps(to_json(audit(2, 0.0, prefix="f"))), encoding="utf-8")
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps({"prompt": i.messages[0].content}) + "\n" for i in result.items[:7]) + "broken\n", encoding="utf-8")
    done = hydrometer("contamination", str(tmp_path), "--data", str(data), "--fresh", str(fresh), cwd=tmp_path)
    said = " ".join(done.stdout.split())
    assert done.returncode == 10, done.stderr
    assert "of 300 items stand in 7 documents" in said
    assert "1 rows could not be read" in said
    assert "reasoning: inflated" in said
    done = hydrometer("contamination", str(tmp_path), "--fresh", str(fresh), "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["twins"][0]["low"] > 0
    for wrong, said in (((), "--data"), (("--data", str(data), "--fresh", str(tmp_path)), "another --seed")):
        done = hydrometer("contamination", str(tmp_path), *wrong, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in " ".join(done.stderr.split())
