"""Claims in tables: benchmarks down and models across, or the other way round."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from hydrometer.claims.benchmarks import find_mentions
from hydrometer.claims.model import BASE, STUDENT, Claim, ClaimKind, Unread
from hydrometer.claims.names import SIZED, Names
from hydrometer.claims.numbers import NUMBER, find_quantities, read_number
from hydrometer.claims.ratios import REPLY_LENGTH
from hydrometer.claims.settings import find_settings

_DELTA = re.compile(r"^\s*(?:\u0394|delta|diff(?:erence)?|change|gain|improvement|\+/-)\b|^\s*\u0394", re.IGNORECASE)
_COUNT = re.compile(r"^\s*(?P<k>\d{1,5})\s*/\s*(?P<n>\d{1,5})\s*(?:\(.*\))?\s*$")
_ASIDE = re.compile(
    r"^\W*(?:version|n-?shots?|shots?|few-?shot|filter|metrics?|stderr|std\.?(?: ?dev)?|s\.?e\.?|error|\u00b1|#|no\.?|n|k|items|samples|questions"
    r"|problems|tasks? count|size|(?:avg\.?|mean|average|total)? ?(?:thinking |output )?tokens?\b.*|time|seconds|latency|notes?|remarks?|comment"
    r"|harness|budget|max.*|temp(?:erature)?|cost|source|category|type|date|rank|epochs?|tok/s|speed)\W*$",
    re.IGNORECASE,
)
"""Heads of columns that say how something was measured instead of what was reached."""
_MEASURE = re.compile(r"^\W*(?:pass@\d+|acc(?:uracy|_norm)?|score|results?|exact[ _]match|em|value|%|resolved?)\b", re.IGNORECASE)
_NAMED_SETTINGS = {"metric": "metric", "filter": "filter", "n-shot": "shots", "shots": "shots", "harness": "harness"}
_SPREAD = re.compile(r"(?:\u00b1|\+/-)\s*\d+(?:[.,]\d+)?\s?%?")
_WITH_CHANGE = re.compile(r"^(?P<score>[^()]+)\(\s*(?P<arrow>[\u2191\u2193\u25b2\u25bc]?)\s*(?P<change>[+\u2212-]?\d+(?:[.,]\d+)?)\s*(?:%|pts?|pp|points)?\s*\)\s*$")
_TOKENS = re.compile(r"\b(?:tokens?|reply length|response length|chain length|output length|thinking length)\b", re.IGNORECASE)
_NO_LENGTH = re.compile(r"/s|per second|max|context|window|budget|limit|price|cost|\$|trained|training|correct", re.IGNORECASE)


def claims_of_table(
    rows: Sequence[Sequence[str]], lines: Sequence[int], names: Names, context: str = "", heading: str = "", title: str = ""
) -> tuple[list[Claim], list[Unread]]:
    """Return the claims of a table.

    Args:
        rows: Cells as plain text, the head first.
        lines: Line of the card of each row.
        names: Names of the two models.
        context: Heading and paragraph before it, which may say how it was measured.
        title: Paragraph right above it: the table of a harness stands below the name of its model.
        heading: Key of the only benchmark that the heading names, `""` for none: what a table of models is about.
    """
    if len(rows) < 2:
        return [], []
    down = sum(bool(_benchmark(row[0])) for row in rows[1:] if row)
    across = sum(bool(_benchmark(cell)) for cell in rows[0][1:])
    lengths = _lengths(rows, lines, names)
    if not down and not across and not (heading and any(_MEASURE.search(cell) for cell in rows[0][1:])):
        return lengths, []
    claims: list[Claim] = []
    unread: list[Unread] = []
    around = find_settings(context)
    titled = _title_owner(title, names)
    above = ""
    for row, line in zip(rows[1:], lines[1:], strict=True):
        quote = " | ".join(row)[:300]
        if len(row) != len(rows[0]):
            unread.append(Unread(line=line, quote=quote, reason="the row has other columns than the head"))
            continue
        # A harness leaves the name out where it is that of the row above.
        above = row[0] or above
        for head, label, subject, text in _cells(rows[0], above, row, heading, down=down, across=across):
            found = _cell(text, subject, head, names)
            if titled and not isinstance(found, str) and _MEASURE.search(head):
                found = tuple(replace(one, of=titled) for one in found)
            if isinstance(found, str):
                if found:
                    unread.append(Unread(line=line, quote=quote, reason=found))
                continue
            own = {**find_settings(f"{head} ; {label} ; {text}"), **_named_settings(rows[0], row)}
            claims += [replace(one, settings={**around, **own, **one.settings}, line=line, quote=quote) for one in found]
    return [*claims, *lengths], unread


def _title_owner(title: str, names: Names) -> str:
    named = SIZED.fullmatch(title.strip("*:_` \n"))
    return names.owner(named.group()) if named else ""


def _cells(
    heads: Sequence[str], label: str, row: Sequence[str], heading: str, *, down: int, across: int
) -> Iterator[tuple[str, str, str, str]]:
    """Whose a cell is, the label of its benchmark, the benchmark, and its text; columns that hold no scores are left out."""
    for column in range(1, len(heads)):
        if _ASIDE.match(heads[column]) and not _benchmark(heads[column]):
            continue
        if not down and not across:
            if _MEASURE.search(heads[column]):
                yield label, heads[column], heading, row[column]
            continue
        head, name = (heads[column], label) if down >= across else (label, heads[column])
        subject = _benchmark(name)
        if subject:
            yield head, name, subject, row[column]


def _named_settings(heads: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    named = {_NAMED_SETTINGS.get(head.strip("* `").lower(), ""): cell.strip().lower() for head, cell in zip(heads, row, strict=True)}
    return {name: cell[:60] for name, cell in named.items() if name and cell}


def _lengths(rows: Sequence[Sequence[str]], lines: Sequence[int], names: Names) -> list[Claim]:
    """Mean numbers of tokens of both models, as one ratio."""
    found: list[Claim] = []
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) == len(rows[0]) and _is_length(row[0]):
            found += _length([names.owner(head) for head in rows[0][1:]], row[1:], line, " | ".join(row))
    for column, head in enumerate(rows[0]):
        if column and _is_length(head):
            full = [(row, line) for row, line in zip(rows[1:], lines[1:], strict=True) if len(row) == len(rows[0])]
            quote = " | ".join(f"{row[0]}: {row[column]}" for row, _ in full)
            owners, cells = [names.owner(row[0]) for row, _ in full], [row[column] for row, _ in full]
            found += _length(owners, cells, full[0][1] if full else 0, f"{head}: {quote}")
    return found


def _is_length(label: str) -> bool:
    return bool(_TOKENS.search(label)) and not _NO_LENGTH.search(label)


def _length(owners: Sequence[str], cells: Sequence[str], line: int, quote: str) -> list[Claim]:
    if owners.count(STUDENT) != 1 or owners.count(BASE) != 1:
        return []
    values = []
    for of in (STUDENT, BASE):
        match = re.match(rf"\W*(?P<n>{NUMBER})\s?(?P<k>[kK]?)\W*$", cells[owners.index(of)])
        values.append(read_number(match["n"])[0] * (1000 if match["k"] else 1) if match else 0.0)
    if min(values) < 10:
        return []
    return [Claim(kind=ClaimKind.LENGTH, subject=REPLY_LENGTH, value=values[0] / values[1], line=line, quote=quote[:300])]


def _cell(text: str, subject: str, head: str, names: Names) -> tuple[Claim, ...] | str:
    """The claims of a cell, or why there are none; `""` for a cell that claims nothing."""
    text = _SPREAD.sub("", text)
    if not re.search(r"\d", text):
        return ""
    difference = bool(_DELTA.search(head))
    of = STUDENT if difference else names.owner(head)
    if count := _COUNT.match(text):
        k, n = int(count["k"]), int(count["n"])
        if not n > 0 or k > n:
            return f"{k} of {n} is no count"
        return (Claim(kind=ClaimKind.SCORE, subject=subject, value=k / n, digits=4, of=of, settings={"items": str(n)}),)
    if change := _WITH_CHANGE.match(text):
        return _with_change(change, subject, head, names)
    numbers = [q for q in find_quantities(text) if not q.other]
    if len(numbers) != 1:
        return f"{len(numbers)} numbers in one cell" if numbers else "no number that is a score"
    (number,) = numbers
    if number.unit == "x" or abs(number.value) > 100:
        return f"{text.strip()} is no percentage"
    difference = difference or number.signed
    # A table of shares: 0.756 for 75.6 %.
    share = 0 < abs(number.value) < 1 and number.digits >= 2 and number.unit == ""
    value, digits = (number.value, max(0, number.digits - 2)) if share else (number.value / 100, number.digits)
    kind = ClaimKind.DIFFERENCE if difference else ClaimKind.SCORE
    return (Claim(kind=kind, subject=subject, value=value, digits=digits, of=of),)


def _with_change(match: re.Match[str], subject: str, head: str, names: Names) -> tuple[Claim, ...] | str:
    """A score with its change in brackets: `71.2 (+1.3)`."""
    score = _cell(match["score"], subject, head, names)
    if isinstance(score, str) or not (match["arrow"] or re.match(r"[+\u2212-]", match["change"])):
        return score
    value, digits = read_number(match["change"])
    value = -abs(value) if match["arrow"] in {"\u2193", "\u25bc"} else value
    if abs(value) > 100 or score[0].of != STUDENT:
        return score
    return (*score, Claim(kind=ClaimKind.DIFFERENCE, subject=subject, value=value / 100, digits=digits))


def _benchmark(text: str) -> str:
    found = [mention for mention in find_mentions(text) if mention.benchmark]
    return found[0].subject if found and len(text) <= 60 else ""

