"""Logs of Inspect: `.eval` archives, whose members may be zstd-compressed, and `.json`.

An item is the digest of input, target and choices; ids only tell equal contents apart, because automatic ids are
row numbers. Of a sample only what is needed is kept. A `.json` log has to be loaded whole; archives are read
sample by sample.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import zstandard

from hydrometer.logs.base import Choice, LogError, Scored, Source, number, place

_ZSTD = 93
"""Compression method of zip members that `zipfile` knows from Python 3.14 on only."""

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1
_JSON = re.compile(rb'\{\s*"version"\s*:\s*\d+\s*,')
_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_NO_ANSWER = "N"
# Settings of the transport: they change when a reply comes, not what it says.
_TRANSPORT = {
    "max_retries",
    "timeout",
    "attempt_timeout",
    "max_connections",
    "adaptive_connections",
    "cache",
    "batch",
}
_LIMITS = ("message_limit", "token_limit", "time_limit", "working_limit", "turn_limit", "cost_limit")


class _Sample(NamedTuple):
    """What is kept of a sample."""

    key: str
    ident: str | int
    prompt: str
    scores: dict[tuple[str, str], Any]
    note: str
    where: str


def is_inspect_json(head: bytes) -> bool:
    """Whether a file begins like a `.json` log."""
    return _JSON.match(head.lstrip()) is not None and b'"eval"' in head


def is_inspect_zip(path: Path) -> None:
    """Check that an archive is a log.

    Raises:
        LogError: It is broken, or an archive of something else.
    """
    with _open(path) as archive:
        if not any(
            name.startswith(("samples/", "_journal/")) or name == "header.json" for name in _members(archive)
        ):
            msg = f"{path}: an archive, but not of Inspect: it holds neither samples nor a header"
            raise LogError(msg)


def open_inspect(path: Path, choice: Choice) -> Source:
    """Open a log.

    Raises:
        LogError: It is broken or says nothing of its task.
    """
    with path.open("rb") as file:
        archived = file.read(2) == b"PK"
    document: dict[str, Any] = {}
    if archived:
        with _open(path) as archive:
            header = _header(path, archive)
    else:
        header = document = _load(path.read_bytes(), path, "")
    about = header.get("eval")
    if not isinstance(about, dict) or not about.get("task"):
        msg = f"{path}: names no task: not a log of Inspect, or damaged"
        raise LogError(msg)
    samples = _from_archive(path) if archived else _from_document(path, document)
    return Source(
        path=path,
        kind="Inspect",
        model=str(about.get("model") or ""),
        task=str(about["task"]),
        setup=_setup(header, about),
        records=_records(path, str(about["task"]), samples, choice),
    )


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        msg = f"{path}: not a readable archive ({error}): copy it again, or try `inspect log recover`"
        raise LogError(msg) from None


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Members by name; a name written twice is the later one."""
    return {info.filename: info for info in archive.infolist()}


