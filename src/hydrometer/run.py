"""The only loop: compare the setups, ask both models the same block, grade, judge, and go on where it is still open.

One model that holds memory is open at a time. Both are identified first, so a setup that is not comparable costs no
answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from hydrometer import window
from hydrometer.asking import Opener, Respondent
from hydrometer.catalog import ENGINES
from hydrometer.corpus import corpus_findings, family_findings
from hydrometer.crossed import check_swapped, same_templates
from hydrometer.derived import derived_tables
from hydrometer.engines.base import ROLLING, Capabilities, EngineSettings
from hydrometer.engines.reading import shares_weights
from hydrometer.errors import UsageError
from hydrometer.files import FilesFound
from hydrometer.floor import check_size, floor_findings, measure_floor, second_take, with_excess
from hydrometer.grading import grader_name
from hydrometer.inspected import file_findings, files_clause, look_at_files, refuse_harm, with_files
from hydrometer.items import Item, Kind, Request, Thinking
from hydrometer.outcomes import Status
from hydrometer.plan import SIDES, Entry, SideName, cost, draw_items, make_plan, offers_tools
from hydrometer.preflight import check_thinking, compare_setups, is_valid
from hydrometer.progress import Progress, Sight
from hydrometer.provenance import Environment, ModelIdentity
from hydrometer.result import (
    SCHEMA_VERSION,
    AuditResult,
    CapabilityResult,
    Finding,
    Floor,
    ItemResult,
    Side,
    Standing,
    Verdict,
)
from hydrometer.sampling import Sampling, choose
from hydrometer.spec import AuditSpec, ModelRef, TemplatePolicy
from hydrometer.stopping import Pool, Purse, make_pools, next_block, outlook
from hydrometer.store import Store
from hydrometer.style import check_installed
from hydrometer.summary import Kept, Question, capability_tables, collect_items
from hydrometer.tasks.base import Task
from hydrometer.teaching import style_shift, unsigned
from hydrometer.templates.render import takes_tools
from hydrometer.templates.tools import DESCRIBED_NOTE
from hydrometer.verdict import headline, judge, overall


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What was learnt about both sides before anything is asked; `choice_methods` are those both have, best first."""

    base: ModelIdentity
    student: ModelIdentity
    samplings: tuple[Sampling, Sampling]
    choice_methods: tuple[str, ...]
    describe_tools: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was asked and what came of it."""

    entries: tuple[Entry, ...] = ()
    items: tuple[ItemResult, ...] = ()
    capabilities: tuple[CapabilityResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    floor: Floor | None = None
    panel: tuple[Entry, ...] = ()
    swapped: tuple[ItemResult, ...] = ()
    taught: tuple[ItemResult, ...] = ()


class Runner:
    """One audit: the spec, the tasks, the store and the way to open a model.

    Args:
        spec: What to audit.
        tasks: Tasks with their number of items.
        store: Where answers are kept.
        opener: Opens a model, `catalog.open_engine` outside of tests.
        settings: Engine settings, the same for both models.
        progress: Who is told what happens.
    """

    def __init__(
        self,
        spec: AuditSpec,
        tasks: Mapping[Task, int],
        store: Store,
        *,
        opener: Opener,
        settings: EngineSettings,
        progress: Progress,
    ) -> None:
        self.spec, self.tasks, self.store = spec, tasks, store
        self._opener, self._settings, self._progress = opener, settings, progress
        self._absent = {task: why for task in tasks if (why := task.unavailable())}
        self._clock = time.perf_counter()
        self._teacher_name = ""
        self._files: FilesFound | None = None

    def run(self, environment: Environment) -> AuditResult:
        """Run the audit to its result.

        Raises:
            HydrometerError: The run could not go on; everything answered so far is in the store.
        """
        created, self._clock = datetime.now(UTC), time.perf_counter()
        self._files = look_at_files(self.spec, self._progress)
        if not self._settings.chat_template:
            refuse_harm(self._files, self.spec.template)
        present = {task: number for task, number in self.tasks.items() if task not in self._absent}
        items = draw_items(present, self.spec.seed)
        drawn = (item for own in items.values() for item in own)
        self._settings = replace(self._settings, window=window.needed(drawn, self.spec.max_tokens))
        with ExitStack() as stack:
            teacher = self._teacher(stack)
            base, student = self._pair(stack)
            setup = self._compare(base, student)
            plan = self._plan(setup, items)
            entries, whole = ([e for e in plan if e.task.corpus is corpus] for corpus in (False, True))
            setup = replace(setup, findings=(*setup.findings, *window.misfits(plan, _window(setup))))
            evidence = Evidence()
            if is_valid(setup.findings):
                crossed = self._crossed(stack, base, student)
                evidence = self._gather(base, student, crossed, entries)
                if teacher:
                    evidence = replace(evidence, taught=self._taught(teacher, base, student, evidence.entries))
                self._keep_grades(evidence)
            if whole and is_valid((*setup.findings, *evidence.findings)):
                beside = corpus_findings(whole, base, student, self.store)
                evidence = replace(evidence, findings=(*evidence.findings, *beside))
            if is_valid((*setup.findings, *evidence.findings)):
                figures = family_findings((*evidence.entries, *whole), base, student)
                evidence = replace(evidence, findings=(*evidence.findings, *figures))
        return self._result(setup, evidence, base, student, environment, created)

    def _respondent(
        self, side: SideName, settings: EngineSettings, ref: ModelRef | None = None
    ) -> Respondent:
        ref = ref or (self.spec.base if side == "base" else self.spec.student)
        return Respondent(
            side, ref, settings, opener=self._opener, store=self.store, progress=self._progress
        )

    def _pair(self, stack: ExitStack) -> tuple[Respondent, Respondent]:
        """Both models, one under the other's template where the spec says so."""
        policy = self.spec.template
        lender, borrower = SIDES[::-1] if policy is TemplatePolicy.STUDENT else SIDES
        first = stack.enter_context(self._respondent(lender, self._settings))
        settings = self._settings
        if policy in (TemplatePolicy.BASE, TemplatePolicy.STUDENT) and (source := first.open().chat_template):
            first.rest()
            settings = replace(settings, chat_template=source)
        second = stack.enter_context(self._respondent(borrower, settings))
        base, student = (first, second) if lender == "base" else (second, first)
        if shares_weights(base.ref, student.ref) and (entry := ENGINES.get(base.ref.engine)) and entry.shares:
            student.share(base)
        return base, student

    def _teacher(self, stack: ExitStack) -> Respondent | None:
        """The teacher, identified before anything is asked; None where none was given."""
        ref = self.spec.teacher
        if ref is None:
            return None
        check_installed()
        # It answers what the base is asked.
        teacher = stack.enter_context(self._respondent("base", self._settings, ref))
        self._teacher_name = teacher.identity.label
        teacher.rest()
        return teacher

    def _taught(
        self, teacher: Respondent, base: Respondent, student: Respondent, entries: Sequence[Entry]
    ) -> tuple[ItemResult, ...]:
        """Ask the teacher every generated item that was asked of the pair."""
        generated = [entry for entry in entries if entry.item.kind is Kind.GENERATE]
        requests = [entry.base for entry in generated]
        for side in (base, student):
            side.rest()
        teacher.ask(requests, label=f"ask the teacher ({teacher.identity.label})")
        return unsigned(_side_by_side(generated, (base, requests), (teacher, requests)))

    def _crossed(
        self, stack: ExitStack, base: Respondent, student: Respondent
    ) -> tuple[Respondent, Respondent] | None:
        """Both models under the other's template, identified before anything is asked; None where none is crossed."""
        if self.spec.template is not TemplatePolicy.CROSSED or base.identity.template == student.identity.template:
            return None
        legs = []
        for own, other in ((base, student), (student, base)):
            base.rest()
            settings = replace(self._settings, chat_template=other.template)
            leg = stack.enter_context(self._respondent(own.side, settings))
            check_swapped(leg.identity, other.identity)
            leg.rest()
            legs.append(leg)
        return legs[0], legs[1]

    def _compare(self, base: Respondent, student: Respondent) -> Setup:
        # The student first, so that the base is open already when it is asked first.
        who, can = student.identity, student.capabilities
        student.rest()
        if not self._settings.context:
            window.level(base, student)
            who = student.identity
            student.rest()
        check_thinking(
            self.spec.thinking, [(side.identity.label, side.template) for side in (base, student)]
        )
        samplings = choose(self.spec.sampling, base.identity, who, self.spec.thinking)
        common = tuple(m for m in base.capabilities.choice_methods if m in can.choice_methods)
        references = self.spec.base.text, self.spec.student.text
        findings = compare_setups(
            base.identity,
            who,
            references=references,
            samplings=samplings,
            allow=self._allowed(),
        )
        findings = with_files(findings, file_findings(self._files, references, self._allowed()))
        if not common and any(task.kind is Kind.CHOICES for task in self.tasks):
            findings = (*findings, _no_choices(base.capabilities, can))
        if self.spec.template is TemplatePolicy.CROSSED and base.identity.template == who.template:
            findings = (*findings, same_templates(who))
        self._absent |= {task: why for task in self.tasks if (why := _unscored(task, common))}
        findings = (*findings, *(_left_out(task, why) for task, why in self._absent.items()))
        if samplings[0].decoding.greedy:
            findings = (*findings, *(_drawn(task) for task in self.tasks if task.sampled))
        return Setup(
            base=base.identity,
            student=who,
            samplings=samplings,
            choice_methods=common,
            describe_tools=not (takes_tools(base.template) and takes_tools(student.template)),
            findings=findings,
        )

    def _allowed(self) -> tuple[str, ...]:
        """Differences that are meant; what is measured apart needs no declaration."""
        crossed = self.spec.template is TemplatePolicy.CROSSED
        return (*self.spec.allow, "template") if crossed else self.spec.allow

    def _plan(self, setup: Setup, items: Mapping[Task, Sequence[Item]]) -> tuple[Entry, ...]:
        present = {t: own for t, own in items.items() if t not in self._absent}
        usable = {t: own for t, own in present.items() if t.kind is not Kind.CHOICES or t.method or _best(setup)}
        if all(task.corpus for task in usable):
            alone = "what is measured over all items together stands beside verdicts: add a task with scores per item"
            why = alone if usable else next(iter(self._absent.values()), "")
            msg = f"no task is left: {why or 'these models cannot score choices, choose tasks with generated replies'}"
            raise UsageError(msg)
        return make_plan(
            self.spec,
            usable,
            base_decoding=setup.samplings[0].decoding,
            student_decoding=setup.samplings[1].decoding,
            choice_method=_best(setup),
            describe_tools=setup.describe_tools,
        )

    def _gather(
        self,
        base: Respondent,
        student: Respondent,
        crossed: tuple[Respondent, Respondent] | None,
        entries: Sequence[Entry],
    ) -> Evidence:
        """Ask both models block by block until every capability has stopped or the budget is spent."""
        pools, purse = make_pools(entries, fixed=self.spec.fixed), Purse(self.spec.budget)
        purse.check(pools)
        self._progress.note(str(cost(entries)))
        for side in (base, student):
            side.planned = len({entry.request(side.side).digest for entry in entries})
        passes = self._floor(base, pools) if self.spec.floor else ()
        floor = measure_floor(passes, alpha=self.spec.alpha) if passes else None
        findings = self._floor_findings(floor, passes, pools) if floor else ()
        if not is_valid(findings):
            return Evidence(findings=findings, floor=floor)
        panel = tuple(entry for pool in pools for entry in pool.block) if crossed else ()
        swapped = self._swapped(crossed, base, panel) if crossed else ()
        everyone = (base, student, *(crossed or ()))
        chances = {entry.task.name: entry.task.chance for entry in entries}
        asked: list[Entry] = []
        items: list[ItemResult] = []
        capabilities: tuple[CapabilityResult, ...] = ()
        while block := next_block(pools, purse.room(len(asked), self._spent(everyone))):
            new = [entry for rows in block.values() for entry in rows]
            self._ask(base, student, new)
            asked += new
            items += _side_by_side(
                new, (base, [e.base for e in new]), (student, [e.student for e in new])
            )
            for pool in pools:
                pool.looks += pool.capability in block
            capabilities = self._judge(pools, items, chances, floor)
        return Evidence(
            entries=tuple(asked),
            items=tuple(items),
            capabilities=capabilities,
            findings=findings,
            floor=with_excess(floor, passes, items) if floor else None,
            panel=panel,
            swapped=swapped,
        )

    def _swapped(
        self, crossed: tuple[Respondent, Respondent], base: Respondent, panel: Sequence[Entry]
    ) -> tuple[ItemResult, ...]:
        """Ask both models the panel under the other's template."""
        legs = [(leg, [entry.request(leg.side) for entry in panel]) for leg in crossed]
        for leg, requests in legs:
            leg.ask(requests, label=f"ask {leg.side} under the other template (2x2)", before=base.rest)
            leg.rest()
        return _side_by_side(panel, *legs)

    def _judge(
        self,
        pools: Sequence[Pool],
        items: Sequence[ItemResult],
        chances: Mapping[str, float],
        floor: Floor | None,
    ) -> tuple[CapabilityResult, ...]:
        """Judge what is there, stop what is settled, and show it."""
        courses = {pool.capability: pool.course for pool in pools if pool.looks}
        tables = capability_tables(items, chances, courses, floor)
        results = judge(tables, margin=self.spec.margin, alpha=self.spec.alpha)
        own = {pool.capability: pool for pool in pools}
        for result in results:
            hope = outlook(tables[result.capability], margin=self.spec.margin, alpha=self.spec.alpha)
            own[result.capability].settle(result.verdict, hope)
        self._progress.look([_sight(result, own[result.capability]) for result in results])
        return tuple(replace(r, course=own[r.capability].course) for r in results)

    def _ask(self, base: Respondent, student: Respondent, entries: Sequence[Entry]) -> None:
        """Ask both; the one that is open goes first, so that a model is loaded once per block."""
        turns = (student, base) if student.opened and not base.opened else (base, student)
        for side, other in (turns, turns[::-1]):
            side.ask([entry.request(side.side) for entry in entries], before=other.rest, like=other)

    def _floor(self, base: Respondent, pools: Sequence[Pool]) -> tuple[ItemResult, ...]:
        """Ask the base the first block twice: other batches, other seeds, the same pipeline."""
        entries = [entry for pool in pools for entry in pool.block]
        check_size(entries, self.spec.margin, self.spec.alpha)
        first = [entry.base for entry in entries]
        again = [second_take(request) for request in first]
        base.ask(first)
        # The other way round, so that what is decoded together differs.
        base.ask(again[::-1], label="ask base again (noise floor)")
        return _side_by_side(entries, (base, first), (base, again))

    def _floor_findings(
        self, floor: Floor, passes: Sequence[ItemResult], pools: Sequence[Pool]
    ) -> tuple[Finding, ...]:
        planned = {pool.capability: pool.pairs for pool in pools}
        return floor_findings(floor, passes, planned, margin=self.spec.margin, alpha=self.spec.alpha)

    def _spent(self, everyone: Sequence[Respondent]) -> dict[str, float]:
        return {
            "tokens": float(sum(respondent.tokens for respondent in everyone)),
            "minutes": (time.perf_counter() - self._clock) / 60.0,
        }

    def _keep_grades(self, evidence: Evidence) -> None:
        """Write items and derived grades, so that `verify` can derive them again without a model."""
        with self.store.batch():
            generated = [e for e in evidence.entries if e.item.kind is Kind.GENERATE and evidence.taught]
            entries = (*evidence.entries, *evidence.panel, *generated)
            items = (*evidence.items, *evidence.swapped, *evidence.taught)
            for entry, row in zip(entries, items, strict=True):
                self.store.put_item(entry.item)
                for reply in (row.base, row.student):
                    if reply.status is not Status.ENGINE_ERROR:
                        self.store.put_grade(reply.key, entry.item, grader_name(entry.task), reply.grade)

    def _result(
        self,
        setup: Setup,
        evidence: Evidence,
        base: Respondent,
        student: Respondent,
        environment: Environment,
        created: datetime,
    ) -> AuditResult:
        findings = (*setup.findings, *evidence.findings)
        if setup.describe_tools and any(offers_tools(entry.item) for entry in evidence.entries):
            findings = (*findings, _described())
        valid = is_valid(findings)
        questions = [Question(entry.task, entry.item) for entry in evidence.entries]
        courses = {r.capability: r.course for r in evidence.capabilities if r.course}
        words = (
            headline(evidence.capabilities, setup.base.label, setup.student.label) + files_clause(self._files)
            if valid
            else _why_invalid(findings)
        )
        return AuditResult(
            schema_version=SCHEMA_VERSION,
            created=created.isoformat(timespec="seconds"),
            spec=self.spec,
            verdict=overall(evidence.capabilities) if valid else Verdict.INVALID,
            headline=words,
            base=_side(base, setup.base, setup.samplings[0]),
            student=_side(student, setup.student, setup.samplings[1]),
            findings=findings,
            capabilities=evidence.capabilities,
            items=evidence.items,
            environment=environment,
            evidence=str(self.store.path.name),
            seconds=time.perf_counter() - self._clock,
            floor=evidence.floor,
            **derived_tables(
                questions,
                evidence.items,
                evidence.swapped,
                courses,
                choice_method=_best(setup),
                margin=self.spec.margin,
                alpha=self.spec.alpha,
            ),
            swapped=evidence.swapped,
            style=style_shift(evidence.items, evidence.taught, self._teacher_name, alpha=self.spec.alpha),
            taught=evidence.taught,
            files=self._files,
        )


