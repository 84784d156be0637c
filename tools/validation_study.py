"""Measure the error rates and the power of the verdicts, and write docs/validation.md.

    python tools/validation_study.py [--quick] [--out FILE]

Truth is planted, chance is drawn, and what judges is the product: the tests of `stats.margin`, the repeated p-values of
`stats.monitor`, the looks of `stats.sequential`, and, where capabilities, missing replies, clusters or the futility
stop matter, the walk of `hydrometer.simulate` over the code of an audit. Audits of fixed size on independent
right/wrong items are summed over all tables instead of drawn: those rates have no Monte-Carlo error.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy
from scipy.special import ndtri

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tools")]

from hydrometer.pairing import Scores  # noqa: E402
from hydrometer.result import Verdict  # noqa: E402
from hydrometer.simulate import Share, World, collect, draw, draw_scores, latch, simulate, walk  # noqa: E402
from hydrometer.stats.estimate import Floats  # noqa: E402
from hydrometer.stats.margin import fraction_tests, table_tests  # noqa: E402
from hydrometer.stats.monitor import latched  # noqa: E402
from hydrometer.stats.power import SEQUENTIAL_INFLATION, detectable_difference  # noqa: E402
from hydrometer.stats.sequential import look_counts  # noqa: E402
from hydrometer.version import __version__  # noqa: E402
from validation_worlds import (  # noqa: E402
    ALPHA,
    AT_ONCE,
    BETTER,
    CLUSTERINGS,
    DISCORDANCES,
    EQUIVALENT,
    ICC,
    MARGIN,
    OPEN,
    SEED,
    SIZES,
    WORSE,
    Bound,
    Exact,
    Outcome,
    Rate,
    audit_clusters,
    cluster_p,
    counts,
    exact,
    items,
    rng_for,
    sequential,
    table,
    verdicts,
)


def errors_and_power(draws: int, bound: Bound) -> Iterator[str]:
    """Independent right/wrong items over the grid."""
    yield "## Independent items: error rates\n"
    yield (
        f"Margin {100 * MARGIN:g} points. A false difference is `better` or `worse` where the models do not differ; a "
        f"false equivalence is `equivalent` where they differ by the margin, as a loss (-) or a gain (+). Fixed size: "
        f"exact. Stopping early: {draws:,} audits per cell.\n"
    )
    head = ["discordance", "n", "false difference, fixed", "stopping early"]
    head += ("false equivalence -, fixed", "stopping early", "+, fixed", "stopping early")
    rows = []
    for i, psi in enumerate(DISCORDANCES):
        for j, n in enumerate(SIZES):
            where = f"discordance {psi:g}, n {n}"
            cells = [f"{100 * psi:g} %", f"{n:,}"]
            for k, (truth, said) in enumerate(
                ((0.0, (WORSE, BETTER)), (-MARGIN, (EQUIVALENT,)), (MARGIN, (EQUIVALENT,)))
            ):
                drawn = sequential(rng_for(1, i, j, k), n, psi, truth, draws)
                both = (exact(n, psi).rate(truth, *said), drawn.rate(*said))
                cells += [bound.cell(rate, f"{where}, difference {truth:g}") for rate in both]
            rows.append(cells)
    yield table(head, rows)


def every_size(step: int, bound: Bound) -> Iterator[str]:
    """The grid may step over a bad number of items; fixed size is exact, so all of them can be looked at."""
    yield "### Every number of items\n"
    yield (
        "False equivalence of fixed size at a loss of the margin, exact, over all n from 50 to 1,000. A discordance "
        "equal to the margin means that every flip is a loss: the least spread that a loss of the margin can have. "
        "Fractional: the same tables judged as fractional scores are.\n"
    )
    rows = []
    for fractional in (False, True):
        for psi in (0.03, 0.0325, 0.035, 0.04, 0.05, 0.10):
            # All of them where few pairs flip; elsewhere the rate is smooth in n.
            sizes = range(50, 1001, step if psi < 0.10 else 10 * step)
            rates = [(Exact(n, psi, fractional=fractional).rate(-MARGIN, EQUIVALENT).value, n) for n in sizes]
            most, at = max(rates)
            over = sum(rate > ALPHA for rate, _ in rates)
            kind = "fractional" if fractional else "right/wrong"
            worst = bound.cell(
                Rate(most), f"{kind}, discordance {psi:g}, n {at}, difference {-MARGIN:g}, fixed"
            )
            rows.append([kind, f"{100 * psi:g} %", worst, f"{at:,}", f"{100 * over / len(rates):.0f} %"])
    yield table(("scores", "discordance", "largest false equivalence", "at n", "n above 5 %"), rows)


def power(draws: int) -> Iterator[str]:
    """What the same audits find, and what they take."""
    yield "## Independent items: power and items asked\n"
    yield (
        "The design effect is the difference that n items of fixed size show with power 80 % (Connor). Stopping early "
        "asks at most the same n here. Found: `worse`; where the effect lies inside the margin, many items say "
        "`equivalent` (real but smaller than the margin) instead. `equivalent`: that verdict without a difference.\n"
    )
    head = ["discordance", "n", "design effect, points", "found, fixed", "stopping early", "items of n"]
    head += ("found at twice it, fixed", "stopping early", "items of n")
    head += ("equivalent, fixed", "stopping early", "items of n")
    rows = []
    for i, psi in enumerate(DISCORDANCES):
        for j, n in enumerate(SIZES):
            effect = detectable_difference(n, psi)
            cells = [
                f"{100 * psi:g} %",
                f"{n:,}",
                f"{100 * effect:.1f}" if effect <= psi else f"> {100 * psi:g}",
            ]
            for k, (truth, said) in enumerate(((-effect, WORSE), (-2.0 * effect, WORSE), (0.0, EQUIVALENT))):
                if abs(truth) > psi:
                    cells += ["–"] * 3
                    continue
                drawn = sequential(rng_for(2, i, j, k), n, psi, truth, draws)
                cells += [exact(n, psi).rate(truth, said).text(), drawn.rate(said).text(), items(drawn, n)]
            rows.append(cells)
    yield table(head, rows)


def average_items(draws: int, walks: int, bound: Bound) -> Iterator[str]:
    """Items at twice the design effect, planned for the same power as the audit of fixed size."""
    yield "## Items asked at twice the design effect\n"
    yield (
        f"An audit of fixed size with n items has power 80 % for the design effect; the one that stops early plans "
        f"{SEQUENTIAL_INFLATION:g} n for the same. Both see twice that effect. The bound is 0.36 n; with the futility "
        f"stop {walks:,} audits through the whole code, without it {draws:,}.\n"
    )
    rows = []
    for i, psi in enumerate(DISCORDANCES):
        for j, n in enumerate((300, 500, 1000, 2000, 4000)):
            effect = 2.0 * detectable_difference(n, psi)
            if effect > psi:
                continue
            most = int(np.ceil(SEQUENTIAL_INFLATION * n))
            drawn = sequential(rng_for(3, i, j), most, psi, -effect, draws)
            world = World(
                worlds=walks,
                items=most,
                capabilities=1,
                discordance=psi,
                difference=-effect,
                damaged=1,
                seed=SEED,
            )
            stopped = simulate(world).audits[0]
            ratios = [float(drawn.items.mean()) / n, stopped.items * most / n]
            errors = [float(drawn.items.std()) / np.sqrt(draws) / n, stopped.items_error * most / n]
            cells = []
            for ratio, error in zip(ratios, errors, strict=True):
                bound.cells += 1
                text = f"{ratio:.3f} ± {error:.3f}"
                where = f"items / n at twice the effect, discordance {psi:g}, n {n}"
                cells.append(bound.fault(text, where) if ratio > 0.36 + 3.0 * error else text)
            found = stopped.power.value if stopped.power else 0.0
            rows.append([f"{100 * psi:g} %", f"{n:,}", f"{100 * effect:.1f}", *cells, f"{100 * found:.1f}"])
    head = (
        "discordance",
        "n",
        "true loss, points",
        "items / n, no futility stop",
        "with it",
        "found with it, %",
    )
    yield table(head, rows)


def futility(walks: int) -> Iterator[str]:
    """Verdicts lost by giving up what is unlikely to be settled, and items saved; on the same draws."""
    yield "## Price of the futility stop\n"
    yield (
        "A capability is given up when the predicted chance of any verdict at its last look falls below 10 %. "
        f"Both columns see the same {walks:,} audits of one capability; the difference of two shares is paired.\n"
    )
    rows = []
    for i, (psi, n) in enumerate(((0.1, 300), (0.1, 1000), (0.2, 1000), (0.2, 2000))):
        for truth in (0.0, -0.02, -0.05):
            world = World(
                worlds=walks,
                items=n,
                capabilities=1,
                discordance=psi,
                difference=truth,
                damaged=int(truth != 0.0),
                seed=SEED + i,
            )
            rows.append(_futility_row(world))
    head = (
        "discordance",
        "n",
        "difference, points",
        "any verdict, all looks",
        "with futility stop",
        "lost, points",
    )
    yield table((*head, "items of n, all looks", "with futility stop"), rows)


def _futility_row(world: World) -> list[str]:
    evidence = [collect(world, draw(world, number)) for number in range(world.worlds)]
    seen = list(latch(evidence, evidence[0].answered[0][1].times))
    free = verdicts(np.concatenate([own.p for own in seen]), world.planned)
    ends = [walk(world, own, world.planned) for own in seen]
    kept = np.array([end.verdicts[0] is not Verdict.NOT_ENOUGH for end in ends])
    all_ = free.verdicts != OPEN
    lost = all_.astype(float) - kept
    asked = np.array([end.items[0] for end in ends])
    return [
        f"{100 * world.discordance:g} %",
        f"{world.items:,}",
        f"{100 * world.difference:g}",
        Rate(float(all_.mean()), all_.size).text(),
        Rate(float(kept.mean()), kept.size).text(),
        f"{100 * lost.mean():.1f} ± {100 * lost.std() / np.sqrt(lost.size):.1f}",
        items(free, world.items),
        items(Outcome(free.verdicts, asked), world.items),
    ]


def peeking(draws: int, bound: Bound) -> Iterator[str]:
    """Uncorrected tests at every look."""
    n, every = 2000, tuple(range(20, 2001, 10))
    yield "## Peeking\n"
    yield (
        f"No difference, {n:,} items. Peeking: mid-p McNemar at 5 %, uncorrected, every 10 items from 20 on, and at "
        f"the looks of an audit. {draws:,} audits per cell.\n"
    )
    rows = []
    for i, psi in enumerate(DISCORDANCES):
        shares = []
        for cuts in (every, look_counts(n)):
            gained, lost = counts(rng_for(4, i, len(cuts)), cuts, psi, 0.0, draws)
            p = 2.0 * table_tests(gained, lost, np.array(cuts), MARGIN)[..., :2].min(axis=-1)
            shares.append(Rate(float((p <= ALPHA).any(axis=-1).mean()), draws))
        own = latched(table_tests(gained, lost, np.array(cuts), MARGIN), tuple(c / n for c in cuts))
        ours = Rate(float((2.0 * own[:, -1, :2].min(axis=-1) <= ALPHA).mean()), draws)
        rows.append([f"{100 * psi:g} %", *(s.text() for s in shares), bound.cell(ours, f"peeking, {psi:g}")])
    head = (
        "discordance",
        "peeking, 199 looks",
        f"peeking, {len(look_counts(n))} looks",
        "this audit, same looks",
    )
    yield table(head, rows)


def several(draws: int, bound: Bound) -> Iterator[str]:
    """Holm over capabilities."""
    yield "## Several capabilities\n"
    yield (
        "Chance that an audit calls any capability better or worse where none differs. Holm's first step decides that: "
        f"one at alpha / J. Fixed size: exact. Stopping early: from {draws:,} audits of one capability per cell, "
        "independent capabilities.\n"
    )
    numbers = (1, 2, 4, 8, 12, 20)
    rows = []
    for i, psi in enumerate((0.03, 0.10, 0.30)):
        for j, n in enumerate((100, 300, 1000)):
            fixed, early = [], []
            cuts = look_counts(n)
            least = []
            rng = rng_for(5, i, j)
            for first in range(0, draws, AT_ONCE):
                gained, lost = counts(rng, cuts, psi, 0.0, min(AT_ONCE, draws - first))
                p = latched(table_tests(gained, lost, np.array(cuts), MARGIN), tuple(c / n for c in cuts))
                least.append(2.0 * p[:, -1, :2].min(axis=-1))
            p_last = np.concatenate(least)
            for number in numbers:
                one = Exact(n, psi, ALPHA / number).rate(0.0, WORSE, BETTER).value
                where = f"{number} capabilities, n {n}, discordance {psi:g}"
                fixed.append(bound.cell(Rate(1.0 - (1.0 - one) ** number), where))
                hit = float((p_last <= ALPHA / number).mean())
                any_ = 1.0 - (1.0 - hit) ** number
                # Draws of one capability, brought to those of a family with the same error.
                error = number * (1.0 - hit) ** (number - 1) * np.sqrt(hit * (1.0 - hit) / draws)
                worth = int(any_ * (1.0 - any_) / error**2) if error else draws // number
                early.append(bound.cell(Rate(any_, worth), where))
            label = [f"{100 * psi:g} %", f"{n:,}"]
            rows += [[*label, "fixed", *fixed], [*label, "stopping early", *early]]
    yield table(("discordance", "n", "audit", *(f"J = {number}" for number in numbers)), rows)


def families(walks: int, bound: Bound) -> Iterator[str]:
    """Whole audits through the code of an audit."""
    yield "## Whole audits\n"
    yield (
        f"{walks:,} audits per row through pairing, looks, Holm, futility stop and verdicts, 200 items per capability, "
        "discordance 10 %. A damaged capability truly loses 6 points.\n"
    )
    rows = []
    for number, damaged, missing in ((8, 0, 0.0), (8, 4, 0.0), (20, 5, 0.0), (8, 0, 0.1), (8, 4, 0.1)):
        world = World(
            worlds=walks, items=200, capabilities=number, damaged=damaged, missing=missing, seed=SEED,
            difference=-0.06 if damaged else 0.0,
        )  # fmt: skip
        for audit in simulate(world).audits:
            if audit.name == "peeking":
                continue
            where = f"{number} capabilities, {damaged} damaged, missing {missing:g}, {audit.name}"
            cells = [
                str(number),
                str(damaged),
                f"{100 * missing:g} %",
                audit.name.replace("sequential", "stopping early"),
            ]
            cells += [
                bound.cell(_rate(share), where) for share in (audit.false_difference, audit.false_equivalent)
            ]
            power = _rate(audit.power)
            rows.append([*cells, power.text() if power else "–", f"{100 * audit.items:.0f} %"])
    head = (
        "capabilities",
        "damaged",
        "missing per side",
        "audit",
        "any false difference",
        "false equivalence",
    )
    yield table((*head, "damaged found", "items asked"), rows)


def _rate(share: Share | None) -> Rate | None:
    return Rate(share.value, share.of) if share else None


def samples(draws: int, bound: Bound) -> Iterator[str]:
    """Means of K samples."""
    yield "## Several samples per item\n"
    yield (
        "The score of an item is the mean of K samples; single samples differ on 21 % of the items, a tenth of those "
        f"in every sample. Stopping early, margins 3 and 5 points, {draws:,} audits per cell.\n"
    )
    rows = []
    for i, k in enumerate((1, 4, 16)):
        for j, n in enumerate((60, 100, 200, 500)):
            world = World(capabilities=1, discordance=0.21, samples=k, items=n)
            cells = [str(k), f"{n:,}"]
            found = _sampled(rng_for(6, i, j, 0), world, draws, 0.03)
            cells += [bound.cell(o.rate(WORSE, BETTER), f"K {k}, n {n}") for o in found]
            for margin in (0.03, 0.05):
                lossy = replace(world, difference=-margin, damaged=1)
                found = _sampled(rng_for(6, i, j, round(100 * margin)), lossy, draws, margin)
                cells += [bound.cell(o.rate(EQUIVALENT), f"K {k}, n {n}, margin {margin:g}") for o in found]
            rows.append(cells)
    head = (
        "K",
        "n",
        "false difference, fixed",
        "stopping early",
        "false equivalence at 3, fixed",
        "stopping early",
    )
    yield table((*head, "at 5, fixed", "stopping early"), rows)


def _sampled(rng: np.random.Generator, world: World, draws: int, margin: float) -> tuple[Outcome, Outcome]:
    cuts = np.array(world.planned)
    parts = []
    for first in range(0, draws, 5000):
        base, student = draw_scores(world, rng, (min(5000, draws - first), world.items))
        d = student - base
        if world.samples == 1:
            gained, lost = ((side * d > 0).cumsum(axis=1)[:, cuts - 1] for side in (1, -1))
            parts.append(table_tests(gained, lost, cuts, margin))
        else:
            total, squares, sizes = (x.cumsum(axis=1)[:, cuts - 1] for x in (d, np.square(d), np.abs(d)))
            parts.append(fraction_tests(total, squares, cuts, margin, absolute=sizes))
    p = np.concatenate(parts)
    early = latched(p, tuple(c / world.items for c in world.planned))
    return verdicts(p[:, -1:, :], (world.items,)), verdicts(early, world.planned)


def clusters(draws: int, bound: Bound) -> Iterator[str]:
    """Items of shared passages or templates."""
    yield "## Clusters\n"
    yield (
        f"Differences of items of one cluster correlate by {ICC:g}. Direction: the share of gains among flips varies. "
        f"Fate: an item shares the score of its cluster with chance sqrt({ICC:g}). Naive: the tests of independent "
        f"items, fixed size, for comparison only. {draws:,} audits per cell; those that stop early cut clusters at "
        "their looks.\n"
    )
    rows = []
    for i, setting in enumerate(CLUSTERINGS):
        for j, kind in enumerate(("direction", "fate")):
            cells = [
                f"{setting.clusters} x {setting.size}",
                kind,
                f"{100 * setting.discordance:g} %",
                f"{100 * setting.margin:g}",
            ]
            for k, (truth, said) in enumerate(((0.0, (WORSE, BETTER)), (-setting.margin, (EQUIVALENT,)))):
                naive, fixed, early = audit_clusters(rng_for(7, i, j, k), setting, kind, truth, draws)
                where = f"clusters {cells[0]} {kind}, difference {truth:g}"
                cells += [
                    naive.rate(*said).text(),
                    *(bound.cell(o.rate(*said), where) for o in (fixed, early)),
                ]
                if not truth:
                    cells.append(fixed.rate(EQUIVALENT).text())
            rows.append(cells)
    head = [
        "clusters x items",
        "correlation",
        "discordance",
        "margin, points",
        "false difference, naive",
        "fixed",
    ]
    head += (
        "stopping early",
        "equivalent if equal, fixed",
        "false equivalence, naive",
        "fixed",
        "stopping early",
    )
    yield table(head, rows)


def missing(walks: int, bound: Bound) -> Iterator[str]:
    """Replies without a score, at random and not."""
    yield "## Missing replies\n"
    yield (
        f"300 items, discordance 10 %, margin 5 points, {walks:,} audits per cell through the code of an audit. At "
        "random: each reply, on either side. Hidden losses: the student leaves unanswered the given share of the items "
        "that it alone would have failed; the truth counts them as failed.\n"
    )
    rows = []
    kinds = (("at random", 0.05), ("at random", 0.2), ("hidden losses", 0.5), ("hidden losses", 1.0))
    for i, (kind, share) in enumerate(kinds):
        cells = [kind, f"{100 * share:g} %"]
        for truth in (0.0, -0.05):
            world = World(
                worlds=walks, capabilities=1, margin=0.05, difference=truth, damaged=int(truth != 0.0),
                missing=share if kind == "at random" else 1e-12, seed=SEED + i,
            )  # fmt: skip
            scores = [draw(world, number) for number in range(walks)]
            if kind != "at random":
                scores = [
                    [_hidden(own[0], share, rng_for(8, i, number))] for number, own in enumerate(scores)
                ]
            evidence = [collect(world, own) for own in scores]
            for times, planned in (
                ((1.0,), (world.items,)),
                (evidence[0].answered[0][1].times, world.planned),
            ):
                said = [walk(world, seen, planned).verdicts[0] for seen in latch(evidence, times)]
                wrong = (Verdict.EQUIVALENT,) if truth else (Verdict.BETTER, Verdict.WORSE)
                rate = Rate(sum(v in wrong for v in said) / walks, walks)
                cells.append(bound.cell(rate, f"missing {kind} {share:g}, difference {truth:g}"))
        rows.append(cells)
    head = ("missing", "share", "false difference, fixed", "stopping early")
    yield table((*head, "false equivalence, fixed", "stopping early"), rows)


def _hidden(scores: Scores, share: float, rng: np.random.Generator) -> Scores:
    lost = (scores.student < scores.base) & (rng.random(scores.base.size) < share)
    return replace(scores, student=np.where(lost, np.nan, scores.student))


def flipless(limit: Bound) -> Iterator[str]:
    """Tables without a single flip."""
    yield "## Tables without a flip\n"
    yield (
        "Fewest items at which models that never differed are called equivalent. The bound is z² (1 - margin) / margin "
        "with z = 1.645. Stopping early: fewest items over plans of 20 to 4,000 items. Clusters of 5. Exact bound: the "
        "n at which a loss of the margin, with every flip a loss, leaves no flip with probability 5 %.\n"
    )
    rows = []
    for margin in (0.01, 0.02, 0.03, 0.05, 0.10):
        bound = float(ndtri(1.0 - ALPHA)) ** 2 * (1.0 - margin) / margin
        zero, n = np.zeros(4001, dtype=np.int64), np.arange(4001)
        groups = range(1, 900)
        found = [
            _first(table_tests(zero, zero, n, margin)),
            min(_first_look(size, margin) for size in range(20, 4001, 20)),
            _first(fraction_tests(zero, zero, n, margin)),
            next(5 * g for g in groups if max(_cluster_zero(5 * g, margin)) <= ALPHA),
        ]
        limit.cells += len(found)
        where = f"without a flip, margin {margin:g}, at least {bound:.0f} items"
        cells = [f"{x:,}" if x >= bound else limit.fault(f"{x:,}", where) for x in found]
        rows.append([f"{100 * margin:g}", f"{bound:.1f}", f"{np.log(ALPHA) / np.log1p(-margin):.1f}", *cells])
    head = (
        "margin, points",
        "bound",
        "exact bound",
        "right/wrong, fixed",
        "stopping early",
        "fractional, fixed",
    )
    yield table((*head, "clusters, fixed"), rows)


def _cluster_zero(n: int, margin: float) -> list[float]:
    return [float(p) for p in cluster_p(np.zeros(n), np.arange(n) // 5, margin, (n,))[0, 2:]]


def _first(p: Floats) -> int:
    return int((p[1:, 2:].max(axis=-1) <= ALPHA).argmax()) + 1


def _first_look(n: int, margin: float) -> int:
    cuts = look_counts(n)
    zero = np.zeros(len(cuts), dtype=np.int64)
    p = latched(table_tests(zero, zero, np.array(cuts), margin), tuple(c / n for c in cuts))
    said = p[:, 2:].max(axis=-1) <= ALPHA
    return cuts[int(said.argmax())] if said.any() else 10**6


def study(scale: float, say: Callable[[str], None]) -> str:
    """Run every part and return the document."""
    bound = Bound()

    def small(draws: int) -> int:
        return max(20, int(draws * scale))

    parts: list[tuple[str, Iterator[str]]] = [
        ("error rates", errors_and_power(small(30_000), bound)),
        ("every n", every_size(1 if scale == 1.0 else 50, bound)),
        ("power", power(small(5_000))),
        ("items at twice the effect", average_items(small(5_000), small(1_000), bound)),
        ("futility", futility(small(1_500))),
        ("peeking", peeking(small(4_000), bound)),
        ("capabilities", several(small(100_000), bound)),
        ("whole audits", families(small(1_000), bound)),
        ("samples", samples(small(20_000), bound)),
        ("clusters", clusters(small(4_000), bound)),
        ("missing", missing(small(2_000), bound)),
        ("no flips", flipless(bound)),
    ]
    body = []
    for name, part in parts:
        clock = time.perf_counter()
        body += list(part)
        say(f"{name}: {time.perf_counter() - clock:.0f} s")
    return "\n".join([_front(bound, scale), *body]).rstrip() + "\n"


def _front(bound: Bound, scale: float) -> str:
    over = "".join(f"\n- {line}" for line in bound.over)
    command = "python tools/validation_study.py" + (" --quick" if scale < 1.0 else "")
    versions = f"Hydrometer {__version__}, Python {platform.python_version()}, NumPy {np.__version__}"
    versions += f", SciPy {scipy.__version__}"
    return f"""# Validation of the verdicts

How often the verdicts are wrong, and what they find, where the truth is known. Written by `{command}`,
seed {SEED}, with {versions}; the same versions give the same digits.
Rates are in percent, ± is one Monte-Carlo standard error; rates without it are exact.

**Result.** Of {bound.cells} numbers with a bound (false verdicts at most {100 * ALPHA:g} %, items at twice the design
effect at most 0.36 of the fixed ones, no equivalence without a flip below the known n), {len(bound.over)} break it,
drawn rates by more than three Monte-Carlo errors, exact ones by anything at all. They are marked `!`.{over}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the draws, for tests")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "validation.md")
    args = parser.parse_args(arguments)
    text = study(0.02 if args.quick else 1.0, lambda line: print(line, file=sys.stderr, flush=True))
    args.out.write_text(text, encoding="utf-8")
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
