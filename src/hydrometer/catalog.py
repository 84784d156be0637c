"""Names of tasks and engines, and where they live. Nothing is imported until it is chosen."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from hydrometer.engines.base import Engine, EngineOpener, EngineSettings
from hydrometer.engines.reading import Reader, ReaderOpener
from hydrometer.errors import MissingPackageError, ModelError, UnknownNameError, UsageError
from hydrometer.spec import ModelRef
from hydrometer.tasks.base import FILE_PREFIX, LM_EVAL_PREFIX, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEntry:
    """Where an engine lives and what it needs.

    Attributes:
        opener: `module:function` of type `EngineOpener`.
        needs: Packages it imports.
        extra: Extra that installs them.
        summary: One line for tables.
        reader: `module:function` of type `ReaderOpener`, `""` where it cannot read a given text.
        shares: Whether one engine of a pair can compute with the weights that the other holds.
        spreads: Whether it may stand on every node of a cluster: it computes itself.
    """

    opener: str
    needs: tuple[str, ...] = ()
    extra: str = ""
    summary: str = ""
    reader: str = ""
    shares: bool = False
    spreads: bool = False


ENGINES: dict[str, EngineEntry] = {
    "llamacpp": EngineEntry(
        opener="hydrometer.engines.llamacpp:open_model",
        needs=("xllamacpp",),
        extra="llamacpp",
        summary="GGUF files through embedded llama.cpp, with or without a GGUF LoRA adapter; no torch",
        reader="hydrometer.engines.llamacpp_read:open_reader",
        spreads=True,
    ),
    "hf": EngineEntry(
        opener="hydrometer.engines.hf:open_model",
        needs=("torch", "transformers"),
        extra="hf",
        summary="checkpoint folders, hub ids and GGUF files through transformers, with PEFT adapters",
        reader="hydrometer.engines.hf_read:open_reader",
        shares=True,
        spreads=True,
    ),
    "llama-server": EngineEntry(
        opener="hydrometer.engines.llamacpp_server:open_model",
        summary="GGUF files through a `llama-server` on the PATH (GPU builds), started for it: `llama-server:FILE`",
        spreads=True,
    ),
    "vllm": EngineEntry(
        opener="hydrometer.engines.vllm:open_model",
        summary="checkpoint folders and hub ids through `vllm serve`, started for it: `vllm:MODEL` (not run yet)",
        spreads=True,
    ),
    "http": EngineEntry(
        opener="hydrometer.engines.http:open_model",
        summary="OpenAI-compatible servers: llama-server; vLLM, LM Studio, Ollama, SGLang (not run yet)",
        reader="hydrometer.engines.http_prompt:open_reader",
    ),
    "fake": EngineEntry(
        opener="hydrometer.engines.fake:open_model", summary="scripted replies, for tests", spreads=True
    ),
    "replay": EngineEntry(
        opener="hydrometer.engines.replay:open_model",
        summary="answers from an evidence store, without a model",
    ),
    "traces": EngineEntry(
        opener="hydrometer.engines.traces:open_model",
        summary="replies from a `.jsonl` file, for `--teacher`",
    ),
}

TASKS: dict[str, str] = {
    "knowledge_facts": "hydrometer.tasks.knowledge_facts:KnowledgeFacts",
    "commonsense": "hydrometer.tasks.commonsense:Commonsense",
    "arithmetic": "hydrometer.tasks.arithmetic:Arithmetic",
    "word_problems": "hydrometer.tasks.word_problems:WordProblems",
    "ordering": "hydrometer.tasks.ordering:Ordering",
    "constraints": "hydrometer.tasks.constraints:Constraints",
    "system_prompt": "hydrometer.tasks.system_prompt:SystemPrompt",
    "json_output": "hydrometer.tasks.json_output:JsonOutput",
    "json_schema": "hydrometer.tasks.json_schema:JsonSchema",
    "code_functions": "hydrometer.tasks.code_functions:CodeFunctions",
    "tool_calls": "hydrometer.tasks.tool_calls:ToolCalls",
    "recall": "hydrometer.tasks.recall:Recall",
    "needle": "hydrometer.tasks.needle:Needle",
    "copying": "hydrometer.tasks.copying:Copying",
    "long_chains": "hydrometer.tasks.long_chains:LongChains",
    "nuance": "hydrometer.tasks.nuance:Nuance",
    "honesty": "hydrometer.tasks.honesty:Honesty",
    "conversation": "hydrometer.tasks.conversation:Conversation",
    "confidence": "hydrometer.tasks.confidence:Confidence",
    "diversity": "hydrometer.tasks.diversity:Diversity",
    "harmless_requests": "hydrometer.tasks.harmless_requests:HarmlessRequests",
    "harmful_requests": "hydrometer.tasks.harmful_requests:HarmfulRequests",
    "aggregation": "hydrometer.tasks.aggregation:Aggregation",
    "context_conflict": "hydrometer.tasks.context_conflict:ContextConflict",
    "languages": "hydrometer.tasks.languages:Languages",
    "long_retrieval": "hydrometer.tasks.long_retrieval:LongRetrieval",
    "competition_math": "hydrometer.tasks.competition_math:CompetitionMath",
}
"""Name to `module:Class`."""


def open_engine(ref: ModelRef, settings: EngineSettings) -> Engine:
    """Open a model with the engine that its reference names.

    Raises:
        UnknownNameError: There is no such engine.
        MissingPackageError: The engine needs a package that is not installed.
        ModelError: The model cannot be opened.
    """
    entry = _entry(ref)
    if settings.cluster and entry.spreads:
        if find_spec("ray") is None:
            msg = "--cluster needs ray, which is not installed: pip install 'hydrometer[cluster]'"
            raise MissingPackageError(msg)
        from hydrometer.engines.cluster import open_model

        return open_model(ref, settings, open_engine)
    return cast("EngineOpener", _load(entry.opener))(ref, settings)


def open_reader(ref: ModelRef, settings: EngineSettings) -> Reader:
    """Open a model to read given texts with.

    Raises:
        UnknownNameError: There is no such engine.
        MissingPackageError: The engine needs a package that is not installed.
        ModelError: The model cannot be opened, or its engine does not tell how probable a given text is.
    """
    entry = _entry(ref)
    if not entry.reader:
        msg = (
            f"{ref.text!r}: the {ref.engine!r} engine cannot read a given text over the whole vocabulary: "
            "give the .gguf file or the checkpoint folder itself"
        )
        raise ModelError(msg)
    return cast("ReaderOpener", _load(entry.reader))(ref, settings)


def _entry(ref: ModelRef) -> EngineEntry:
    """Return the entry of a reference's engine, once its packages are seen to be there."""
    entry = ENGINES.get(ref.engine)
    if entry is None:
        raise UnknownNameError.among("engine", ref.engine, ENGINES)
    missing = [name for name in entry.needs if find_spec(name) is None]
    if missing:
        msg = (
            f"{ref.text!r} needs the {ref.engine!r} engine, and {', '.join(missing)} is not installed: "
            f"pip install 'hydrometer[{entry.extra}]'"
        )
        raise MissingPackageError(msg)
    return entry