def _side_by_side(
    entries: Sequence[Entry],
    left: tuple[Respondent, Sequence[Request]],
    right: tuple[Respondent, Sequence[Request]],
) -> tuple[ItemResult, ...]:
    """Grade what two respondents answered to the same items."""
    kept = [
        {
            entry.item.id: Kept(who.key(request), who.answer(request))
            for entry, request in zip(entries, requests, strict=True)
        }
        for who, requests in (left, right)
    ]
    dialects = left[0].identity.dialect, right[0].identity.dialect
    mode = next((request.thinking for request in left[1]), Thinking.DEFAULT)
    return collect_items(
        [Question(entry.task, entry.item) for entry in entries], kept[0], kept[1], dialects, mode
    )


def _side(respondent: Respondent, identity: ModelIdentity, sampling: Sampling) -> Side:
    return Side(
        reference=respondent.ref.text,
        identity=identity,
        decoding=sampling.decoding,
        sampling_source=sampling.source,
        asked=respondent.asked,
        reused=respondent.reused,
        seconds=respondent.seconds,
    )


def _sight(result: CapabilityResult, pool: Pool) -> Sight:
    found = result.estimate
    open_still = result.verdict is Verdict.NOT_ENOUGH and pool.stopped is None
    return Sight(
        capability=result.capability,
        items=pool.asked,
        planned=pool.planned[-1],
        difference=found.difference,
        low=found.low,
        high=found.high,
        words="open" if open_still else result.verdict.value,
    )


