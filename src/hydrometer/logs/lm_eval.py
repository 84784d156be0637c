"""Logs of lm-evaluation-harness: `samples_TASK_TIME.jsonl`, one line per item and filter.

The setup stands in `results_TIME.json` beside it. An item is its `doc_hash`; `doc_id` is a row number, and pairs
different questions as soon as the data set changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydrometer.errors import UnknownNameError
from hydrometer.logs.base import UNNAMED, Choice, LogError, Scale, Scored, Source, number, place
from hydrometer.logs.lines import json_lines

UNPARSED = ("[invalid]", "invalid")
"""What the harness's extraction filters leave where they found no answer."""

NO_METRIC = ("bypass",)
"""Metrics that stand for "not scored"."""

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT[\d.+-]+)\.jsonl")
_RESULTS = re.compile(rb'\{\s*"results"\s*:\s*\{')
_SEEDS = ("random_seed", "numpy_seed", "torch_seed", "fewshot_seed")
_DIGITS = 32
# Metrics of versions before 0.4.1, whose lines do not say which of their fields are metrics.
_OLD_METRICS = ("acc", "acc_norm", "exact_match", "em", "f1", "mc1", "mc2", "pass@1")


def is_samples(record: Mapping[str, Any]) -> bool:
    """Whether a line has the fields of this harness."""
    return "doc_id" in record and ("resps" in record or "filtered_resps" in record)


def is_results(head: bytes) -> bool:
    """Whether a file begins like the averages of this harness."""
    return _RESULTS.match(head.lstrip()) is not None


def open_samples(path: Path, choice: Choice, scale: Scale) -> Source:
    """Open a samples file, with the results file beside it where there is one.

    Raises:
        LogError: The metric runs the other way than the range of scores.
    """
    match = _NAME.fullmatch(path.name)
    results = _results_beside(path, match["time"] if match else "")
    configs = results.get("configs") or {}
    task = match["task"] if match else next(iter(configs)) if len(configs) == 1 else UNNAMED
    return Source(
        path=path,
        kind="lm-eval",
        model=str(results.get("model_name") or ""),
        task=task,
        setup=_setup(results, task),
        records=_records(path, task, choice, scale, (results.get("higher_is_better") or {}).get(task) or {}),
    )


def _results_beside(path: Path, time: str) -> dict[str, Any]:
    beside = sorted(path.parent.glob("results_*.json"))
    # With an output path that ends in .json, its stem takes the place of "results".
    exact = sorted(path.parent.glob(f"*_{time}.json")) if time else []
    # Without the time in the name only a single file can be the right one; a wrong setup is worse than none.
    found = exact or (beside if len(beside) == 1 and not time else [])
    if not found:
        return {}
    try:
        results = json.loads(found[0].read_bytes())
    except (OSError, ValueError, RecursionError):
        msg = f"{found[0]}: not a readable results file: repair it, or move it away to go without the setup"
        raise LogError(msg) from None
    return results if isinstance(results, dict) else {}


def _setup(results: Mapping[str, Any], task: str) -> dict[str, str]:
    config = results.get("config") or {}
    own = (results.get("configs") or {}).get(task) or {}
    named: dict[str, Any] = {
        "task version": (results.get("versions") or {}).get(task, ""),
        "few-shots": (results.get("n-shot") or {}).get(task, ""),
        "chat template": _tagged(results, "chat_template_sha"),
        "system prompt": _tagged(results, "system_instruction_sha"),
        "multi-turn few-shots": results.get("fewshot_as_multiturn", ""),
        "generation": _generation(own.get("generation_kwargs"), config.get("gen_kwargs")),
        "epochs": own.get("repeats", ""),
        "limit": config.get("limit", ""),
        "seeds": ", ".join(f"{name} {config[name]}" for name in _SEEDS if name in config),
        "harness": f"lm-eval {results['lm_eval_version']}" if results.get("lm_eval_version") else "",
    }
    return {aspect: "none" if value is None else str(value) for aspect, value in named.items() if value != ""}


def _tagged(results: Mapping[str, Any], name: str) -> str | None:
    if name not in results:
        return ""
    return f"sha256:{results[name]}" if results[name] else None


