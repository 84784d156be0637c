"""Claims answered with logs of other harnesses: somebody's own samples of lm-eval or Inspect, or a table of scores.

A log of the student measures its score again; a log of each answers differences and words as a comparison of both does. What a
card says of its setup is held against the log's: another number of examples or another filter is another measurement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hydrometer.claims.benchmarks import benchmarks, find_mentions
from hydrometer.claims.model import BASE, STUDENT, Answer, Checked, Claim, ClaimKind
from hydrometer.comparison import ComparisonResult, compare_logs
from hydrometer.logs.base import Log, LogError, TaskLog
from hydrometer.result import CapabilityResult, Standing, Verdict
from hydrometer.stats.intervals import wilson_interval

MARGIN = 0.03
"""How far below a claimed score the interval may begin and still support it; the margin of `hydrometer compare`."""
_NORMAL = 1.959964
_WORDS_OF_SHOTS = {"zero": "0", "few": "", "five": "5"}
_HARNESSES = {"lm-eval": r"lm[-_ ]eval", "Inspect": r"inspect"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """What logs of a pair say.

    Attributes:
        logs: The log of each side that is at hand, by `student` and `base`.
        compared: Comparison of both, None where one is missing or they cannot be compared.
        unlike: Why they cannot be compared, `""` if they can.
    """

    logs: Mapping[str, Log]
    compared: ComparisonResult | None = None
    unlike: str = ""


def facts_of_logs(student: Log, base: Log | None = None) -> LogFacts:
    """Return what logs say; two that cannot be compared still answer scores, each for its own model."""
    if base is None:
        return LogFacts(logs={STUDENT: student})
    logs = {STUDENT: student, BASE: base}
    try:
        return LogFacts(logs=logs, compared=compare_logs(base, student))
    except LogError as error:
        return LogFacts(logs=logs, unlike=str(error))


def results_for(claim: Claim, facts: LogFacts) -> list[CapabilityResult]:
    """Return what the comparison of both logs says of the subject of a claim: a benchmark, or the capability it tests."""
    known = benchmarks()
    found = []
    for row in facts.compared.capabilities if facts.compared else ():
        key = benchmark_of(row.result.capability)
        tests = known[key].capability if key in known else ""
        if claim.subject in {key, tests, row.result.capability} - {""}:
            found.append(replace(row.result, capability=key or row.result.capability))
    return found


def why_unlike(facts: LogFacts) -> str:
    """Return why both logs are not comparable, in words."""
    if facts.compared is None:
        return facts.unlike
    undeclared = [one for one in facts.compared.findings if one.standing is Standing.UNDECLARED]
    return "; ".join(f"{one.aspect} {one.base} in the base's log, {one.student} in the student's" for one in undeclared)


def with_score(row: Checked, facts: LogFacts) -> Checked:
    """Return a claimed score held against the log of the model it is of, unchanged where no log has the benchmark."""
    claim = row.claim
    log = facts.logs.get(claim.of)
    if claim.kind is not ClaimKind.SCORE or claim.value is None or log is None:
        return row
    tasks = {name: task for name, task in log.tasks.items() if benchmark_of(name) == claim.subject}
    if not tasks:
        return row
    names = ", ".join(tasks)
    if len(tasks) > 1 and not all(re.search(r"(?:mmlu|bbh)[_/ -]\w+", name, re.IGNORECASE) for name in tasks):
        return row.because(Answer.NOT_COMPARABLE, f"{log.source} holds it {len(tasks)} times ({names}): name one with --task")
    unlike = [word for task in tasks.values() for word in _unlike(claim, log, task)]
    if unlike:
        words = "; ".join(dict.fromkeys(unlike))
        return row.because(Answer.NOT_COMPARABLE, f"{log.source} was measured differently from what the card says: {words}")
    return _measured(row, log, tasks)


def benchmark_of(task: str) -> str:
    """Return the benchmark that a harness's task is, `""` for none that is known."""
    words = re.sub(r"[_/]+", " ", task)
    return next((found.subject for found in find_mentions(words) if found.benchmark), "")


def _unlike(claim: Claim, log: Log, task: TaskLog) -> list[str]:
    """Settings that card and log both state, and that differ."""
    said = claim.settings
    shots = _WORDS_OF_SHOTS.get(said.get("shots", ""), said.get("shots", ""))
    metric, _, chosen = task.measure.partition(", filter ")
    found = []
    for name, theirs, ours in (
        ("shots", shots, task.setup.get("few-shots", "")),
        ("metric", said.get("metric", ""), metric),
        ("filter", said.get("filter", ""), chosen),
    ):
        if theirs and ours and theirs.lower() != ours.lower():
            found.append(f"{name} {theirs} on the card, {ours} in the log")
    harness = said.get("harness", "")
    if harness and log.kind in _HARNESSES and not re.search(_HARNESSES[log.kind], harness):
        found.append(f"harness {harness} on the card, {log.kind} in the log")
    return found


def _measured(row: Checked, log: Log, tasks: Mapping[str, TaskLog]) -> Checked:
    claim = row.claim
    claimed, rounding = claim.value or 0.0, 0.005 * 10.0**-claim.digits
    tallies = [tally for task in tasks.values() for tally in task.items.values()]
    missing = sum(not tally.scored for tally in tallies)
    # What is missing could have been right or wrong: the interval holds both.
    low = _interval([tally.lowest for tally in tallies])[0]
    high = _interval([tally.highest for tally in tallies])[1]
    means = [tally.mean for tally in tallies if tally.mean is not None]
    score = sum(means) / len(means) if means else math.nan
    size = max(benchmarks()[claim.subject].sizes.values(), default=0)
    of = f" of {size:,}" if size > len(tallies) else ""
    words = (
        f"{log.source}: {100 * score:.{max(claim.digits, 1)}f} % [{100 * low:.1f}, {100 * high:.1f}] on {len(tallies):,}{of} items "
        f"({', '.join(tasks) or 'task'}, {next(iter(tasks.values())).measure or 'score'}), claimed {100 * claimed:.{claim.digits}f} %"
        + (f"; {missing:,} without a score" if missing else "")
    )
    row = replace(row, low=low, high=high, items=tuple(_items(tasks)), plan="")
    return row.because(_verdict(claim, low, high, rounding), words)


def _verdict(claim: Claim, low: float, high: float, rounding: float) -> Answer:
    """A student's score is claimed to be reached, a base's to be what it is: a base measured higher contradicts its claim."""
    claimed = claim.value or 0.0
    if high < claimed - rounding or (claim.of == BASE and low > claimed + rounding):
        return Answer.CONTRADICTED
    near = low >= claimed - MARGIN and (claim.of != BASE or high <= claimed + MARGIN)
    return Answer.SUPPORTED if near else Answer.UNPROVEN


def _interval(scores: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a mean score: Wilson's of counts, the normal one of fractions."""
    values = np.asarray(scores, dtype=np.float64)
    if not values.size:
        return 0.0, 1.0
    if np.isin(values, (0.0, 1.0)).all():
        low, high = wilson_interval(int(values.sum()), values.size)
        return float(low), float(high)
    reach = _NORMAL * float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else 1.0
    return max(0.0, float(values.mean()) - reach), min(1.0, float(values.mean()) + reach)


def _items(tasks: Mapping[str, TaskLog]) -> list[str]:
    return [f"{name}:{key[:16]}" for name, task in tasks.items() for key in sorted(task.items)]


def is_void(found: CapabilityResult) -> bool:
    """Whether a comparison gives no verdict because both sides were made differently."""
    return found.verdict is Verdict.INVALID
