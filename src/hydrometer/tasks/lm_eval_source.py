"""Where a task of lm-eval comes from: the package itself, or a folder of the user's own.

    lm_eval:arc_easy                              a task of the package
    lm_eval:my_task@tasks/                        a task of a folder, as lm-eval's include path
    lm_eval:gsm8k?shots=5&filter=flexible-extract options behind a question mark, see `Options`

A folder is trusted with its Python (`!function` runs it, as lm-eval does) but with no path that leads out of it:
neither a link, nor an `include`, nor a module, nor a data file. Relative data files are looked for in the folder.
"""

from __future__ import annotations

import contextlib
import io
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import datasets
import numpy as np
import yaml
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hydrometer.errors import HydrometerError, UsageError
from hydrometer.tasks.base import LM_EVAL_PREFIX

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
    """

    name: str
    task: Any
    options: Options


@dataclass(frozen=True, slots=True)
class _Function:
    """A `!function` of a YAML file, not looked up."""

    spec: str


class _Reader(yaml.SafeLoader):
    """Reads a task's YAML without importing what it names."""


_Reader.add_constructor("!function", lambda _, node: _Function(str(node.value)))


def load_source(text: str) -> Source:
    """Load a task by what follows `--task`.

    Raises:
        UsageError: There is no such task, its data cannot be had, or its folder leads elsewhere.
    """
    name, folder, options = _parse(text)
    try:
        with _quiet(), _seeded():
            task = _from_folder(name, folder) if folder else _from_package(name)
            shots = task.config.num_fewshot if options.shots is None else options.shots
            task.set_config(key="num_fewshot", value=shots or 0)
            task.set_fewshot_seed(seed=_SHOTS_SEED)
    except HydrometerError:
        raise
    except Exception as error:
        # Code and data of others: whatever they raise, the user reads one line.
        msg = f"{text!r}: lm-eval cannot load it: {type(error).__name__}: {_line(error)}"
        raise UsageError(msg) from error
    return Source(name, task, options)


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


def _from_package(name: str) -> Any:
    manager = _package()
    entry = manager.task_index.get(name)
    if entry is None:
        near = sorted((known for known in manager.all_subtasks if name in known), key=len)[:_NEAR]
        msg = f"lm-eval has no task {name!r}" + (f": did you mean {', '.join(near)}" if near else "")
        raise UsageError(msg)
    if name not in manager.all_subtasks:
        members = sorted(manager.load(name)["tasks"]) if name in manager.all_groups else sorted(entry.tags)
        msg = (
            f"{name!r} is a group of {len(members)} lm-eval tasks: name them one by one, "
            f"such as --task lm_eval:{members[0] if members else 'NAME'}"
        )
        raise UsageError(msg)
    return manager.load(name)["tasks"][name]


def _from_folder(name: str, folder: Path) -> Any:
    root = folder.resolve()
    if not root.is_dir():
        msg = f"{str(folder)!r} is not a folder: give the one that holds the YAML of {name!r}"
        raise UsageError(msg)
    found: dict[str, Path] = {}
    for path in sorted(root.glob("**/*.yaml")):
        config = _checked(path, root)
        if isinstance(config.get("task"), str):
            found.setdefault(config["task"], path)
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        msg = f"{str(folder)!r} has no task {name!r}; it has {known}"
        raise UsageError(msg)
    config = load_yaml(found[name])
    _stay_inside(config, root)
    for key in ("tag", "group", "task_list"):
        config.pop(key, None)
    return TaskManager(include_defaults=False).load([config])["tasks"][name]


def _checked(path: Path, root: Path) -> dict[str, Any]:
    """Read a YAML file, and refuse it where it names a file outside of the folder."""
    _inside(path, root, path)
    config = yaml.load(path.read_text(encoding="utf-8"), Loader=_Reader)  # noqa: S506 - a safe loader with one tag
    if not isinstance(config, dict):
        msg = f"{path}: is no task of lm-eval: a mapping with task, dataset_path, doc_to_text and so on"
        raise UsageError(msg)
    includes = config.get("include", [])
    for include in includes if isinstance(includes, list) else [includes]:
        _inside(path.parent / str(include), root, path)
    for function in _functions(config):
        # Where lm-eval looks first; a module that is not there is one that is installed.
        _inside(path.parent / f"{function.spec.rpartition('.')[0].replace('.', '/')}.py", root, path)
    return config


def _functions(value: object) -> Iterator[_Function]:
    if isinstance(value, _Function):
        yield value
    elif isinstance(value, dict):
        for own in value.values():
            yield from _functions(own)
    elif isinstance(value, list):
        for own in value:
            yield from _functions(own)


def _stay_inside(config: dict[str, Any], root: Path) -> None:
    """Make a task's data files absolute, and refuse those outside of the folder."""
    kwargs = dict(config.get("dataset_kwargs") or {})
    for key in ("data_files", "data_dir"):
        if key in kwargs:
            kwargs[key] = _placed(kwargs[key], root)
    if kwargs:
        config["dataset_kwargs"] = kwargs
    path = config.get("dataset_path")
    if isinstance(path, str) and (path.startswith(("/", ".", "~")) or (root / path).exists()):
        config["dataset_path"] = _placed(path, root)


def _placed(value: Any, root: Path) -> Any:
    if isinstance(value, dict):
        return {key: _placed(own, root) for key, own in value.items()}
    if isinstance(value, list):
        return [_placed(own, root) for own in value]
    if "://" in str(value):
        return value
    # A pattern is checked by what it finds, and by the folder it starts from.
    for found in [root / str(value), *(root.glob(str(value)) if not str(value).startswith("/") else ())]:
        _inside(found, root, root)
    return str(root / str(value))


def _inside(path: Path, root: Path, where: Path) -> None:
    if not path.expanduser().resolve().is_relative_to(root):
        msg = f"{where}: {path} leads out of the folder {root}: copy what it needs into the folder"
        raise UsageError(msg)


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
