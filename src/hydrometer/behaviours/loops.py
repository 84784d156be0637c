"""Replies that turn in circles: an exact cycle at the end, the same paragraphs again, or a stall without new words.

Legitimate repetition is everywhere (tables, matrices, choruses, code, "write it ten times"), so each kind has a size
below which it is not looked at, and a request for repetition or the request's own words excuse it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hydrometer.behaviours.base import Behaviour, Observed, Sign
from hydrometer.behaviours.eos import foreign_turn
from hydrometer.behaviours.segments import both, fences, prose, shortened
from hydrometer.letters import letters
from hydrometer.outcomes import Finish

_RUN = 6
Ends = tuple[tuple[int, float], ...]
"""How many of the last runs are looked at, and the share of them said before that makes a stall."""
_STALLS: dict[bool, dict[int, Ends]] = {
    False: {_RUN: ((240, 0.75), (120, 0.85))},
    True: {_RUN: ((120, 0.6), (80, 0.75)), 4: ((80, 0.5),)},
}
"""Words in a run, how many of the last runs are looked at, and the share of them said before that makes a stall; keyed by
whether the budget cut the reply.

Runs of four words come again in any text, so they count only where the end uses few different words at all.
"""
_FEWEST = 140
"""Words below which no stall is looked for: some must stand before the last runs, for those to have been there before."""
_FEW_WORDS = 42
"""Different words among the last hundred. READMEs, licences and manuals do not fall below 45, circles have 33 at most."""
_ORDINAL = re.compile(r"[0-9](?<![\w.,:$/-][0-9])[0-9]{0,3}(?=[.):*]|\Z)")
"""A number that counts entries: "12." or "12)", "Day 12:", "**12**"; prices, hours and results are none.

