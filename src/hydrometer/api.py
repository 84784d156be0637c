"""The Python entry: `audit` runs what the command line runs and returns the object that reports are made from."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from filelock import FileLock, Timeout

from hydrometer.asking import Opener
from hydrometer.canon import digest
from hydrometer.catalog import load_tasks, open_engine
from hydrometer.claims.model import Card
from hydrometer.drift.audited import audit_drift
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import EvidenceBusyError, EvidenceError, UsageError
from hydrometer.items import Thinking
from hydrometer.progress import Progress, Silent
from hydrometer.provenance import Environment
from hydrometer.refs import parse_ref
from hydrometer.report.json_report import write
from hydrometer.result import AuditResult
from hydrometer.run import Runner
from hydrometer.spec import AuditSpec, Budget, ModelRef, SamplingPolicy, TemplatePolicy
from hydrometer.store import EVIDENCE, Store
from hydrometer.tasks.base import FILE_PREFIX, LM_EVAL_PREFIX, Task
from hydrometer.tasks.suites import suite as find_suite
from hydrometer.version import __version__

DEFAULT_OUT = "hydrometer-out"
_RECORDED = ("numpy", "scipy", "jinja2", "httpx", "xllamacpp", "torch", "transformers", "peft", "gguf", "lm-eval")


def audit(  # noqa: PLR0913 - the public entry: keyword-only after the pair, each with the command line's default
    base: str | ModelRef,
    student: str | ModelRef,
    *,
    suite: str = "quick",
    tasks: Sequence[str] = (),
    items: int = 0,
    margin: float = 0.03,
    alpha: float = 0.05,
    seed: int = 0,
    max_tokens: int = 0,
    sampling: str = "auto",
    template: str = "own",
    thinking: str = "default",
    allow: Sequence[str] = (),
    fixed: bool = False,
    budget: str = "",
    floor: bool = False,
    teacher: str | ModelRef | None = None,
    inspect: bool = True,
    out: str | Path | None = None,
    settings: EngineSettings | None = None,
    progress: Progress | None = None,
    opener: Opener = open_engine,
    command: str = "",
    card: Card | None = None,
    drift: bool = False,
) -> AuditResult:
    """Audit a distillation against its base.

    Args:
        base: The plain model: a `.gguf` file, a checkpoint folder, a hub id, `http(s)://host/v1#name`,
            `bundled:base`; `+ADAPTER` adds a LoRA adapter.
        student: The distillation made from it.
        suite: Size of the audit, a key of `tasks.suites.SUITES`.
        tasks: Task names; empty means all of the suite.
        items: Items per task, 0 for the suite's own numbers.
        margin: Largest loss in score units that still counts as equivalent. Fix it before looking at results.
        alpha: Two-sided error rate of `better` and `worse`, one-sided of each equivalence test.
        seed: Seed of items and of sampled replies.
        max_tokens: Cap of reply tokens, 0 for each task's own.
        sampling: `auto`, `greedy` or `vendor`.
        template: Whose chat template renders the requests: `own`, `base` or `student` (for both), or `2x2`: each its
            own, and a panel under both besides, which tells the template's share of a difference from the weights'.
        thinking: `default`, `on` or `off`, for templates that can switch it. On and off are two audits, each with the
            vendor's sampling for it: call it once for each.
        allow: Differences in the setup that are meant, see `spec.ALLOWABLE`.
        fixed: Ask every item, instead of stopping a capability where its verdict stands.
        budget: What it may cost at most, such as `600items`, `2Mtokens`, `30min`; `""` for no limit.
        floor: Ask the base a second time first, to measure the noise of decoding.
        teacher: The model that the student was distilled from, in the same forms, or a `.jsonl` file of its replies:
            shows how far style and ability moved towards it.
        inspect: Read the files of both models first: lineage, parts and identity belong to the setup.
        out: Folder of the evidence and the reports; None for `hydrometer-out`.
        settings: Engine settings.
        progress: Who is told what happens.
        opener: Opens a model; tests and other packages may bring their own.
        command: The command line, for the record.
        drift: Let both models read both models' replies afterwards, and compare them token by token.
        card: The student's card, from `claims.opening.open_card`: its claims are answered on top of the report.

    Returns:
        The result; `report.json` and `report.html` lie in `audit_folder(out, result)`.

    Raises:
        HydrometerError: With one line that says what is wrong and the cure. What was answered is kept.
    """
    spec = AuditSpec(
        base=base if isinstance(base, ModelRef) else parse_ref(base),
        student=student if isinstance(student, ModelRef) else parse_ref(student),
        suite=suite,
        tasks=tuple(tasks),
        margin=margin,
        alpha=alpha,
        seed=seed,
        sampling=SamplingPolicy(sampling),
        template=TemplatePolicy(template),
        thinking=Thinking(thinking),
        allow=tuple(allow),
        items=items,
        max_tokens=max_tokens,
        fixed=fixed,
        budget=Budget.parse(budget) if budget else None,
        floor=floor,
        teacher=parse_ref(teacher) if isinstance(teacher, str) and teacher else teacher or None,
        inspect=inspect,
    )
    chosen = choose_tasks(spec)
    folder = Path(out) if out is not None else Path(DEFAULT_OUT)
    lock = _lock(folder)
    try:
        with Store(folder / EVIDENCE) as store:
            runner = Runner(
                spec,
                chosen,
                store,
                opener=opener,
                settings=_at_home(settings or EngineSettings(), folder),
                progress=progress or Silent(),
            )
            record = environment(command)
            result = runner.run(record)
            if drift and result.items:
                found = audit_drift(result, store, settings or EngineSettings(), progress or Silent(), record)
                result = replace(result, drift=found)
        write(result, audit_folder(folder, result), card)
    finally:
        lock.release()
    return result


def _at_home(settings: EngineSettings, folder: Path) -> EngineSettings:
    """Let engines keep their logs beside the evidence, unless the caller chose another place."""
    return settings if settings.folder else replace(settings, folder=str(folder))


def worst_code(codes: Sequence[int]) -> int:
    """Return the exit status of several audits: not comparable comes first, then worse, then not enough evidence."""
    return next((code for code in (12, 10, 11) if code in codes), 0)


def choose_tasks(spec: AuditSpec) -> Mapping[Task, int]:
    """Return the tasks of an audit with their number of items.

    Raises:
        UnknownNameError: The suite or a task does not exist.
        UsageError: Two names stand for the same task.
    """
    numbers = find_suite(spec.suite).items
    default = max(numbers.values())
    chosen: dict[str, Task] = {}
    for name in dict.fromkeys(spec.tasks or tuple(numbers)):
        for task in load_tasks(name):
            if task.name in chosen:
                msg = f"--task {name}: {task.name} is asked already: name every task once, by itself or by its group"
                raise UsageError(msg)
            chosen[task.name] = task
    # A user's file and a task of lm-eval are asked whole: they are no pools to draw from.
    whole = (FILE_PREFIX, LM_EVAL_PREFIX)
    own = {name: task.limit for name, task in chosen.items() if name.startswith(whole)}
    return {task: spec.items or own.get(name) or numbers.get(name, default) for name, task in chosen.items()}


def audit_folder(out: str | Path | None, result: AuditResult) -> Path:
    """Return the folder of one audit's reports: named after the pair, one per spec and pair of models."""
    folder = Path(out) if out is not None else Path(DEFAULT_OUT)
    mark = digest([result.spec, result.base.identity.digest, result.student.identity.digest])[3:11]
    return folder / f"{_slug(result.student.identity.label)}-vs-{_slug(result.base.identity.label)}-{mark}"


def environment(command: str = "") -> Environment:
    """Return the record of the machine and of the packages that can change a result."""
    packages = {}
    for name in _RECORDED:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return Environment(
        hydrometer=__version__,
        python=platform.python_version(),
        platform=f"{sys.platform} {platform.machine()}",
        packages=packages,
        command=command,
    )


def _lock(folder: Path) -> FileLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        msg = f"another audit is writing into {folder}: wait for it, or choose another --out"
        raise EvidenceBusyError(msg) from error
    except OSError as error:
        msg = f"cannot write into {folder}: {error.strerror or error}; choose another --out"
        raise EvidenceError(msg) from error
    return lock


def _slug(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-.")[:40] or "model"
