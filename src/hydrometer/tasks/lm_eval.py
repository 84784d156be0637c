"""Any task of lm-eval on these engines and this store: `--task lm_eval:NAME`.

lm-eval makes the prompts and gives the scores: its own documents, few-shot examples, filters and `process_results`.
This project asks, keeps the answers, and counts tokens, ends and behaviours beside them. Prompts are raw text, as in
lm-eval, unless `?chat=yes` asks for the chat template.

Scores follow lm-eval to the item, so a reply that was cut, is empty or holds its thinking is judged as it stands; the
reason says where it was cut. Only a metric that is a mean over items between 0 and 1, where more is better, can be
compared pair by pair: the others (perplexity, BLEU, F1 over a corpus) stand beside the verdicts. The tasks of a group
are one capability, and the group's own figure stands beside its verdict. Not covered: images and sound, several
sampled replies per question, tasks that run code of the model unprotected.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from random import Random
from typing import Any, ClassVar

from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.models.utils import normalize_gen_kwargs

from hydrometer.engines.base import ROLLING
from hydrometer.errors import ModelError, UsageError
from hydrometer.items import Decoding, Item, Kind, Message, cut_at, raw_texts
from hydrometer.outcomes import Completion, Grade, Status
from hydrometer.tasks.base import LM_EVAL_PREFIX, Family, GraderCase, Task, item_rng
from hydrometer.tasks.lm_eval_source import Source, load_sources, quiet_and_seeded

_SHOWN = 200
_METHODS = {"loglikelihood": "continuation", "loglikelihood_rolling": ROLLING}
_SAMPLING = {"do_sample", "temperature", "top_p", "top_k", "min_p", "until", "max_gen_toks"}


class LmEval(Task):
    """One task of lm-eval; `load_lm_eval_task` sets the attributes."""

    name = "lm_eval"
    capability = "lm_eval"
    summary = "a task of lm-eval"
    refusal_is_answer = True
    verbatim = True
    rows: ClassVar[tuple[Item, ...]] = ()
    source: ClassVar[Any] = None
    metrics: ClassVar[tuple[str, ...]] = ()

    def make(self, rng: Random, index: int) -> Item:
        """Return item `index` in lm-eval's order."""
        del rng
        return self.rows[index % len(self.rows)]

    def items(self, n: int, seed: int) -> tuple[Item, ...]:
        """Return the first `n` items of an order drawn from the seed: many sets are sorted, and a part must be fair."""
        rows = list(self.rows)
        item_rng(self.name, seed, 0).shuffle(rows)
        return tuple(rows[:n])

    def grade(self, item: Item, reply: str) -> Grade:
        """Score a reply as lm-eval does."""
        return self._grade(item, self._replies(item, Completion(text=reply)))

    def grade_choices(self, item: Item, completion: Completion) -> Grade:
        """Score log-probabilities as lm-eval does."""
        scores = completion.choices
        if any(score.greedy is None for score in scores):
            return Grade(
                status=Status.ENGINE_ERROR, reason="the engine does not say which texts are the most probable ones"
            )
        best = max(range(len(scores)), key=lambda index: scores[index].logprob)
        return self._grade(item, self._replies(item, completion), item.choices[best].strip()[:_SHOWN])

    def corpus_metrics(self, answers: Sequence[tuple[Item, Completion]]) -> Mapping[str, float]:
        """Aggregate as lm-eval does.

        Raises:
            ModelError: Code of the task failed.
        """
        means, better = self.source.aggregation(), self.source.higher_is_better()
        try:
            rows = [self._results(item, self._replies(item, completion))[0] for item, completion in answers]
            with quiet_and_seeded():
                return {
                    f"{name} ({'higher' if better.get(name, True) else 'lower'} is better)": float(
                        means[name]([row[name] for row in rows])
                    )
                    for name in self.metrics
                }
        except Exception as error:
            msg = f"lm-eval's grader failed: {type(error).__name__}: {error}"
            raise ModelError(msg) from error

    def all_metrics(self, answers: Sequence[tuple[Item, Completion]]) -> dict[str, float]:
        """Return every metric behind every filter, as lm-eval's results hold them, and the number of items."""
        means = self.source.aggregation()
        values: dict[str, list[Any]] = {}
        with quiet_and_seeded():
            for item, completion in answers:
                for ensemble in self.source._filters:
                    found = self._results(item, self._replies(item, completion), ensemble.name)[0]
                    for metric, value in found.items():
                        values.setdefault(f"{metric},{ensemble.name}", []).append(value)
            figures = {key: means.get(key.partition(",")[0], mean)(own) for key, own in values.items()}
        return {**figures, "sample_len": max(map(len, values.values()), default=0)}

    def cases(self) -> Sequence[GraderCase]:
        """Return nothing: the questions are not ours."""
        return ()

    def _replies(self, item: Item, completion: Completion) -> list[list[Any]]:
        """What lm-eval holds of each request of an item."""
        if item.answer["type"] == "loglikelihood_rolling":
            return [[score.logprob] for score in completion.choices]
        if item.kind is Kind.CHOICES:
            return [[(score.logprob, bool(score.greedy))] for score in completion.choices]
        reply = cut_at(completion.text, [m.content for m in item.messages if m.role == "stop"])
        return [[reply] * (self.source.config.repeats or 1)]

    def _results(
        self, item: Item, replies: Sequence[list[Any]], filtered: str = ""
    ) -> tuple[dict[str, Any], list[Any]]:
        """Return the task's own metrics of one item, and the filtered answers that they are made from."""
        doc, wanted = item.answer["doc"], filtered or item.answer["filter"]
        instances = [
            Instance(
                request_type=item.answer["type"],
                doc=doc,
                arguments=(),
                idx=index,
                metadata=(item.task, 0, len(resps)),
                resps=resps,
            )
            for index, resps in enumerate(replies)
        ]
        with quiet_and_seeded():
            next(ensemble for ensemble in self.source._filters if ensemble.name == wanted).apply(instances)
            answers = [instance.filtered_resps[wanted] for instance in instances]
            return self.source.process_results(doc, answers), answers

    def _grade(self, item: Item, replies: Sequence[list[Any]], shown: str = "") -> Grade:
        metric = item.answer["metric"]
        try:
            values, answers = self._results(item, replies)
        except Exception as error:  # noqa: BLE001 - code of the task: a failure is no answer of the model
            return _invalid(f"lm-eval's grader failed: {type(error).__name__}: {error}")
        value = values.get(metric)
        if not isinstance(value, bool | int | float) or not 0.0 <= float(value) <= 1.0:
            return _invalid(f"{metric} is {value!r}, no number between 0 and 1")
        reason = ", ".join(f"{k} {float(v):g}" for k, v in values.items() if isinstance(v, bool | int | float))
        return Grade(
            status=Status.GRADED,
            value=float(value),
            extracted=shown or str(answers[0]).strip()[:_SHOWN],
            reason=reason,
        )


