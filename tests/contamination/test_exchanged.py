"""Twins of word problems: the answer is worked out again from the marks, and whatever is ambiguous is left out."""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from commands import hydrometer
from hydrometer.contamination.exchanged import LeftOutError, make_twins, read_problem, work_out

CLIPS = {
    "question": "Mara sold clips to 48 friends in April, and then she sold half as many in May. How many did she sell altogether?",
    "answer": "In May she sold 48/2 = <<48/2=24>>24 clips.\nAltogether 48+24 = <<48+24=72>>72.\n#### 72",
}
SHOP = {
    "question": "A shop has 1,250 red lamps and 430 blue lamps. It sells 36 crates with 15 lamps each. How many lamps are left?",
    "answer": "<<1250+430=1680>> lamps. <<36*15=540>> sold. <<1680-540=1140>> left.\n#### 1,140",
}
PRICE = {
    "question": "Ola buys 14 pens at $2.50 a pen and pays with $50 in notes. What is the change in dollars?",
    "answer": "<<14*2.5=35>> <<50-35=15>>\n#### 15",
}


@pytest.mark.parametrize("row", [CLIPS, SHOP, PRICE], ids=["clips", "shop", "price"])
def test_the_computation_gives_the_published_answer_and_that_of_every_twin(row: dict[str, str]) -> None:
    problem = read_problem(row["question"], row["answer"])
    assert work_out(problem, problem.values)[problem.final] == problem.answer
    made = make_twins([row], 4, seed=3)
    texts = {row["question"], *(copy[0]["question"] for copy in made.twins)}
    assert len(texts) == 5
    for copy in made.twins:
        (twin,) = copy
        assert re.sub(r"\d[\d,.]*\d|\d", "#", twin["question"]) == re.sub(r"\d[\d,.]*\d|\d", "#", row["question"])
        numbers = [Decimal(n.replace(",", "")) for n in re.findall(r"\d[\d,.]*\d|\d", twin["question"])]
        answers = {"clips": lambda n: n[0] + n[0] / 2, "shop": lambda n: n[0] + n[1] - n[2] * n[3], "price": lambda n: n[2] - n[0] * n[1]}
        name = next(k for k, v in {"clips": CLIPS, "shop": SHOP, "price": PRICE}.items() if v is row)
        assert Decimal(str(twin["answer"])) == answers[name](numbers)
        assert twin["answer"] != made.public[0]["answer"]


RED = {
    "question": "A jar holds 640 sweets, and 80% of them are red. How many are red?",
    "answer": "<<80/100=.8>> <<640*.8=512>>\n#### 512",
}


@pytest.mark.parametrize("row", [CLIPS, SHOP, PRICE, RED], ids=["clips", "shop", "price", "red"])
def test_twins_stay_as_sensible_as_the_published_item(row: dict[str, str]) -> None:
    problem = read_problem(row["question"], row["answer"])
    made = make_twins([row], 20, seed=5)
    assert len({copy[0]["question"] for copy in made.twins}) == 20
    for (twin,) in made.twins:
        numbers = [Decimal(n.replace(",", "")) for n in re.findall(r"\d[\d,.]*\d|\d", twin["question"])]
        values = [numbers[sorted(problem.places).index(place)] for place in problem.places]
        assert sorted(range(len(values)), key=values.__getitem__) == sorted(range(len(values)), key=problem.values.__getitem__)
        assert "%" not in twin["question"] or numbers[1] < 100
        for before, after in zip(work_out(problem, problem.values), work_out(problem, values), strict=True):
            assert after > 0
            assert before != int(before) or after == int(after)
            assert (before < 1) == (after < 1)


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        ("He has 6 cats and 6 dogs.", "<<6+6=12>>\n#### 12", "several places"),
        ("He has 8 cats and 5 dogs.", "<<8+5=14>>\n#### 14", "does not hold"),
        ("He has 8 cats and 5 dogs.", "<<8+5=13>>\n#### 26", "not that of the last step"),
        ("He has 8 cats and 5 dogs and 9 birds.", "<<8+5=13>>\n#### 13", "is not used"),
        ("He works 7 days for 7 weeks.", "<<7*7=49>>\n#### 49", "several places"),
        ("He eats 7 figs a day for 90 weeks.", "<<7*90=630>>\n#### 630", "in words|conversion"),
        ("She has 2 boxes and doubles 31 coins.", "<<31*2=62>> <<62+2=64>>\n#### 64", "in words as well"),
        ("Born in 1950, aged 33.", "<<1950+33=1983>>\n#### 1983", "a year"),
        ("He has 8 cats and 5 dogs.", "8+5=13\n#### 13", "no calculator marks"),
        ("He has 8 cats.", "<<8**9999999=13>>\n#### 13", "no arithmetic"),
        ("He has 8 cats.", "<<__import__('os')=13>>\n#### 13", "no arithmetic"),
        ("He has 8 cats.", "<<8/0=13>>\n#### 13", "zero"),
        ("", "", "no question"),
    ],
)
def test_what_is_ambiguous_is_left_out_with_its_reason(question: str, answer: str, why: str) -> None:
    with pytest.raises(LeftOutError, match=why):
        read_problem(question, answer)
    assert sum(make_twins([{"question": question, "answer": answer}], 1, 0).left_out.values()) == 1


def test_the_command_writes_pairs_in_the_same_order(tmp_path: Path) -> None:
    rows = [CLIPS, {"question": "Why?", "answer": "#### 4"}, SHOP, SHOP]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = hydrometer("twins", "sums.jsonl", "--out", "made", "--copies", "2", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "2 of 4 items have 2 twins" in run.stdout
    assert "stands in the file twice: 1" in run.stdout
    sets = [
        [json.loads(line) for line in (tmp_path / "made" / name / "sums.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("public", "fresh-1", "fresh-2")
    ]
    assert [row["question"][:6] for row in sets[0]] == ["Mara s", "A shop"]
    assert all([row["question"][:6] for row in one] == ["Mara s", "A shop"] for one in sets)


@pytest.mark.parametrize("text", ["{", "[1]\n", '{"question": 3}\n', ""])
def test_nonsense_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.jsonl").write_text(text, encoding="utf-8")
    run = hydrometer("twins", "x.jsonl", "--out", "made", cwd=tmp_path)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "made").exists()