def _window(setup: Setup) -> int:
    return min((side.context_length for side in (setup.base, setup.student) if side.context_length), default=0)


def _best(setup: Setup) -> str:
    return next((method for method in setup.choice_methods if method != ROLLING), "")


def _unscored(task: Task, methods: Sequence[str]) -> str:
    """Why a task cannot be scored in a way that both models have; `""` if it can."""
    if not task.method or task.method in methods:
        return ""
    if task.method == ROLLING:
        return (
            "needs log-probabilities of whole texts, which llama.cpp and servers do not give: name both models so that "
            "transformers opens them (a folder, a hub id, hf:FILE.gguf)"
        )
    return f"needs {task.method!r} scores of choices, and both models have only {', '.join(methods) or 'none'}"


def _no_choices(base: Capabilities, student: Capabilities) -> Finding:
    return Finding(
        aspect="choice scoring",
        base=", ".join(base.choice_methods) or "none",
        student=", ".join(student.choice_methods) or "none",
        standing=Standing.NOTE,
        message="no way to score choices is common to both: tasks with choices are left out",
    )


def _described() -> Finding:
    return Finding(
        aspect="tools",
        base="described in the user's turn",
        student="described in the user's turn",
        standing=Standing.NOTE,
        message=DESCRIBED_NOTE,
    )


def _left_out(task: Task, why: str) -> Finding:
    return Finding(
        aspect=f"task {task.name}", base="left out", student="left out", standing=Standing.NOTE, message=why
    )


def _drawn(task: Task) -> Finding:
    return Finding(
        aspect=f"task {task.name}",
        base="temperature 1",
        student="temperature 1",
        standing=Standing.NOTE,
        message="its samples are drawn, for greedy ones of a question would all be alike",
    )


def _why_invalid(findings: Sequence[Finding]) -> str:
    causes = [f"{f.aspect} ({f.message})" for f in findings if f.standing is Standing.UNDECLARED]
    return f"Not comparable: {'; '.join(causes)}"
