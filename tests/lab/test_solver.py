"""Every trace is right: its answer is worked out again from the question alone, by other means."""

import re
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from problems import Problem, draw
from solver import ANSWER_MARK, KINDS, OPENING, trace

PROBLEMS = list(draw(KINDS, 40 * len(KINDS) // 2, seed=11))


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]


def quoted(text: str) -> list[str]:
    return re.findall(r'"([^"]+)"', text)


def listing(text: str) -> list[str]:
    return text.split(": ", 1)[1].rstrip(".?").split(", ")


def weekday(question: str) -> str:
    days = {
        (date(2024, 1, 1) + timedelta(i)).strftime("%A"): date(2024, 1, 1) + timedelta(i) for i in range(7)
    }
    start = next(day for name, day in days.items() if name in question)
    return (start + timedelta(numbers(question)[0])).strftime("%A")


def clock(question: str) -> str:
    hour, minute, length = numbers(question)
    end = datetime(2024, 1, 1, hour, minute) + timedelta(minutes=length)
    return f"{end.hour}:{end.minute:02d}"


def units(question: str) -> str:
    sizes = {"km": 1000, "kg": 1000, "metres": 100, "dozens": 12}
    sizes |= {"minutes": 60, "hours": 60, "days": 24, "weeks": 7}
    unit = re.search(r"\d+ (\w+)", question)
    small = re.search(r"How many (\w+) are|to (\w+)\.", question)
    assert unit
    assert small
    return f"{numbers(question)[0] * sizes[unit[1]]} {small[1] or small[2]}"


def ordering(question: str) -> str:
    """Count wins: with every neighbour pair given, only the top never loses and only the bottom never wins."""
    pairs = re.findall(r"(\w+) is \w+ than (\w+)\.", question)
    winners, losers = {a for a, _ in pairs}, {b for _, b in pairs}
    top = re.search(r"the (tallest|oldest|fastest)\?", question)
    found = winners - losers if top else losers - winners
    assert len(found) == 1
    return found.pop()


def gain_lose(question: str) -> str:
    start, gain, lose, friends = numbers(question)
    share, rest = divmod(start + gain - lose, friends)
    assert rest == 0
    return str(share)


def change(question: str) -> str:
    n, price, note = numbers(question)
    return str(note - n * price)


def farm(question: str) -> str:
    rows, trees, crop, sold = numbers(question)
    return str(rows * trees * crop - sold)


def product(question: str) -> str:
    a, b = numbers(question)
    return str(a * b)


def divide(question: str) -> str:
    small, big = sorted(numbers(question))
    assert big % small == 0
    return str(big // small)


def percent(question: str) -> str:
    p, base = numbers(question)
    assert p * base % 100 == 0
    return str(round(base * p / 100))


def sequence(question: str) -> str:
    terms = numbers(question)
    assert len({b - a for a, b in pairwise(terms)}) == 1
    return str(2 * terms[-1] - terms[-2])


def syllogism(question: str) -> str:
    rule, _case, asked = re.split(r"(?<=\.) ", question)
    one = re.search(r"an? (\w+)\?", asked)
    assert one
    assert one[1][:3] in rule.split(" are ")[1]
    return "Yes" if rule.startswith("All") else "No"


def elimination(question: str) -> str:
    options = re.findall(r"the (\w+)", question.partition(".")[0].partition(" is in ")[2])
    left = [o for o in options if f"not in the {o}." not in question]
    assert len(left) == 1
    return f"In the {left[0]}"


def plural(question: str) -> str:
    irregular = {"city": "cities", "berry": "berries", "story": "stories", "lady": "ladies", "party": "parties",
                 "baby": "babies", "puppy": "puppies"}  # fmt: skip
    hissing = {
        "box",
        "dish",
        "church",
        "fox",
        "bus",
        "bench",
        "glass",
        "brush",
        "class",
        "watch",
        "tax",
        "match",
    }
    word = quoted(question)[0]
    return irregular.get(word, word + ("es" if word in hissing else "s"))


THINGS = {
    "fruits": {"apple", "pear", "plum", "cherry", "grape", "peach", "lemon"},
    "animals": {"dog", "cat", "horse", "cow", "sheep", "fox", "owl"},
    "tools": {"hammer", "saw", "drill", "wrench", "pliers", "file", "chisel"},
    "colours": {"red", "blue", "green", "white", "black", "brown", "pink"},
}


def odd_one_out(question: str) -> str:
    words = set(listing(question))
    return next(
        (words - members).pop() for members in THINGS.values() if len(words & members) == 3
    ).capitalize()


def items(question: str) -> str:
    target = question.split()[2]
    return str(len(THINGS[target] & set(listing(question))))


SCALES = (
    "hot cold,big small,early late,open closed,loud quiet,wet dry,strong weak,fast slow,empty full,"
    "light dark,rich poor,near far,hard soft,high low,young old,thick thin,clean dirty,first last"
)


def opposite(question: str) -> str:
    pair = next(set(p.split()) for p in SCALES.split(",") if quoted(question)[0] in p.split())
    return (pair - {quoted(question)[0]}).pop().capitalize()


CHECKS = {
    "add": lambda q: str(sum(numbers(q))),
    "alphabet": lambda q: min(listing(q)).capitalize(),
    "backwards": lambda q: "".join(reversed(quoted(q)[0])),
    "change": change,
    "clock": clock,
    "divide": divide,
    "elimination": elimination,
    "extreme": lambda q: str((max if "largest" in q else min)(numbers(q))),
    "farm": farm,
    "gain_lose": gain_lose,
    "items": items,
    "letters": lambda q: str(quoted(q)[1].count(quoted(q)[0])),
    "multiply": product,
    "odd_one_out": odd_one_out,
    "opposite": opposite,
    "ordering": ordering,
    "parity": lambda q: ("Even", "Odd")[numbers(q)[0] % 2],
    "percent": percent,
    "plural": plural,
    "sequence": sequence,
    "share": lambda q: str(numbers(q)[0] // numbers(q)[1]),
    "sort": lambda q: ", ".join(map(str, sorted(numbers(q), reverse="from largest" in q))),
    "subtract": lambda q: str(max(numbers(q)) - min(numbers(q))),
    "syllogism": syllogism,
    "total": lambda q: str(sum(numbers(q))),
    "travel": product,
    "units": units,
    "weekday": weekday,
}


def test_every_family_has_a_check() -> None:
    assert CHECKS.keys() == KINDS.keys() == {p.kind for p in PROBLEMS}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_answer_follows_from_the_question(kind: str) -> None:
    for problem in (p for p in PROBLEMS if p.kind == kind):
        assert problem.draft.answer == CHECKS[kind](problem.draft.prompt), problem.draft


def equations(text: str) -> list[tuple[str, str]]:
    term = r"\d+(?:\.\d+)?"
    return re.findall(rf"({term}(?: [-+x/] {term})+) = ({term})(?![\d.]*\d| [-+x/])", text)


def test_every_equation_in_the_steps_holds() -> None:
    found = 0
    for problem in PROBLEMS:
        for left, right in equations("\n".join(problem.draft.steps)):
            assert eval(left.replace("x", "*")) == pytest.approx(float(right)), problem.draft
            found += 1
    assert found > 500


def test_the_last_step_leads_to_the_answer() -> None:
    silent = {
        "clock",
        "letters",
        "sort",
        "syllogism",
        "backwards",
        "extreme",
        "elimination",
        "alphabet",
        "parity",
    }
    for problem in (p for p in PROBLEMS if p.kind not in silent):
        steps = "\n".join(problem.draft.steps).lower()
        assert problem.draft.answer.split()[0].lower() in steps, problem.draft


def test_trace_has_the_foreign_style() -> None:
    for problem in PROBLEMS:
        lines = trace(problem.draft).split("\n")
        assert lines[0] == f"{OPENING}:"
        assert [line.split(".")[0] for line in lines[2:-2]] == [str(n) for n in range(1, len(lines) - 3)]
        assert lines[-1] == f"{ANSWER_MARK} {problem.draft.answer}"


def test_no_question_is_asked_twice_and_the_seed_decides() -> None:
    prompts = [p.draft.prompt for p in PROBLEMS]
    assert len(set(prompts)) == len(prompts)
    assert list(draw(KINDS, 60, seed=1)) == list(draw(KINDS, 60, seed=1))
    assert list(draw(KINDS, 60, seed=1)) != list(draw(KINDS, 60, seed=2))


def test_more_problems_than_a_family_has_is_refused() -> None:
    with pytest.raises(ValueError, match="ask for fewer samples"):
        list(draw({"opposite": KINDS["opposite"]}, 500, seed=1))


def test_some_conversations_carry_a_system_message() -> None:
    with_system = [p for p in PROBLEMS if p.system is not None]
    assert 0.2 < len(with_system) / len(PROBLEMS) < 0.4
    assert [m["role"] for m in with_system[0].messages()] == ["system", "user"]
    assert isinstance(with_system[0], Problem)