def load_tasks(name: str) -> tuple[Task, ...]:
    """Return the tasks that a name stands for: a group of lm-eval's stands for several, every other name for one.

    Args:
        name: A name of the catalogue, the path of a user's `.jsonl` file, or `lm_eval:NAME`.

    Raises:
        UnknownNameError: There is no such task.
        MissingPackageError: It is a task of lm-eval, which is not installed.
        UsageError: The file holds no questions, or lm-eval has no such task.
    """
    if name.endswith(".jsonl"):
        from hydrometer.tasks.user_file import load_user_task

        return (load_user_task(Path(name)),)
    if name.startswith(LM_EVAL_PREFIX):
        return _load_lm_eval(name)
    if name not in TASKS:
        raise UnknownNameError.among("task", name, TASKS)
    return (cast("type[Task]", _load(TASKS[name]))(),)


def load_task(name: str) -> Task:
    """Return the one task that a name stands for; errors are those of `load_tasks`.

    Raises:
        UsageError: It stands for several.
    """
    found = load_tasks(name)
    if len(found) > 1:
        msg = f"{name!r} is a group of {len(found)} tasks: name one, such as {found[0].name}"
        raise UsageError(msg)
    return found[0]


def task_of(name: str) -> Task | None:
    """Return the task that graded a stored item, None if it is not known here; a user's file is not needed for it."""
    if name.startswith(FILE_PREFIX):
        from hydrometer.tasks.user_file import task_for_grading

        return task_for_grading(name)
    return load_task(name) if name in TASKS else None


def _load_lm_eval(name: str) -> tuple[Task, ...]:
    if find_spec("lm_eval") is None:
        msg = f"{name!r} needs lm-eval, which is not installed: pip install 'hydrometer[lm-eval]'"
        raise MissingPackageError(msg)
    from hydrometer.tasks.lm_eval import load_lm_eval_tasks

    return load_lm_eval_tasks(name)


def _load(place: str) -> object:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
