"""Where a task of lm-eval comes from: the package itself, or a folder of the user's own.

    lm_eval:arc_easy                              a task of the package
    lm_eval:mmlu                                  a group or a tag: all its tasks
    lm_eval:my_task@tasks/                        a task of a folder, as lm-eval's include path
    lm_eval:gsm8k?shots=5&filter=flexible-extract options behind a question mark, see `Options`

What a folder may do is said in `lm_eval_folder`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import datasets
import numpy as np
from lm_eval.tasks import TaskManager
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hydrometer.errors import HydrometerError, UsageError
from hydrometer.tasks.base import LM_EVAL_PREFIX
from hydrometer.tasks.lm_eval_folder import folder_manager

# lm-eval's own defaults: few-shot examples and some tasks' documents are drawn with them.
_SEED, _SHOTS_SEED = 0, 1234
_NEAR = 5


class Options(BaseModel):
    """What may follow the question mark.

    Attributes:
        shots: Number of worked examples, None for the task's own.
        chat: Whether the chat template is applied, examples as turns; without it the prompt is raw text.
        metric: Metric that becomes the score, `""` for the first that can.
        filter: Filter whose answers are scored, `""` for the first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shots: int | None = Field(default=None, ge=0, le=1000)
    chat: bool = False
    metric: str = ""
    filter: str = ""


class Source(NamedTuple):
    """A task as lm-eval loads it.

    Attributes:
        name: Its name in lm-eval.
        task: The `lm_eval.api.task.Task`, few-shot numbers and seeds set.
        options: What the user chose.
        group: The group that the user named, `""` for a task or a tag.
        groups: Each `lm_eval.api.group.Group` that holds the task and puts scores together, the named one first.
    """

    name: str
    task: Any
    options: Options
    group: str = ""
    groups: tuple[Any, ...] = ()


def load_sources(text: str) -> tuple[Source, ...]:
    """Load a task, or all tasks of a group or a tag, by what follows `--task`.

    Raises:
        UsageError: There is no such task, its data cannot be had, or its folder leads elsewhere.
    """
    name, folder, options = _parse(text)
    try:
        with _quiet(), _seeded():
            manager = folder_manager(name, folder) if folder else _package_with(name)
            loaded = manager.load(name)
            for task in loaded["tasks"].values():
                shots = task.config.num_fewshot if options.shots is None else options.shots
                task.set_config(key="num_fewshot", value=shots or 0)
                task.set_fewshot_seed(seed=_SHOTS_SEED)
    except HydrometerError:
        raise
    except Exception as error:
        # Code and data of others: whatever they raise, the user reads one line.
        msg = f"{text!r}: lm-eval cannot load it: {type(error).__name__}: {_line(error)}"
        raise UsageError(msg) from error
    if not loaded["tasks"]:
        msg = f"{text!r} is a group without tasks"
        raise UsageError(msg)
    holders = {
        own: tuple(group for group in loaded["groups"].values() if group.has_aggregation and _holds(group, own))
        for own in loaded["tasks"]
    }
    named = name if name in loaded["groups"] else ""
    return tuple(Source(own, task, options, named, holders[own]) for own, task in loaded["tasks"].items())


def _holds(group: Any, name: str) -> bool:
    return any(task.task_name == name for task in group.get_all_tasks())


@contextlib.contextmanager
def quiet_and_seeded() -> Iterator[None]:
    """Run code of lm-eval with the seeds that it sets itself, and without its progress bars."""
    with _quiet(), _seeded():
        yield


def _parse(text: str) -> tuple[str, Path | None, Options]:
    place, _, query = text.removeprefix(LM_EVAL_PREFIX).partition("?")
    name, _, folder = place.partition("@")
    try:
        given = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        options = Options.model_validate(given)
    except (ValidationError, ValueError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        msg = f"{text!r}: {first}; options are shots, chat, metric and filter, written ?shots=5&chat=yes"
        raise UsageError(msg) from error
    if not name:
        msg = f"{text!r}: write lm_eval:NAME, or lm_eval:NAME@FOLDER for a task of your own"
        raise UsageError(msg)
    return name, Path(folder).expanduser() if folder else None, options


@lru_cache(maxsize=1)
def _package() -> Any:
    """All tasks of the package: lm-eval reads thousands of files to list them, which takes seconds."""
    return TaskManager()


def _package_with(name: str) -> Any:
    manager = _package()
    if name not in manager.task_index:
        near = sorted((known for known in manager.all_tasks if name in known), key=len)[:_NEAR]
        msg = f"lm-eval has no task {name!r}" + (f": did you mean {', '.join(near)}" if near else "")
        raise UsageError(msg)
    return manager


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("lm_eval")
    before = logger.level
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    own, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - tasks draw from the global generators
    random.seed(_SEED)
    np.random.seed(_SHOTS_SEED)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(own)
        np.random.set_state(numpy)  # noqa: NPY002


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or "no reason given"
