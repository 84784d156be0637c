"""The only loop: open, compare the setups, ask what was not answered before, grade, judge.

One model is in memory at a time. The student is opened first, only to learn who it is, then the base answers, then
the student; so a setup that is not comparable costs no answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from hydrometer.engines.base import Capabilities, Engine, EngineSettings
from hydrometer.errors import UsageError
from hydrometer.items import Kind, Request
from hydrometer.outcomes import Completion, Finish
from hydrometer.plan import Entry, SideName, make_plan
from hydrometer.preflight import compare_setups, is_valid
from hydrometer.progress import Progress
from hydrometer.provenance import Environment, ModelIdentity, completion_key
from hydrometer.result import SCHEMA_VERSION, AuditResult, Finding, Side, Standing, Verdict
from hydrometer.sampling import Sampling, choose, family_of
from hydrometer.spec import AuditSpec, ModelRef, TemplatePolicy
from hydrometer.store import Store
from hydrometer.summary import Answered, Question, collect_items, summarise, task_results, token_prices
from hydrometer.tasks.base import Task
from hydrometer.verdict import headline, overall

Opener = Callable[[ModelRef, EngineSettings], Engine]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What was learnt about both sides before anything is asked."""

    base: ModelIdentity
    student: ModelIdentity
    samplings: tuple[Sampling, Sampling]
    choice_method: str
    findings: tuple[Finding, ...]


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
        self._open, self._settings, self._progress = opener, settings, progress
        self._base_template = ""

    def run(self, environment: Environment) -> AuditResult:
        """Run the audit to its result.

        Raises:
            HydrometerError: The run could not go on; everything answered so far is in the store.
        """
        created, clock = datetime.now(UTC), time.perf_counter()
        setup, entries, answered = self._ask_all()
        questions = [Question(entry.task, entry.item) for entry in entries]
        items = collect_items(questions, answered) if answered else ()
        capabilities = summarise(items, questions, margin=self.spec.margin, alpha=self.spec.alpha)
        valid = is_valid(setup.findings)
        verdict = overall(capabilities) if valid else Verdict.INVALID
        self._keep_grades(questions, answered)
        return AuditResult(
            schema_version=SCHEMA_VERSION,
            created=created.isoformat(timespec="seconds"),
            spec=self.spec,
            verdict=verdict,
            headline=headline(capabilities, setup.base.label, setup.student.label)
            if valid
            else _why_invalid(setup.findings),
            base=self._side("base", setup, answered.get("base")),
            student=self._side("student", setup, answered.get("student")),
            findings=setup.findings,
            capabilities=capabilities,
            tasks=task_results(items, questions, setup.choice_method),
            tokens=token_prices(items),
            items=items,
            environment=environment,
            evidence=str(self.store.path.name),
            seconds=time.perf_counter() - clock,
        )

    def _ask_all(self) -> tuple[Setup, tuple[Entry, ...], dict[str, Answered]]:
        """Open both models in turn and ask them; nothing is asked if the setups cannot be compared."""
        student, student_caps = self._meet_student()
        with self._open(self.spec.base, self._settings) as engine:
            base = self._identify(engine, self.spec.base)
            setup = self._compare(base, student, engine.capabilities, student_caps)
            entries = self._plan(setup)
            if not is_valid(setup.findings):
                return setup, entries, {}
            answered: dict[str, Answered] = {"base": self._ask("base", engine, base, entries)}
        reference, settings = self.spec.student, self._student_settings()
        if self._missing("student", setup.student, entries):
            with self._open(reference, settings) as engine:
                answered["student"] = self._ask("student", engine, setup.student, entries)
        else:
            answered["student"] = self._ask("student", None, setup.student, entries)
        return setup, entries, answered

    def _meet_student(self) -> tuple[ModelIdentity, Capabilities]:
        """Learn who the student is and close it again: two models never share the memory."""
        if self.spec.template is TemplatePolicy.BASE:
            with self._open(self.spec.base, self._settings) as engine:
                self._base_template = engine.chat_template
        with self._open(self.spec.student, self._student_settings()) as engine:
            return self._identify(engine, self.spec.student), engine.capabilities

    def _student_settings(self) -> EngineSettings:
        if self.spec.template is TemplatePolicy.OWN or not self._base_template:
            return self._settings
        return replace(self._settings, chat_template=self._base_template)

    def _identify(self, engine: Engine, ref: ModelRef) -> ModelIdentity:
        self._progress.start(f"identify {ref.text}", 1)
        identity = engine.identity()
        self._progress.advance()
        if identity.family:
            return identity
        return replace(
            identity, family=family_of(identity.architecture, engine.chat_template, identity.label)
        )

    def _compare(
        self, base: ModelIdentity, student: ModelIdentity, base_caps: Capabilities, student_caps: Capabilities
    ) -> Setup:
        samplings = choose(self.spec.sampling, base, student, self.spec.thinking)
        common = [m for m in base_caps.choice_methods if m in student_caps.choice_methods]
        findings = compare_setups(
            base,
            student,
            references=(self.spec.base.text, self.spec.student.text),
            samplings=samplings,
            allow=self.spec.allow,
        )
        method = common[0] if common else ""
        if not method and any(task.kind is Kind.CHOICES for task in self.tasks):
            findings = (*findings, _no_choices(base_caps, student_caps))
        return Setup(base=base, student=student, samplings=samplings, choice_method=method, findings=findings)

    def _plan(self, setup: Setup) -> tuple[Entry, ...]:
        usable = {t: n for t, n in self.tasks.items() if t.kind is not Kind.CHOICES or setup.choice_method}
        if not usable:
            msg = "no task is left: these models cannot score choices, choose tasks with generated replies"
            raise UsageError(msg)
        return make_plan(
            self.spec,
            usable,
            base_decoding=setup.samplings[0].decoding,
            student_decoding=setup.samplings[1].decoding,
            choice_method=setup.choice_method,
        )

    def _missing(self, side: SideName, identity: ModelIdentity, entries: Sequence[Entry]) -> list[Request]:
        """Requests of one side that the store has no answer to, each once."""
        wanted = {entry.request(side).digest: entry.request(side) for entry in entries}
        return [r for d, r in wanted.items() if self.store.completion(completion_key(identity, d)) is None]

    def _ask(
        self, side: SideName, engine: Engine | None, identity: ModelIdentity, entries: Sequence[Entry]
    ) -> Answered:
        """Ask one model what the store does not hold yet, writing every answer down as it comes."""
        clock = time.perf_counter()
        missing = self._missing(side, identity, entries)
        total = len({entry.request(side).digest for entry in entries})
        failed: dict[str, Completion] = {}
        self.store.put_identity(identity)
        self._progress.start(f"ask {side} ({identity.label})", total)
        self._progress.advance(total - len(missing))
        if engine is not None:
            self._stream(engine, identity, missing, failed)
        completions = {
            entry.item.id: self._answer(identity, entry.request(side), failed) for entry in entries
        }
        return Answered(
            identity=identity,
            completions=completions,
            keys={e.item.id: completion_key(identity, e.request(side).digest) for e in entries},
            asked=len(missing),
            reused=total - len(missing),
            seconds=time.perf_counter() - clock,
        )

    def _stream(
        self,
        engine: Engine,
        identity: ModelIdentity,
        missing: Sequence[Request],
        failed: dict[str, Completion],
    ) -> None:
        scored = [r for r in missing if r.kind is Kind.CHOICES]
        generated = [r for r in missing if r.kind is Kind.GENERATE]
        streams = []
        if scored:
            streams.append(engine.score(scored, scored[0].method))
        if generated:
            streams.append(engine.generate(generated))
        for stream in streams:
            for request, completion in stream:
                self.store.put_completion(identity, request, completion)
                if completion.finish is Finish.ERROR:
                    failed[request.digest] = completion
                self._progress.advance()

    def _answer(
        self, identity: ModelIdentity, request: Request, failed: Mapping[str, Completion]
    ) -> Completion:
        digest = request.digest
        stored = self.store.completion(completion_key(identity, digest))
        if stored is not None:
            return stored
        return failed.get(digest) or Completion(finish=Finish.ERROR, error="the engine gave no answer")

    def _keep_grades(self, questions: Sequence[Question], answered: Mapping[str, Answered]) -> None:
        """Write items and derived grades, so that `verify` can derive them again without a model."""
        with self.store.batch():
            for question in questions if answered else ():
                self.store.put_item(question.item)
            for side in answered.values():
                for row in side.grade_rows(questions):
                    self.store.put_grade(*row)

    def _side(self, side: SideName, setup: Setup, answered: Answered | None) -> Side:
        identity = setup.base if side == "base" else setup.student
        sampling = setup.samplings[0 if side == "base" else 1]
        reference = self.spec.base if side == "base" else self.spec.student
        return Side(
            reference=reference.text,
            identity=identity,
            decoding=sampling.decoding,
            sampling_source=sampling.source,
            asked=answered.asked if answered else 0,
            reused=answered.reused if answered else 0,
            seconds=answered.seconds if answered else 0.0,
        )


def _no_choices(base: Capabilities, student: Capabilities) -> Finding:
    return Finding(
        aspect="choice scoring",
        base=", ".join(base.choice_methods) or "none",
        student=", ".join(student.choice_methods) or "none",
        standing=Standing.NOTE,
        message="no way to score choices is common to both: tasks with choices are left out",
    )


def _why_invalid(findings: Sequence[Finding]) -> str:
    causes = [f"{f.aspect} ({f.message})" for f in findings if f.standing is Standing.UNDECLARED]
    return f"Not comparable: {'; '.join(causes)}"