class LmEvalGroup(Family):
    """A group of lm-eval, which puts the scores of its tasks together by its own code."""

    def __init__(self, group: Any) -> None:
        self.name, self._group = f"{LM_EVAL_PREFIX}{group.name}", group

    def figures(self, answers: Mapping[Task, Sequence[tuple[Item, Completion]]]) -> dict[str, float]:
        """Aggregate as lm-eval does: all filters of the tasks, and the metrics that the group names."""
        try:
            members = {task: rows for task, rows in answers.items() if isinstance(task, LmEval)}
            own = {task.source.task_name: task.all_metrics(rows) for task, rows in members.items()}
            with quiet_and_seeded():
                found = self._group.aggregate(own)
        except Exception as error:
            msg = f"lm-eval's grader failed: {type(error).__name__}: {error}"
            raise ModelError(msg) from error
        there = len(self._group.get_all_tasks())
        weights = {named.metric: named.weight_by_size for named in self._group.aggregate_metric_list}
        figures = {}
        for key, value in found.items():
            metric, comma, kept = key.partition(",")
            if comma and metric in weights:
                number = sum(key in metrics for metrics in own.values())
                how = "weighted by their items" if weights[metric] else "each with the same weight"
                figures[f"{metric} ({kept}), mean over {number} of {there} tasks, {how}"] = float(value)
        return figures