The digit stands first, so that a search skips from digit to digit.
"""
_ENTRIES = 4_000
"""Characters at the end in which the same entry under rising numbers is looked for."""
_SAME_ENTRIES = {True: (8, 240), False: (15, 400)}
"""Repeats and characters from which it counts, keyed by whether the budget cut the reply: a list that closes of its own
may well say the same of fifteen things."""
_BARE = 30
"""Repeats for entries of one short word or none ("yes", a letter, nothing), only where the budget cut them."""
_REFRAIN = 8
"""Times in a row that a wish for a refrain excuses the same verse with nothing between."""
_TAIL = 32_000
"""Characters at the end in which a stall is looked for: a circle that is wider is not seen as one by a reader."""


class Cycle(NamedTuple):
    """A sequence that ends in repetitions of its last `period` units.

    Attributes:
        period: Units after which it repeats.
        length: Units from the end over which it does, a broken first cycle included.
    """

    period: int
    length: int

    @property
    def repeats(self) -> float:
        """How often the cycle is run through."""
        return self.length / self.period


def tail_cycles(units: str) -> Iterator[Cycle]:
    """Yield cycles at the end of a sequence that are run through at least three times, short periods first.

    A suffix of at least one period occurs again exactly one period before. So the nearest earlier occurrence of
    suffixes of 8, 16, 32 … units names every period that can be, each found in a window of twice the suffix: linear
    altogether. Shorter suffixes may name a cycle within the cycle ("-----" at the end of each row), so all are yielded.

    Args:
        units: Characters, or token ids as code points (see `as_units`).
    """
    # Where the last eight never stood before, nothing repeats: most texts are done with here.
    if units.find(units[-8:]) == len(units) - 8:
        return
    reverse = units[::-1]
    size, seen = 8, set[int]()
    codes: NDArray[np.uint32] | None = None
    while size < len(units):
        # A period that is no longer than the suffix shows within the next `size` places.
        period = reverse.find(reverse[:size], 1, 2 * size + 1)
        size *= 2
        if period < 1 or period in seen or 3 * period > len(units):
            continue
        seen.add(period)
        if reverse[: 2 * period] != reverse[period : 3 * period]:
            continue
        if codes is None:
            codes = np.frombuffer(reverse.encode("utf-32-le", "surrogatepass"), np.uint32)
        differs = np.flatnonzero(codes[period:] != codes[:-period])
        yield Cycle(period, period + int(differs[0] if differs.size else len(units) - period))


def as_units(token_ids: tuple[int, ...]) -> str:
    """Return token ids as one character each, so that text and tokens go the same way."""
    return "".join(map(chr, token_ids)) if max(token_ids, default=0) < 0x110000 else ""


def detect(observed: Observed) -> Sign | None:
    """Say whether a reply turns in circles."""
    found = _token_cycle(observed)
    if found:
        return found
    for part in both(observed):
        turn = foreign_turn(part, observed.asked, observed.system)
        text = (part[: turn.at] if turn else part).rstrip()
        if len(text) < 160:
            continue
        found = (
            _text_cycle(text, observed)
            or _same_entries(text, observed)
            or _same_lines(text, observed)
            or _stall(text, observed)
        )
        if found:
            return found
    return None


LOOP = Behaviour(
    name="loop",
    version=3,
    summary="turns in circles: exact cycle, the same paragraphs, or a stall without new words",
    detect=detect,
)

_REPETITION = re.compile(
    r"\brepeat|\btimes\b|\bcopy\b|over and over|again and again|\brefrain|\bchorus|\bmantra|\bpattern\b"
    r"|\bforever\b"
    r"|\bendless|\bechoe?s?\b|\bidentical\b|\bsame (?:line|word|sentence|letter|phrase)|\bduplicate"
    r"|\bascii|\bbinary\b"
    r"|\bsequence\b|\bwiederhol|\brépét|\brepit|重复|繰り返",
    re.IGNORECASE,
)
_SONG = re.compile(r"\brefrain|\bchorus", re.IGNORECASE)
_COUNTED = re.compile(r"\bcount|\bnumber|\bblank|\bempty|\btemplate|\bform\b|\blines?\b|\bsheet", re.IGNORECASE)
"""A wish for entries that say next to nothing."""
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
            "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "fifty": 50, "hundred": 100, "thousand": 1000}  # fmt: skip
_MARKER = re.compile(r"^\s{0,20}(?:[-*•]\s{1,9})?(?:\d{1,4}[.):]\s{1,9})?")
_DIGITS = re.compile(r"\d{1,9}")
_WORD = re.compile(r"\d{1,6}|[a-z]{3,9}")


def _excused(observed: Observed, repeated: str, repeats: float) -> bool:
    """Whether the request wants it: it says so (then as often as it says), or holds the repeated text as often."""
    asked = observed.asked
    piece = repeated.strip()
    if piece and asked.count(piece) >= 0.6 * repeats:
        return True
    if not _REPETITION.search(asked):
        return False
    wanted = _largest(asked) or 40
    return repeats <= 1.5 * wanted + 3 and (observed.finish is Finish.STOP or repeats <= wanted + 2)


def _largest(asked: str) -> int:
    """The largest number in a request, 0 without one."""
    words = _WORD.findall(asked.lower()[:4000])
    return max((int(w) if w.isdigit() else _NUMBERS.get(w, 0) for w in words), default=0)


def _sung(observed: Observed, repeats: float) -> bool:
    """Whether a refrain is all that was wanted, and the same verse came more often in a row than songs do."""
    asked = observed.asked
    return (
        observed.finish is Finish.LENGTH
        and repeats > _REFRAIN
        and bool(_SONG.search(asked))
        and not _REPETITION.search(_SONG.sub("", asked))
        and not _largest(asked)
    )


def _token_cycle(observed: Observed) -> Sign | None:
    ids = observed.token_ids
    if ids is None or len(ids) < 60:
        return None
    if any(foreign_turn(part, observed.asked, observed.system) for part in both(observed)):
        return None
    # Tokens name the period without doubt; how much text that is decides, as it does without tokens.
    share = len(observed.text) / len(ids)
    for cycle in tail_cycles(as_units(ids)):
        characters = round(cycle.length * share)
        text = observed.text.rstrip()
        piece = text[-max(1, round(cycle.period * share)) :]
        if _counts(piece, characters, cycle.repeats, text, observed):
            return Sign(
                f"the last {cycle.length} tokens repeat every {cycle.period} tokens", shortened(piece)
            )
    return None


def _text_cycle(text: str, observed: Observed) -> Sign | None:
    # What counts has 160 characters, two thirds of which stood one period before: an end that is new closes no circle.
    if text.find(text[-100:]) == len(text) - 100:
        return None
    for cycle in tail_cycles(text):
        piece = text[-cycle.period :]
        if _counts(piece, cycle.length, cycle.repeats, text, observed):
            reason = (
                f"the last {cycle.length} characters repeat every {cycle.period}, {cycle.repeats:.0f} times"
            )
            return Sign(reason, shortened(piece))
    return None


def _counts(piece: str, length: int, repeats: float, text: str, observed: Observed) -> bool:
    cut = observed.finish is Finish.LENGTH
    least = _least_repeats(len(piece), cut=cut)
    shown = "|" in piece or "{" in piece or _ends_in_code(text)
    if not any(map(str.isalpha, piece)):
        needed = 800 if cut else 2500
    elif shown:
        needed = 500 if cut else 1500
    else:
        needed = 160 if cut else 240
    if length < needed or repeats < least:
        return False
    return _sung(observed, repeats) or not _excused(observed, piece, repeats)


def _least_repeats(period: int, *, cut: bool) -> float:
    if period >= 400:
        return 3
    return 4 if cut or period >= 100 else 6


def _ends_in_code(text: str) -> bool:
    blocks = fences(text)
    return bool(blocks) and blocks[-1].end >= len(text) - 2


def _same_entries(text: str, observed: Observed) -> Sign | None:
    """The same entries under rising numbers, up to the end."""
    # Eight entries in that much text say the same within 600 characters; most texts do not, and need no second look.
    # First without any digits, which is quick, then without the numbers of entries.
    bare = text[-600:].encode("utf-8", "surrogatepass").translate(None, b"0123456789")
    if bare.find(bare[-24:]) == len(bare) - 24:
        return None
    near = _ORDINAL.sub("0", text[-600:])
    if near.find(near[-24:]) == len(near) - 24 or _ends_in_code(text):
        return None
    end = text[-_ENTRIES:]
    plain = _ORDINAL.sub("0", end)
    # Eight entries or more, of 240 characters together: 200 of them at least stood one entry before.
    if plain.find(plain[-200:]) == max(0, len(plain) - 200):
        return None
    numbers = [int(found) for found in _ORDINAL.findall(end)]
    for cycle in tail_cycles(plain):
        piece = plain[-cycle.period :]
        # The number at the very start of the end may lack digits, and the first cycle part of itself.
        marks = len(_ORDINAL.findall(piece))
        whole = numbers[-int(cycle.repeats) * marks :] if marks else []
        if not _rise(whole, marks) or "|" in piece or "{" in piece:
            continue
        if _entries_count(piece, cycle, observed):
            return Sign(f"the same entry {cycle.repeats:.0f} times under rising numbers", shortened(end[-cycle.period :]))
    return None


def _rise(numbers: list[int], marks: int) -> bool:
    """Whether one of the numbers of each cycle counts on by one, nearly always."""
    for place in range(marks):
        column = numbers[place::marks]
        steps = [after - before for before, after in pairwise(column)]
        if len(steps) >= 2 and steps.count(1) >= 0.8 * len(steps):
            return True
    return False


def _entries_count(piece: str, cycle: Cycle, observed: Observed) -> bool:
    cut, asked, repeats = observed.finish is Finish.LENGTH, observed.asked, cycle.repeats
    least, needed = _SAME_ENTRIES[cut]
    if letters(piece) < 8 or len(piece.split()) < 3:
        least = _BARE
        if not cut or _COUNTED.search(asked) or _largest(asked) >= repeats:
            return False
    # A request with as many lines or questions wants as many entries.
    wanted = max(asked.count("\n"), asked.count("?"))
    return (
        repeats >= least
        and cycle.length >= needed
        and wanted < 0.6 * repeats
        and not _excused(observed, _ORDINAL.sub("", piece), repeats)
    )


def _same_lines(text: str, observed: Observed) -> Sign | None:
    """The same long lines again and again, other text between them perhaps."""
    cut = observed.finish is Finish.LENGTH
    body = prose(text)
    long = [line for line in body.splitlines() if len(line) >= 40]
    # Equal lines end alike, so that few of most texts have to be compared in full.
    if len(long) < (5 if cut else 8):
        return None
    ends = [line.rstrip()[-20:] for line in long]
    if not cut and (len(ends) - len(set(ends)) < 7 or max(Counter(ends).values()) < 8):
        return None
    # A list that gives the same entry under new numbers turns in circles as well.
    found = (line if line[0].isalpha() else line[_MARKER.match(line).end() :] for line in long)  # type: ignore[union-attr]
    lines = [line for line in map(str.strip, found) if len(line) >= 40 and line[0] not in "|#"]
    # Attempts that only count on are a circle too, but lists do the same: only where the budget had to end them.
    for lines_now, least in ((lines, 5 if cut else 8), (list(map(_uncounted, lines)) if cut else [], 10)):
        if len(lines_now) < least:
            continue
        counted = Counter(lines_now)
        line, times = counted.most_common(1)[0]
        again = sum(len(key) * number for key, number in counted.items() if number >= 3)
        behind = len(body) - body.find(line) if lines_now is lines else len(body[-2 * again :])
        if times >= least and again >= 0.5 * behind and not _excused(observed, line, times):
            return Sign(f"the same line {times} times", shortened(line))
    return None


def _uncounted(line: str) -> str:
    """A line of prose without its numbers; a line that is numbers mostly keeps them, since they are what it says."""
    plain = _DIGITS.sub("0", line)
    return (
        plain
        if len(plain) >= 0.9 * len(line) and plain.count(" ") >= 10 and len(_DIGITS.findall(line)) <= 3
        else line
    )


def _stall(text: str, observed: Observed) -> Sign | None:
    """A long end in which next to every run of words was there before, or that gets along with a handful of words."""
    if len(text) < 800:
        return None
    cut = observed.finish is Finish.LENGTH
    tail = prose(text[-_TAIL:])
    if "|" in tail:
        tail = " ".join(line for line in tail.splitlines() if not line.lstrip().startswith("|"))
    words = tail.split()
    if len(words) < _FEWEST:
        return None
    stalls = {}
    for length, ends in _STALLS[cut].items():
        far = tuple((span, most) for span, most in ends if len(words) >= span + _FEWEST - 80)
        if far and _stands_still(words, length, far):
            stalls[length] = tuple(end for end in far if not _excused(observed, "", len(words) / end[0]))
    if not any(stalls.values()):
        return None
    # Columns of numbers hold the same ones again by nature.
    end = " ".join(words[-240:])
    if letters(end) < 0.5 * len(end):
        return None
    codes = _codes(words)
    for length, ends in stalls.items():
        runs = _runs(codes, length)
        again = np.ones(len(runs), bool)
        again[np.unique(runs, return_index=True)[1]] = False
        for span, most in ends:
            share = float(again[-span:].mean())
            if share < most or (length < _RUN and len(set(map(_plain, words[-100:]))) > _FEW_WORDS):
                continue
            own = ~np.isin(runs[-span:], _runs(_codes(observed.asked.split()), length))
            if float((again[-span:] & own).mean()) < most:
                continue
            return Sign(
                f"{share:.0%} of the last {span} runs of {length} words were there before",
                shortened(" ".join(words[-20:])),
            )
    return None


def _stands_still(words: list[str], length: int, ends: Ends) -> bool:
    """Whether so many of the last runs of words were there before that it is a stall, the request's own not counted.

    A run with a word, or a pair of words, that is new to the text is new itself. That is counted several times faster
    than runs are compared, and decides nearly every text.
    """
    narrow = min(span for span, _ in ends)
    for width in (1, 2):
        fresh = _new_runs(words, width, length, narrow)
        if all((span - fresh) / span < most for span, most in ends):
            return False
    return any((span - _new_runs(words, length, length, span)) / span >= most for span, most in ends)


def _new_runs(words: list[str], width: int, length: int, span: int) -> int:
    """Count those of the last runs that hold a unit of so many words which stands there for the first time."""
    behind = len(words) - length + 1
    counted = behind - span
    last = list(_units(words[counted:], width))
    new = set(last).difference(_units(words[: counted + width - 1], width))
    found = 0
    for place, unit in enumerate(last, counted):
        if unit in new:
            new.discard(unit)
            first = max(counted, place - length + width)
            # The last units begin no run, for want of words behind them.
            counted = min(place + 1, behind)
            found += max(0, counted - first)
    return found


def _units(words: list[str], width: int) -> Iterable[str | tuple[str, ...]]:
    return words if width == 1 else zip(*(words[place:] for place in range(width)), strict=False)


def _plain(word: str) -> str:
    return word.lower().strip(".,;:!?\"'*`()-")


def _codes(words: list[str]) -> NDArray[np.uint64]:
    return np.fromiter(map(hash, words), np.int64, len(words)).astype(np.uint64)


def _runs(codes: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """Hash every run of words. Equal runs get equal numbers; different ones collide once in 2^64."""
    runs = np.zeros(max(0, len(codes) - length + 1), np.uint64)
    for place in range(length if len(runs) else 0):
        runs = runs * np.uint64(0x9E3779B97F4A7C15) + codes[place : len(codes) - length + 1 + place]
    return runs
