"""Build the labelled set of behaviours, and measure the detectors on replies made from phrases they were not developed on.

    python tools/make_behaviour_set.py            writes src/hydrometer/behaviours/data/labelled.jsonl.zst
    python tools/make_behaviour_set.py --report   measures, and writes docs/behaviours.md
    python tools/make_behaviour_set.py --report --bank develop --ordinary 500 --show 3     while developing

Everything in it is synthetic but the recorded replies (`tools/record_behaviour_replies.py`), whose loops are labelled
by reading (`tools/behaviour_labels.py`).
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import zstandard
from scipy.special import betaincinv

from behaviour_faults import FAULTS, STRENGTHS, planted
from behaviour_grammar import Maker, Record, ordinary
from behaviour_judged import JUDGED
from behaviour_labels import LOOPS
from behaviour_phrases import DEVELOP, SECOND, Bank
from hydrometer.behaviours.base import Observed
from hydrometer.behaviours.language import status
from hydrometer.behaviours.registry import BEHAVIOURS, find
from hydrometer.outcomes import Finish

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "src/hydrometer/behaviours/data"
PAGE = ROOT / "docs/behaviours.md"
SEEDS = {"develop": 11, "second": 2027, "judged": 40_961}
BANKS: dict[str, Bank] = {"develop": DEVELOP, "second": SECOND, "judged": JUDGED}
RECORDED = {
    "develop": "Recorded replies of SmolLM2-135M that the loop detector was developed on:",
    "judged": "Recorded replies of SmolLM2-135M and the bundled student that the version before was judged on, and this one was developed on:",
    "unseen": "Recorded replies of SmolLM2-135M, other questions, topics and seeds, labelled before this version saw them, and no rule changed since:",
}  # fmt: skip
LONG = 1_500
"""Characters from which an ordinary reply counts as long."""


def main() -> None:
    """Build the set, or measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--bank", choices=BANKS, default="judged")
    parser.add_argument("--ordinary", type=int, default=12_000)
    parser.add_argument("--planted", type=int, default=300)
    parser.add_argument("--show", type=int, default=0)
    args = parser.parse_args()
    check_banks()
    if not args.report:
        write_set()
        return
    text = report(args.bank, args.ordinary, args.planted, args.show)
    if args.bank == "judged":
        PAGE.write_text(text)
    print(text)


def check_banks() -> None:
    """Refuse to measure on phrases that the detectors were developed on.

    Raises:
        SystemExit: Two banks share a phrase.
    """
    fields = [field.name for field in dataclasses.fields(Bank) if field.name not in {"nouns", "verbs", "adjectives"}]
    for one, other in itertools.combinations(BANKS.values(), 2):
        for field in fields:
            both = {plain(line) for line in one.lines(field)} & {plain(line) for line in other.lines(field)}
            if both:
                raise SystemExit(f"two banks share {field}: {sorted(both)}")


def plain(phrase: str) -> str:
    """Return a phrase without capitals and curly apostrophes."""
    return phrase.strip().lower().replace("\u2019", "'")


def observed(made: Record) -> Observed:
    """Return a record as a detector sees it."""
    names = ("text", "asked", "thinking", "think_state", "dialect", "expected_dialect", "tools", "mode")
    fields: dict[str, Any] = {name: made[name] for name in names if name in made}
    ids = made.get("token_ids")
    return Observed(
        **fields,
        answer=made.get("answer", made["text"].strip()),
        finish=Finish(made.get("finish", "stop")),
        token_ids=tuple(ids) if ids else None,
    )


def write_set() -> None:
    """Write the shipped part: 15 replies per behaviour, 300 ordinary ones, from the phrases that measure."""
    maker = Maker(JUDGED, random.Random(SEEDS["judged"]))
    rows = [planted(maker, name, number % len(STRENGTHS)) for name in FAULTS for number in range(15)]
    rows += [ordinary(maker) for _ in range(300)]
    packed = zstandard.compress(
        "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows).encode(), 19
    )
    (DATA / "labelled.jsonl.zst").write_bytes(packed)
    print(len(rows), "replies,", len(packed), "bytes")


def read(name: str) -> list[Record]:
    """Return the rows of a shipped file, none where it is not there."""
    file = DATA / name
    if not file.is_file():
        return []
    return [json.loads(line) for line in zstandard.decompress(file.read_bytes()).decode().splitlines()]