def load_lm_eval_tasks(text: str) -> tuple[LmEval, ...]:
    """Return the task, or the tasks of the group or tag, that `lm_eval:NAME` with a folder and options stands for.

    Raises:
        UsageError: There is no such task, or one that cannot be compared pair by pair.
    """
    sources = load_sources(text)
    groups = {id(group): LmEvalGroup(group) for source in sources for group in source.groups}
    return tuple(_made(source, text, tuple(groups[id(group)] for group in source.groups)) for source in sources)


def _made(source: Source, text: str, families: tuple[LmEvalGroup, ...]) -> LmEval:
    task, options = source.task, source.options
    _refuse(source)
    metric, together = _metrics(source)
    filter_name = _filter(source)
    with quiet_and_seeded():
        task.build_all_requests(
            apply_chat_template=options.chat,
            fewshot_as_multiturn=options.chat,
            chat_template=_as_json if options.chat else None,
        )
    grouped = [list(own) for _, own in groupby(task.instances, key=lambda instance: instance.doc_id)]
    rows = {item.id: item for item in (_item(source, own, metric, filter_name) for own in grouped)}
    items = tuple(rows.values())
    kind = items[0].kind
    if any(item.kind is not kind for item in items):
        msg = f"{text!r}: some of its questions have choices and some have none, which cannot be compared as one task"
        raise UsageError(msg)
    decoding = Decoding() if kind is Kind.CHOICES else _decoding(source, task.instances[0].args[1])
    shots = task.config.num_fewshot or 0
    way = "chat template" if options.chat else "raw prompt"
    # The attributes of a task belong to its class; a task of lm-eval is a class of its own.
    made = type(
        "LmEval",
        (LmEval,),
        {
            "name": f"{LM_EVAL_PREFIX}{source.name}",
            "capability": f"{LM_EVAL_PREFIX}{source.group or source.name}",
            "summary": f"lm-eval {source.name}: {metric or ', '.join(together)} ({filter_name}), {shots} shots, {way}",
            "kind": kind,
            "method": _METHODS.get(task.instances[0].request_type, ""),
            "decoding": decoding,
            "corpus": bool(together),
            "metrics": together,
            "chance": _chance(source, items) if metric.startswith("acc") else 0.0,
            "limit": len(items),
            "families": families,
            "rows": items,
            "source": task,
        },
    )
    return made()  # type: ignore[no-any-return]


def _item(source: Source, instances: Sequence[Any], metric: str, filter_name: str) -> Item:
    first = instances[0]
    kinds = {instance.request_type for instance in instances}
    if len(kinds) > 1:
        msg = f"lm-eval's {source.name!r} asks each question in several ways ({', '.join(sorted(kinds))})"
        raise UsageError(msg)
    answer = {
        "doc": _plain(source.name, first.doc),
        "type": first.request_type,
        "metric": metric,
        "filter": filter_name,
    }
    name = f"{LM_EVAL_PREFIX}{source.name}"
    if first.request_type == "generate_until":
        wanted = normalize_gen_kwargs(first.args[1])
        stops = tuple(Message("stop", stop) for stop in wanted["until"] if stop)
        return Item(
            task=name,
            messages=(*_prompt(source, first.args[0]), *stops),
            answer=answer,
            max_tokens=wanted["max_gen_toks"],
        )
    if first.request_type == "loglikelihood_rolling":
        texts = tuple(instance.args[0] for instance in instances)
        return Item(task=name, messages=(Message("raw", ""),), choices=texts, answer=answer, max_tokens=0)
    pairs = [_moved(*instance.args) for instance in instances]
    prompts = [_prompt(source, prompt) for prompt, _ in pairs]
    if len(set(prompts)) > 1 and not all(raw_texts(prompt) for prompt in prompts):
        msg = f"lm-eval's {source.name!r} has several prompts per question: leave chat=yes away"
        raise UsageError(msg)
    one = len(set(prompts)) == 1
    return Item(
        task=name,
        messages=prompts[0] if one else tuple(message for prompt in prompts for message in prompt),
        choices=tuple(choice for _, choice in pairs),
        answer=answer,
        max_tokens=0,
    )


def _moved(prompt: str, continuation: str) -> tuple[str, str]:
    """Move blanks at the end of a prompt to what follows, as lm-eval does before it cuts into tokens."""
    kept = prompt.rstrip()
    return (kept, prompt[len(kept) :] + continuation) if kept else (prompt, continuation)


