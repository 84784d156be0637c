"""Problems against an independent solver, and the judge of their answers against other forms of them."""

import time
from fractions import Fraction
from importlib.util import find_spec
from random import Random

import pytest

from hydrometer.outcomes import Status
from hydrometer.tasks.math_problems import PROBLEMS, latex, root

needs_verify = pytest.mark.skipif(find_spec("math_verify") is None, reason="needs the tasks extra")
sympy = pytest.importorskip("sympy")
X = sympy.Symbol("x")


def _draws(tier: str, place: int) -> list[tuple[str, str]]:
    return [PROBLEMS[tier][place](Random(seed)) for seed in range(25)]


def _left(question: str, start: str, end: str) -> str:
    return (
        question.partition(start)[2]
        .partition(end)[0]
        .replace("^", "**")
        .replace("x", "*x")
        .replace(" *x", " x")
        .lstrip("*")
    )


def test_roots_are_simplified() -> None:
    assert [root(n) for n in (4, 8, 75, 7, 72)] == [
        "2",
        r"2\sqrt{2}",
        r"5\sqrt{3}",
        r"\sqrt{7}",
        r"6\sqrt{2}",
    ]
    assert latex(Fraction(-6, 8)) == r"-\frac{3}{4}"


@pytest.mark.parametrize(("tier", "place"), [("medium", 0), ("hard", 0)])
def test_solutions_of_equations(tier: str, place: int) -> None:
    for question, gold in _draws(tier, place):
        found = sympy.solveset(sympy.sympify(_left(question, "of ", " = 0")), X, sympy.S.Reals)
        shown = [
            g.replace(r"\sqrt{", "*sqrt(").replace("}", ")").replace("-*", "-").replace("+*", "+")
            for g in gold.strip("\\{}").split(", ")
        ]
        shown = [s.rstrip("\\)") + ")" if "sqrt" in s else s for s in shown]
        assert found == sympy.FiniteSet(*map(sympy.sympify, shown)), (question, gold)


@pytest.mark.parametrize(("tier", "place"), [("medium", 1), ("hard", 1)])
def test_solutions_of_inequalities(tier: str, place: int) -> None:
    for question, gold in _draws(tier, place):
        relation = sympy.sympify(_left(question, "Solve ", ". Give").replace("≤", "<=").replace("≥", ">="))
        found = relation.as_set()
        parts = gold.split(r" \cup ")
        wanted = sympy.Union(*map(_interval, parts))
        assert found == wanted, (question, gold)


def _interval(text: str) -> object:
    low, high = (
        t.strip().replace(r"\infty", "oo").replace(r"\frac{", "(").replace("}{", "/").replace("}", ")")
        for t in text[1:-1].split(",")
    )
    return sympy.Interval(sympy.sympify(low), sympy.sympify(high), text[0] == "(", text[-1] == ")")


def test_remainders_are_the_smallest() -> None:
    for question, gold in _draws("hard", 3):
        r, a, s, b = [int(w.rstrip("?")) for w in question.split() if w.rstrip("?").isdigit()]
        assert next(n for n in range(1, 200) if n % a == r and n % b == s) == int(gold), question


@needs_verify
def test_other_forms_are_right_and_others_wrong() -> None:
    from hydrometer.tasks.competition_math import CompetitionMath

    task = CompetitionMath()
    for item in task.items(36, 1):
        assert task.grade(item, rf"So \boxed{{{item.answer}}}").value == 1.0
        assert task.grade(item, "Answer: 123456").value == 0.0
        assert task.grade(item, "I do not know.").status is Status.UNPARSED


@needs_verify
@pytest.mark.parametrize(
    "bait",
    ["1 " * 500_000, "a" * 1_000_000, "\\boxed{" * 150_000, "$" * 1_000_000, "Answer: " * 125_000, "\\sqrt{" * 200_000,
     "$1$ " * 250_000, "answer" + " " * 1_000_000 + "is 7", "Answer: 9^9^9^9", "Answer: 9^{9^{9^{9}}}", "Answer: 99999999^99",
     "Answer: 10000000!", "Answer: " + "(" * 100 + "7" + ")" * 100, "Answer: " + r"\frac{1}{" * 30 + "7" + "}" * 30,
     r"Answer: \sum_{n=1}^{99} n^{99}", r"Answer: \binom{99999999}{4999}", "Answer: " + "(x-1)" * 30, "Answer: \udcff\u202e7x"],
    ids=lambda bait: bait[:14],
)  # fmt: skip
def test_hostile_replies_take_a_moment(bait: str) -> None:
    from hydrometer.graders.mathematics import grade_mathematics

    grade_mathematics("Answer: 3", "4")  # loads sympy's parser
    start = time.process_time()
    grade_mathematics(bait, "12")
    assert time.process_time() - start < 1.0