def report(bank: str, ordinaries: int, per_fault: int, show: int) -> str:
    """Measure, and return the page."""
    maker = Maker(BANKS[bank], random.Random(SEEDS[bank] + 1))
    false: Counter[str] = Counter()
    long = alarmed_long = 0
    for _ in range(ordinaries):
        made = ordinary(maker)
        seen = shown(made)
        false.update(seen)
        faults = [b.name for b in BEHAVIOURS if b.fault and b.name in seen]
        long += len(made["text"]) >= LONG
        alarmed_long += bool(faults) and len(made["text"]) >= LONG
        if seen and show:
            print("ordinary", made["kind"], seen, repr(made["text"][-160:]))
    hits, wrong = plant(maker, per_fault, show)
    rows = [
        table_row(b.name, b.summary, hits[b.name], per_fault, wrong[b.name] + false[b.name], fault=b.fault)
        for b in BEHAVIOURS
    ]
    upper = exact_interval(alarmed_long, long)[1]
    facts = [
        f"- Ordinary replies: {ordinaries}, of which {long} have at least {LONG} characters; "
        f"{sum(false.values())} alarms in all.",
        f"- False alarms on long ordinary replies, all faults together: {alarmed_long} of {long}"
        f" ({1000 * alarmed_long / long:.2f} in 1,000; 95 % upper limit {1000 * upper:.2f} in 1,000).",
        *(f"- {text} {recorded(name, show)}" for name, text in RECORDED.items() if LOOPS[name]),
        "- Speed: `python bench/behaviours.py`, on quiet cores (bench/RESULTS.md).",
        f"- Language detector: {status()}.",
    ]
    return HEAD + "\n".join([*rows, "", "## Measured", "", *facts, ""]) + FOOT


def shown(made: Record) -> set[str]:
    """Return which behaviours show."""
    return {behaviour.name for behaviour, _ in find(observed(made))}


def plant(maker: Maker, per_fault: int, show: int) -> tuple[Counter[str], Counter[str]]:
    """Return hits per behaviour, and alarms on replies that have another fault."""
    hits, wrong = Counter[str](), Counter[str]()
    for name in FAULTS:
        for number in range(per_fault):
            made = planted(maker, name, number % len(STRENGTHS))
            seen = shown(made)
            hits[name] += name in seen
            wrong.update(seen - {*made["must"], *made["may"]})
            if show and (name not in seen or seen - {*made["must"], *made["may"]}):
                print(made["kind"], seen, repr(made["text"][:100]), repr(made["text"][-160:]))
    return hits, wrong


def recorded(name: str, show: int) -> str:
    """Say what the loop detector finds in one set of recorded replies, against their labels."""
    rows = read(f"recorded_{name}.jsonl.zst")
    cells: Counter[tuple[bool, bool]] = Counter()
    others: Counter[str] = Counter()
    for number, row in enumerate(rows):
        seen = shown(row)
        truth, found = number in LOOPS[name], "loop" in seen
        cells[truth, found] += 1
        others.update(seen - {"loop"})
        if show and truth != found:
            print("recorded", number, truth, found, repr(row["asked"]), repr(row["text"][-300:]))
    hits, missed, alarms = cells[True, True], cells[True, False], cells[False, True]
    low, high = exact_interval(hits, hits + missed)
    exact_low, exact_high = exact_interval(hits, hits + alarms)
    rest = ", ".join(f"{other} {times}" for other, times in sorted(others.items())) or "none"
    return (
        f"{len(rows)} replies, {hits + missed} of them circles: {hits} found, {missed} missed, {alarms} alarms elsewhere; "
        f"recall {hits / (hits + missed):.3f} ({low:.3f} to {high:.3f}), precision {hits / (hits + alarms):.3f} "
        f"({exact_low:.3f} to {exact_high:.3f}). Other behaviours seen, unlabelled: {rest}."
    )


def table_row(name: str, summary: str, hits: int, planted_: int, wrong: int, *, fault: bool) -> str:
    """Return one line of the table."""
    precision = hits / (hits + wrong) if hits + wrong else 0.0
    low, high = exact_interval(hits, planted_)
    kind = "fault" if fault else "style"
    return f"| `{name}` | {kind} | {summary} | {precision:.3f} | {hits / planted_:.3f} ({low:.3f} to {high:.3f}) | {planted_} | {wrong} |"


