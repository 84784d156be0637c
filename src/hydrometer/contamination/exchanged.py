"""Twins of published word problems: the same text with other numbers, and the answer worked out again.

Takes items as GSM8K has them: a `question`, and an `answer` whose steps carry calculator marks, `<<48/2=24>>`, and end
in `#### 72`. The marks are the computation; where every number of it can be traced to one place of the question, to an
earlier step or to a constant, the numbers of the question can be exchanged and the marks worked out again. An item is
left out, and why is counted, as soon as anything is ambiguous: a twin with a wrong answer would look like a loss.

Does not see meaning: a constant that happens to stand in the question as well (7 days and 7 apples) is taken for
ambiguous where the question speaks of time, money or parts, and a twin may tell of a very cheap car.
"""

from __future__ import annotations

import ast
import json
import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, DivisionByZero, InvalidOperation, localcontext
from pathlib import Path
from typing import Any

import numpy as np

from hydrometer.errors import UsageError

_MARK = re.compile(r"<<([^<>=]{1,120})=([^<>=]{1,40})>>")
_FINAL = re.compile(r"####\s*(-?[\d,]+(?:\.\d+)?)\s*$")
_NUMBER = re.compile(r"(?<![\w.,/:])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w/:]|[.,]\d)")
_OPERATORS: dict[type, Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_IN_WORDS = {
    2: "twice|doubl|two|pair|half|halv|couple|both", 3: "three|tripl|third|thrice", 4: "four|quarter",
    5: "five|fifth", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten\\b|tenth|dime", 12: "dozen|twelve",
}  # fmt: skip
"""Words that may be the source of a number that stands in the question in digits as well."""
_CONVERSIONS = {Decimal(n) for n in (3, 4, 7, 12, 24, 30, 52, 60, 100, 365, 1000)}
_UNITS = re.compile(
    r"\b(?:days?|weeks?|hours?|minutes?|seconds?|months?|years?|dozens?|percent|cents?|feet|foot|inch\w*|yards?|miles?|\w*grams?|\w*met(?:er|re)s?)\b|%",
    re.IGNORECASE,
)
_YEARS = (Decimal(1900), Decimal(2100))
_DRAWS = 300
_SPAN = (0.6, 1.7)
"""New numbers lie between these multiples of the old ones, so that a twin is as hard."""
_MOST_LINES = 1_000_000


class LeftOutError(ValueError):
    """An item of which no sound twin can be made; says why."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A word problem with its computation.

    Attributes:
        question: Its text.
        places: Where the numbers that the computation uses stand in it.
        values: Those numbers, in the same order.
        steps: One expression per calculator mark, with `n0` for a number of the question and `s0` for an earlier step.
        final: Step whose value is the answer.
        answer: The answer.
    """

    question: str
    places: tuple[tuple[int, int], ...]
    values: tuple[Decimal, ...]
    steps: tuple[ast.expr, ...]
    final: int
    answer: Decimal


@dataclass(slots=True)
class Made:
    """Public items and their twins, in the same order.

    Attributes:
        public: Items that have twins, as rows of a file of questions.
        twins: The same for each copy.
        left_out: Why items have none, with their number.
    """

    public: list[dict[str, Any]] = field(default_factory=list)
    twins: list[list[dict[str, Any]]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def make_twins(rows: Sequence[Mapping[str, Any]], copies: int, seed: int) -> Made:
    """Return all public items of which `copies` different twins can be made, and the twins.

    Args:
        rows: Items with `question` and `answer`.
        copies: Twins per item.
        seed: Seed of the new numbers; keep it to yourself as long as the twins are to be fresh.
    """
    made = Made(twins=[[] for _ in range(copies)])
    seen: set[str] = set()
    for index, row in enumerate(rows):
        try:
            problem = read_problem(str(row.get("question", "")), str(row.get("answer", "")))
            twins = _several(problem, copies, np.random.default_rng([seed, index]), seen)
        except LeftOutError as reason:
            made.left_out[str(reason)] += 1
            continue
        if problem.question in seen:
            made.left_out["stands in the file twice"] += 1
            continue
        seen |= {problem.question, *(text for text, _ in twins)}
        made.public.append(_row(problem.question, problem.answer))
        for copy, (text, answer) in zip(made.twins, twins, strict=True):
            copy.append(_row(text, answer))
    return made


def read_problem(question: str, solution: str) -> Problem:
    """Return a problem whose computation is fully traced.

    Raises:
        LeftOutError: Something is missing or ambiguous.
    """
    final, marks = _FINAL.search(solution.strip()), _MARK.findall(solution)
    if not question.strip() or final is None or not marks:
        raise LeftOutError("no question, no calculator marks, or no #### answer")
    answer = _decimal(final[1])
    numbers = [(match.span(), _decimal(match.group())) for match in _NUMBER.finditer(question)]
    found: list[tuple[tuple[int, int], Decimal]] = []
    steps: list[ast.expr] = []
    results: list[Decimal] = []
    for written, stated in marks:
        try:
            tree = ast.parse(re.sub(r"(?<=\d),(?=\d{3})", "", written).strip(), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise LeftOutError("a calculator mark is no arithmetic") from error
        if _value(tree, {}) != (value := _decimal(stated)):
            raise LeftOutError("a calculator mark does not hold")
        steps.append(_traced(tree, question, numbers, results, found))
        results.append(value)
    if results[-1] != answer:
        raise LeftOutError("the answer is not that of the last step")
    if not found or {place for place, _ in found} != {place for place, value in numbers if value not in (0, 1)}:
        raise LeftOutError("a number of the question is not used")
    return Problem(
        question=question, places=tuple(place for place, _ in found), values=tuple(value for _, value in found),
        steps=tuple(steps), final=len(steps) - 1, answer=answer,
    )  # fmt: skip


def work_out(problem: Problem, values: Sequence[Decimal]) -> list[Decimal]:
    """Return the value of every step with other numbers.

    Raises:
        LeftOutError: A step divides by zero.
    """
    known = {f"n{i}": value for i, value in enumerate(values)}
    for i, step in enumerate(problem.steps):
        known[f"s{i}"] = _value(step, known)
    return [known[f"s{i}"] for i in range(len(problem.steps))]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSONL file.

    Raises:
        UsageError: It cannot be read; the line is named.
    """
    rows: list[dict[str, Any]] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                row = json.loads(line) if line.strip() else None
                if number > _MOST_LINES or not isinstance(row, dict | None):
                    msg = f"{path}, line {number}: expected an object with question and answer, at most a million"
                    raise UsageError(msg)
                rows += [row] if row is not None else []
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path}: cannot be read as JSON lines: {str(error).splitlines()[0]}"
        raise UsageError(msg) from error
    return rows


def _traced(
    tree: ast.expr, question: str, numbers: Sequence[tuple[tuple[int, int], Decimal]], results: Sequence[Decimal],
    found: list[tuple[tuple[int, int], Decimal]],
) -> ast.expr:  # fmt: skip
    """The expression with its literals replaced by where they come from."""

    class Trace(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.expr:
            value = _decimal(str(node.value))
            places = [place for place, number in numbers if number == value]
            steps = [i for i, result in enumerate(results) if result == value]
            if len(places) + len(steps) > 1:
                raise LeftOutError("a number of a step stands in several places")
            if steps:
                return ast.Name(id=f"s{steps[0]}")
            if not places or value in (0, 1):
                return node
            if re.search(_IN_WORDS.get(int(value), "$^") if value == int(value) else "half", question, re.IGNORECASE):
                raise LeftOutError("a number stands in the question in words as well")
            if value in _CONVERSIONS and _UNITS.search(question):
                raise LeftOutError("a number of the question may be a conversion of units")
            if _YEARS[0] <= value <= _YEARS[1] and value == int(value):
                raise LeftOutError("a number of the question may be a year")
            entry = (places[0], value)
            if entry not in found:
                found.append(entry)
            return ast.Name(id=f"n{found.index(entry)}")

    traced: ast.expr = Trace().visit(tree)
    return traced


def _several(problem: Problem, copies: int, rng: np.random.Generator, seen: set[str]) -> list[tuple[str, Decimal]]:
    twins: dict[str, Decimal] = {}
    first = work_out(problem, problem.values)
    for _ in range(_DRAWS):
        values = [_drawn(value, rng) for value in problem.values]
        if not _alike(problem.values, values):
            continue
        steps = work_out(problem, values)
        text = _written(problem, values)
        if text not in seen and _sensible(first, steps) and steps[problem.final] != problem.answer:
            twins.setdefault(text, steps[problem.final])
        if len(twins) == copies:
            return list(twins.items())
    raise LeftOutError("no other numbers fit")


def _drawn(value: Decimal, rng: np.random.Generator) -> Decimal:
    """A number near the old one, with as many decimals."""
    exponent = value.as_tuple().exponent
    unit = Decimal(1).scaleb(min(int(exponent), 0) if isinstance(exponent, int) else 0)
    round_ = Decimal(10) * unit if value % (10 * unit) == 0 and value >= 50 * unit else unit
    low, high = int(float(value / round_) * _SPAN[0]), int(float(value / round_) * _SPAN[1]) + 1
    return int(rng.integers(max(low, 2), max(high, 3) + 1)) * round_


def _alike(old: Sequence[Decimal], new: Sequence[Decimal]) -> bool:
    """Whether the numbers keep their order, so that a part stays smaller than its whole, and percentages stay ones."""
    order = all((old[i] < old[j]) == (new[i] < new[j]) for i in range(len(old)) for j in range(len(old)) if i != j)
    return order and all((a > 100) or (b <= 100) for a, b in zip(old, new, strict=True)) and list(old) != list(new)


def _sensible(old: Sequence[Decimal], new: Sequence[Decimal]) -> bool:
    """Whether every step stays whole where it was, above zero where it was, and no longer than two decimals."""
    return all(
        (a <= 0 or b > 0) and (a != int(a) or b == int(b)) and b == round(b, 2) and ((a < 1) == (b < 1))
        for a, b in zip(old, new, strict=True)
    )


def _written(problem: Problem, values: Sequence[Decimal]) -> str:
    text = problem.question
    for (start, end), value in sorted(zip(problem.places, values, strict=True), reverse=True):
        written = f"{value:,f}" if "," in text[start:end] else f"{value:f}"
        text = text[:start] + written + text[end:]
    return text


def _row(question: str, answer: Decimal) -> dict[str, Any]:
    whole = int(answer)
    return {"question": question, "answer": whole if answer == whole else float(answer), "grader": "number"}


def _value(tree: ast.expr, known: Mapping[str, Decimal]) -> Decimal:
    with localcontext() as context:
        context.prec = 40
        try:
            return _reduced(tree, known)
        except (DivisionByZero, InvalidOperation) as error:
            raise LeftOutError("a step divides by zero") from error


def _reduced(tree: ast.expr, known: Mapping[str, Decimal]) -> Decimal:
    match tree:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _decimal(str(value))
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_reduced(operand, known)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_reduced(left, known), _reduced(right, known))
    raise LeftOutError("a calculator mark is no arithmetic")


def _decimal(written: str) -> Decimal:
    try:
        value = Decimal(written.replace(",", "").strip())
    except InvalidOperation as error:
        raise LeftOutError("a calculator mark is no arithmetic") from error
    if not value.is_finite() or abs(value) > 10**12:
        raise LeftOutError("a number is too large")
    return value