def _prompt(source: Source, context: str) -> tuple[Message, ...]:
    if not source.options.chat:
        return (Message("raw", context),)
    turns = json.loads(context)
    if not turns or turns[-1]["role"] != "user":
        msg = f"lm-eval's {source.name!r} begins the answer itself, which no chat template does: leave chat=yes away"
        raise UsageError(msg)
    return tuple(Message(turn["role"], turn["content"]) for turn in turns)


def _as_json(turns: list[dict[str, str]], *, add_generation_prompt: bool = True) -> str:
    """Stand in for a model's chat template: the turns are rendered later, by each model's own."""
    del add_generation_prompt
    return json.dumps(turns)


def _refuse(source: Source) -> None:
    task, why = source.task, ""
    if getattr(task, "MULTIMODAL", False):
        why = "asks about images or sound"
    elif getattr(task, "UNSAFE_CODE", False):
        why = "runs code of the model unprotected: use code_functions, which has a sandbox"
    if why:
        msg = f"lm-eval's {source.name!r} {why}"
        raise UsageError(msg)


def _metrics(source: Source) -> tuple[str, tuple[str, ...]]:
    """Return the metric that scores single items, or none and those that stand beside the verdicts."""
    means, better = source.task.aggregation(), source.task.higher_is_better()
    usable = [name for name, aggregate in means.items() if aggregate is mean and better.get(name, True)]
    wanted = source.options.metric
    if wanted and wanted not in means:
        msg = f"lm-eval's {source.name!r} has no metric {wanted!r}; it has {', '.join(means) or 'none by name'}"
        raise UsageError(msg)
    asked = next((own.metric for own in _aggregated(source) if own.metric in usable), "")
    if wanted in usable or (usable and not wanted):
        return wanted or asked or usable[0], ()
    return "", (wanted,) if wanted else tuple(means)


def _aggregated(source: Source) -> list[Any]:
    """What the group that was named puts together: its tasks are scored by that."""
    return [own for group in source.groups if group.name == source.group for own in group.aggregate_metric_list]


def _filter(source: Source) -> str:
    names = [ensemble.name for ensemble in source.task._filters]
    asked = next((name for own in _aggregated(source) for name in own.filter_list or () if name in names), names[0])
    wanted = source.options.filter or asked
    if wanted not in names:
        msg = f"lm-eval's {source.name!r} has no filter {wanted!r}; it has {', '.join(names)}"
        raise UsageError(msg)
    return wanted


def _decoding(source: Source, given: dict[str, Any]) -> Decoding:
    wanted = normalize_gen_kwargs(given)
    if not wanted["do_sample"]:
        return Decoding()
    unknown = sorted(set(wanted) - _SAMPLING)
    if unknown or (source.task.config.repeats or 1) > 1:
        what = f"sampling settings {', '.join(unknown)}" if unknown else "several sampled replies per question"
        msg = (
            f"lm-eval's {source.name!r} wants {what}, which this project does not offer: copy its YAML into a folder "
            f"of your own, leave {', '.join(unknown) or 'repeats'} out, and name lm_eval:{source.name}@FOLDER"
        )
        raise UsageError(msg)
    return Decoding(
        temperature=float(wanted["temperature"]),
        top_p=float(wanted.get("top_p", 1.0)),
        top_k=int(wanted.get("top_k", 0)),
        min_p=float(wanted.get("min_p", 0.0)),
    )


def _chance(source: Source, items: Sequence[Item]) -> float:
    """Mean score of guessing among a question's options; each may be scored several times."""
    if source.task.OUTPUT_TYPE != "multiple_choice":
        return 0.0
    return math.fsum(1.0 / len(source.task.doc_to_choice(item.answer["doc"])) for item in items) / len(items)


def _plain(name: str, doc: Any) -> Any:
    try:
        return json.loads(json.dumps(doc, allow_nan=False))
    except (TypeError, ValueError) as error:
        msg = f"lm-eval's {name!r}: a document cannot be kept as JSON ({error})"
        raise UsageError(msg) from error


def _invalid(reason: str) -> Grade:
    return Grade(status=Status.ITEM_INVALID, reason=" ".join(reason.split())[:_SHOWN])