def _header(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    members = _members(archive)
    if "header.json" in members:
        return _member(path, archive, members["header.json"])
    if "_journal/start.json" in members:
        # A run that was killed leaves no header; the journal has what is needed.
        return {**_member(path, archive, members["_journal/start.json"]), "status": "did not finish"}
    msg = f"{path}: has neither header.json nor _journal/start.json: damaged"
    raise LogError(msg)


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> dict[str, Any]:
    try:
        data = (
            _zstd_member(archive, info)
            if info.compress_type == _ZSTD
            else archive.read(info)  # checks the CRC itself
        )
    except (
        zipfile.BadZipFile,
        zstandard.ZstdError,
        zlib.error,
        struct.error,
        EOFError,
        OSError,
        RuntimeError,
    ) as error:
        msg = f"{place(path, info.filename)}: cannot be unpacked ({error})"
        raise LogError(msg) from None
    return _load(data, path, info.filename)


def _zstd_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    file = archive.fp
    if file is None or info.flag_bits & _ENCRYPTED:
        msg = "closed or encrypted"
        raise zipfile.BadZipFile(msg)
    file.seek(info.header_offset)
    fields = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    # Name and extra field may be longer here than in the central directory.
    file.seek(fields[-2] + fields[-1], 1)
    data = _inflate(file, info)
    if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        msg = "checksum does not match"
        raise zipfile.BadZipFile(msg)
    return data


def _inflate(file: IO[bytes], info: zipfile.ZipInfo) -> bytes:
    packed = file.read(info.compress_size)
    # Bounded by the size stated: a few bytes may claim to unpack into gigabytes.
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        return reader.read(info.file_size + 1)


def _load(data: bytes, path: Path, where: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        msg = f"{place(path, where)}: not complete JSON: the log is cut off or damaged there"
        raise LogError(msg) from None
    if not isinstance(value, dict):
        msg = f"{place(path, where)}: {type(value).__name__} where an object was expected"
        raise LogError(msg)
    return value


def _from_archive(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with _open(path) as archive:
        for name, info in _members(archive).items():
            if name.startswith("samples/") and name.endswith(".json"):
                yield name, _member(path, archive, info)


def _from_document(path: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for count, sample in enumerate(document.get("samples") or (), 1):
        if not isinstance(sample, dict):
            msg = f"{path}, sample {count}: {type(sample).__name__} where an object was expected"
            raise LogError(msg)
        yield f"sample {count}", sample


def _setup(header: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, str]:
    config, plan = about.get("config") or {}, header.get("plan") or {}
    generation = {**(plan.get("config") or {}), **(about.get("model_generate_config") or {})}
    generation = {k: v for k, v in generation.items() if v is not None and k not in _TRANSPORT}
    limits = {name: config[name] for name in _LIMITS if config.get(name) is not None}
    named: dict[str, Any] = {
        "task version": about.get("task_version", ""),
        "system prompt": generation.pop("system_message", "none"),
        "solver": ", ".join(str(step.get("solver")) for step in plan.get("steps") or ()),
        "task arguments": json.dumps(about.get("task_args") or {}, sort_keys=True),
        "generation": json.dumps(generation, sort_keys=True),
        "limits per sample": json.dumps(limits, sort_keys=True),
        "epochs": config.get("epochs") or 1,
        "limit": config.get("limit"),
        "log status": header.get("status", ""),
        "harness": f"inspect_ai {(about.get('packages') or {}).get('inspect_ai', '')}".strip(),
    }
    return {aspect: "none" if value is None else str(value) for aspect, value in named.items() if value != ""}


def _records(
    path: Path, task: str, samples: Iterable[tuple[str, dict[str, Any]]], choice: Choice
) -> Iterator[Scored]:
    kept = [_keep(path, where, sample) for where, sample in samples]
    scorer, metric = _pick(path, task, kept, choice)
    idents: dict[str, set[str | int]] = {}
    for sample in kept:
        idents.setdefault(sample.key, set()).add(sample.ident)
    # Equal contents with several ids: the rank of the id. Which of two equal questions pairs with which is all one.
    ranks = {
        (key, ident): rank
        for key, known in idents.items()
        for rank, ident in enumerate(sorted(known, key=lambda i: (isinstance(i, str), i)))
    }
    measure = f"{scorer}, {metric}" if metric else scorer
    for sample in kept:
        value, note = _value(sample, (scorer, metric), path)
        rank = ranks[sample.key, sample.ident]
        yield Scored(task, sample.key, value, rank, note, sample.prompt, measure, sample.where)


def _keep(path: Path, where: str, sample: Mapping[str, Any]) -> _Sample:
    if "input" not in sample or "id" not in sample:
        msg = f"{place(path, where)}: has no input or no id: not a sample of Inspect"
        raise LogError(msg)
    scores: dict[tuple[str, str], Any] = {}
    for scorer, score in (sample.get("scores") or {}).items():
        value = score.get("value") if isinstance(score, dict) else score
        if isinstance(value, dict):
            scores.update({(scorer, str(name)): part for name, part in value.items()})
        else:
            # A list becomes text and is refused only if it is the score that is compared.
            scores[scorer, ""] = value if isinstance(value, bool | int | float | None) else str(value)[:80]
    identity = [_plain(sample["input"]), sample.get("target"), sample.get("choices") or None]
    ident = sample["id"]
    return _Sample(
        _digest(identity),
        ident if isinstance(ident, int) else str(ident),
        _prompt(sample.get("messages")),
        scores,
        "sample error" if sample.get("error") else "",
        where,
    )


def _plain(messages: object) -> object:
    """Messages without what differs from run to run, such as their ids."""
    if not isinstance(messages, list):
        return messages
    return [[m.get("role"), m.get("content")] if isinstance(m, dict) else m for m in messages]


def _prompt(messages: object) -> str:
    if not isinstance(messages, list) or not messages:
        return ""
    roles = [m.get("role") if isinstance(m, dict) else None for m in messages]
    asked = messages[: roles.index("assistant")] if "assistant" in roles else messages
    return _digest(_plain(asked))[:16]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _pick(path: Path, task: str, kept: Sequence[_Sample], choice: Choice) -> tuple[str, str]:
    known = list(dict.fromkeys(name for sample in kept for name in sample.scores))
    scorer = _one(path, task, "scorer", [name for name, _ in known], choice.scorers)
    # A scorer with several values marks an unscored sample with one number for all of them.
    values = [value for name, value in known if name == scorer]
    parts = [value for value in values if value] or values
    return scorer, _one(path, task, "metric", parts, choice.metrics if parts != [""] else ())


def _one(path: Path, task: str, kind: str, names: Sequence[str], wanted: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    fitting = [name for name in names if not wanted or name in wanted]
    if len(fitting) == 1:
        return fitting[0]
    if not names:
        msg = f"{path}: task {task!r} holds no scored sample"
    elif not fitting:
        msg = (
            f"{path}: task {task!r} has no {kind} {' or '.join(map(repr, wanted))}: it has {', '.join(names)}"
        )
    else:
        msg = f"{path}: task {task!r} has several {kind}s: choose with --{kind} one of {', '.join(fitting)}"
    raise LogError(msg)


def _value(sample: _Sample, which: tuple[str, str], path: Path) -> tuple[float | None, str]:
    raw = sample.scores.get(which)
    if raw is None:
        return None, sample.note or "no score"
    if raw == _NO_ANSWER:
        return None, "no answer found"
    if isinstance(raw, float) and math.isnan(raw):
        # Inspect's own mark for "not scored".
        return None, "not scored"
    if isinstance(raw, str):
        text = raw if raw in _LETTERS else raw.strip().lower()
        if text in _LETTERS:
            return _LETTERS[text], ""
        try:
            return float(text), ""
        except ValueError:
            pass
    return number(raw, path, sample.where), ""