def exact_interval(hits: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a share (Biometrika 1934)."""
    low = float(betaincinv(hits, n - hits + 1, 0.025)) if hits else 0.0
    return low, float(betaincinv(hits + 1, n - hits, 0.975)) if hits < n else 1.0


HEAD = """# Behaviours

Written by `python tools/make_behaviour_set.py --report`.

A behaviour is a fact about one reply that needs no right answer. An audit reports it as excess of the student over the
base on the same items, never by itself.

| name | kind | shows when a reply | precision | recall (95 % interval) | planted | wrong alarms |
| --- | --- | --- | --- | --- | --- | --- |
"""

FOOT = """
## How the set is made

**It is synthetic**, but for the recorded replies. `tools/behaviour_grammar.py` makes ordinary replies in 30 styles (prose up to
20,000 characters, essays, tables, lists, code, HTML, matrices, JSON, poems with a refrain, logs, long sums, counting,
repetition that was asked for, copies, dialogues, quizzes, thinking with its natural coming back to what was said in three
families' tags, tool calls, talk about template tags, six languages, quotations, names, near refusals, near give-ups, short and
cut replies) from word lists and a seed. `tools/behaviour_faults.py` plants each fault at three strengths.

Phrases come from three banks that share none. The detectors were developed on two of them (`tools/behaviour_phrases.py`);
the second was held out until its misses were read, and counts as used up since. The figures above come from the third
(`tools/behaviour_judged.py`), which was written before the present rules for refusals and give-ups and whose misses nobody
read. On it the rules before found 0.78 of the refusals and 0.29 of the give-ups. Shares of 300 draws move with the seed
(refusals 0.953 and 0.973 in two runs of the same rules; of its 141 phrases as first written 137 are found). One hand wrote banks and rules, so real
models will find wordings that neither holds.

The grammar of ordinary replies and the ways of planting are shared by all banks, and so are the six passages in other languages;
so the figures say that the detectors do what they were made for, not how often real models do these things.

Precision counts alarms on ordinary replies and on replies with another planted fault. What may go together (a refusal that
says it does not know) is not counted as wrong. A shipped part of the set is
`src/hydrometer/behaviours/data/labelled.jsonl.zst`.

Recorded replies: questions of many forms and topics, some of which provoke repetition, answered at several temperatures
(`tools/record_behaviour_replies.py`). One counts as a circle where its end says the same again at least three times over,
word for word or with single words or numbers changed. The first eighty were labelled by counting repeated lines and words,
and corrected by reading where the detector disagreed (five labels were wrong), so their figures are no independent test. The
150 were labelled by one reader before a detector saw them. Version 2 of the loop detector found 24 of their 35 circles (recall
0.686, precision 1.000); its misses were read, and version 3 was written for them, so **the 150 count as development since**.

Version 3 is judged on the last 96 (95 different ones: other questions, topics, seeds and two other temperatures, one model),
labelled from their last 640 characters by one reader, who also wrote the rules: after the rules stood, before they ran on
them. No rule was changed afterwards. Version 2 finds 41 of the 51 circles there (recall 0.804, with the same wrong alarm),
version 3 finds 49. Missed: a list of seven names that alternates between two, and dates that go on changing under new
numbers. The wrong alarm gives the same tip under nineteen numbers, and is cut within a closing sentence. Most circles of this
model are plain ones, so a larger model's may be harder to see.

## What they do not see

- Circles of digits ("00:00:00"), circles of three or four short lines, and those that close with a line of their own.
- The same entry under rising numbers fewer than 8 times (15 where the reply ends by itself, 30 where it is one short word or
  none), in tables and code, or where the request holds as many lines or questions.
- A circle wider than 32,000 characters that is not exact; code that repeats itself with other names and numbers.
- Sentences that give up where nothing whole was asked for ("all", "every", a number), unless they say plainly that they stop.
- Other languages in thinking, single foreign words of the same script, and passages between the sampled ones in long text.
- Contradictions without an explicit final number or option letter; refusals behind a first sentence that does not refuse.
- A reply cut by its budget inside thinking is a truncation, not `think_unclosed`.
"""

if __name__ == "__main__":
    main()