def _generation(task: object, run: object) -> str:
    parts = [json.dumps(value, sort_keys=True, default=str) for value in (task, run) if value]
    return " with ".join(parts)


def _records(
    path: Path, task: str, choice: Choice, scale: Scale, higher: Mapping[str, Any]
) -> Iterator[Scored]:
    seen: dict[str, int] = {}
    filters: dict[str, None] = {}
    taken = ""
    metrics: dict[tuple[str, ...], str] = {}
    for line, record in json_lines(path):
        if not is_samples(record):
            msg = f"{place(path, line)}: not a record of lm-eval: doc_id or resps are missing"
            raise LogError(msg)
        name = str(record.get("filter", "none"))
        filters[name] = None
        if choice.filters and name not in choice.filters:
            continue
        taken = taken or name
        if name != taken:
            continue
        names = _metric_names(record)
        metric = metrics.get(names)
        if metric is None:
            metric = metrics[names] = _pick_metric(path, task, names, choice.metrics)
            _check_direction(path, metric, higher, scale)
        key = _content(record)
        occurrence = seen.get(key, 0)
        seen[key] = occurrence + 1
        value, note = _value(record, metric, path, line, scale)
        prompt = str(record.get("prompt_hash") or "")[:16]
        yield Scored(task, key, value, occurrence, note, prompt, f"{metric}, filter {taken}", line)
    _check_filters(path, list(filters), choice.filters)


def _metric_names(record: Mapping[str, Any]) -> tuple[str, ...]:
    names = record.get("metrics")
    if isinstance(names, list):
        return tuple(str(name) for name in names if name not in NO_METRIC)
    return tuple(name for name in _OLD_METRICS if name in record)


def _pick_metric(path: Path, task: str, names: Sequence[str], wanted: Sequence[str]) -> str:
    fitting = [name for name in names if not wanted or name in wanted]
    if len(fitting) == 1:
        return fitting[0]
    of = f"{path}: task {task!r}" if task else str(path)
    if not names:
        msg = f"{of} has no metric: it was run without scoring"
    elif not fitting:
        msg = f"{of} has no metric {' or '.join(map(repr, wanted))}: add --metric with one of {', '.join(names)}"
    else:
        msg = f"{of} has several metrics: choose with --metric one of {', '.join(fitting)}"
    raise LogError(msg)


def _check_direction(path: Path, metric: str, higher: Mapping[str, Any], scale: Scale) -> None:
    if higher.get(metric) is False and not scale.reversed:
        msg = (
            f"{path}: {metric!r} is better when lower: give its range with the worst score as --min-score "
            "and the best as --max-score"
        )
        raise LogError(msg)
    if higher.get(metric) is True and scale.reversed:
        msg = f"{path}: {metric!r} is better when higher: --min-score must be below --max-score"
        raise LogError(msg)


def _check_filters(path: Path, filters: Sequence[str], wanted: Sequence[str]) -> None:
    fitting = [name for name in filters if not wanted or name in wanted]
    if len(fitting) > 1:
        msg = f"{path} has several filters: choose with --filter one of {', '.join(fitting)}"
        raise LogError(msg)
    if filters and not fitting:
        raise UnknownNameError.among("filter", wanted[0], filters)


def _content(record: Mapping[str, Any]) -> str:
    known = record.get("doc_hash")
    if isinstance(known, str) and known:
        return known[:_DIGITS]
    # The form that the harness itself hashes, so that an old log pairs with a new one.
    text = json.dumps(record.get("doc"), indent=2, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def _value(
    record: Mapping[str, Any], metric: str, path: Path, line: int, scale: Scale
) -> tuple[float | None, str]:
    raw = record.get(metric)
    if raw is None:
        return None, "no score"
    value = number(raw, path, line)
    # The harness scores "no answer found" as wrong. A metric that gives it points does not look at the answer.
    if value == scale.worst and _unparsed(record.get("filtered_resps")):
        return None, "no answer found"
    return value, ""


def _unparsed(replies: object) -> bool:
    if isinstance(replies, list):
        return bool(replies) and all(map(_unparsed, replies))
    return replies in UNPARSED
