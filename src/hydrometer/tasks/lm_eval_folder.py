"""Tasks of lm-eval in a folder of the user's own, as lm-eval's include path.

A folder is trusted with its Python (`!function` runs it, as lm-eval does) but with no path that leads out of it:
neither a link, nor an `include`, nor a module, nor a data file. Relative data files are looked for in the folder.
Only what the named task, group or tag needs is loaded; a group holds tasks of the folder alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import TaskIndex
from lm_eval.tasks._yaml_loader import load_yaml

from hydrometer.errors import UsageError


@dataclass(frozen=True, slots=True)
class _Function:
    """A `!function` of a YAML file, not looked up."""

    spec: str


class _Reader(yaml.SafeLoader):
    """Reads a task's YAML without importing what it names."""


_Reader.add_constructor("!function", lambda _, node: _Function(str(node.value)))


def folder_manager(name: str, folder: Path) -> Any:
    """Return lm-eval's own `TaskManager` over the part of a folder that a name needs.

    Args:
        name: A task, a group or a tag of the folder.
        folder: Where YAML files are looked for, subfolders included.

    Raises:
        UsageError: There is no such folder or name, or a path leads out of the folder.
    """
    root = folder.resolve()
    if not root.is_dir():
        msg = f"{str(folder)!r} is not a folder: give the one that holds the YAML of {name!r}"
        raise UsageError(msg)
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    tags: dict[str, list[str]] = {}
    for path in sorted(root.glob("**/*.yaml")):
        config = _checked(path, root)
        own = config["group"] if _is_group(config) else config.get("task")
        if isinstance(own, str) and own not in found:
            found[own] = path, config
            for tag in _listed(config.get("tag")) if not _is_group(config) else ():
                tags.setdefault(str(tag), []).append(own)
    if name not in found and name not in tags:
        known = ", ".join(sorted({*found, *tags})) or "none"
        msg = f"{str(folder)!r} has no task {name!r}; it has {known}"
        raise UsageError(msg)
    manager = TaskManager(include_defaults=False)
    for own in _needed(name, found, tags):
        path = found[own][0]
        config = load_yaml(path)
        _stay_inside(config, root)
        if not _is_group(config):
            config.pop("group", None)
        TaskIndex.process_cfg(config, path, manager.task_index)
        # Or lm-eval reads the file again, with data files relative to the working folder.
        manager.task_index[own].yaml_path = None
    return manager


def _needed(
    name: str, found: Mapping[str, tuple[Path, dict[str, Any]]], tags: Mapping[str, list[str]]
) -> Iterable[str]:
    """Return the tasks and groups that a name stands for, with all that they hold.

    Raises:
        UsageError: A group names a task that the folder does not have.
    """
    needed: dict[str, None] = {}
    open_names = [name]
    while open_names:
        own = open_names.pop()
        if own in needed:
            continue
        if own in tags:
            open_names += tags[own]
        if own not in found:
            continue
        needed[own] = None
        for member, defined in _members(found[own][1]):
            if not defined and member not in found and member not in tags:
                msg = f"{found[own][0]}: holds {member!r}, which is no task of this folder: copy its YAML into it"
                raise UsageError(msg)
            open_names.append(member)
    return needed


def _is_group(config: Mapping[str, Any]) -> bool:
    # A task may name its group, as older versions of lm-eval had it; only a list makes a group.
    return isinstance(config.get("group"), str) and not isinstance(config.get("task"), str)


def _members(config: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Names that a group holds, and whether it may define them itself, without a file of their own."""
    for member in _listed(config.get("task")) if _is_group(config) else ():
        if isinstance(member, dict):
            yield str(member.get("group", member.get("task"))), len(member) > 1
            yield from _members(member)
        else:
            yield str(member), False


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


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
    """Make a task's data files absolute, and refuse those outside of the folder; a group's tasks as well."""
    for member in _listed(config.get("task")):
        if isinstance(member, dict):
            _stay_inside(member, root)
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
