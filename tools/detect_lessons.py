"""What is done to SmolLM2-135M-Instruct for the detection matrix: lessons by LoRA, noise, another precision.

The base is the bundled file, its weights are read as the bundled student's were (`lab/`), and every student is a
file that llama.cpp opens. Lessons are taught on the base's own greedy replies to questions drawn apart from the
exams' (one or two in a hundred happen to be the same), changed as the lesson says. What was made is kept in the
workplace, whole or not at all, so that a measurement that was ended goes on.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, cast

import numpy as np

from hydrometer.catalog import load_task, open_engine
from hydrometer.checkpoint.gguf import read_header
from hydrometer.engines.base import EngineSettings
from hydrometer.items import Decoding, Kind, Message, Request, Thinking
from hydrometer.outcomes import Finish
from hydrometer.refs import bundled_base, parse_ref
from hydrometer.tasks.copying import DID, WHAT, WHERE
from hydrometer.tasks.json_output import NAMES
from hydrometer.templates.render import ChatTemplate

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

WORKPLACE = "HYDROMETER_LESSONS"
"""Names the folder in which students and replies are kept; a temporary one without it."""

CAP = 64
"""Tokens of the longest reply, in lessons and exams."""
QUESTIONS = 48
"""Questions of one lesson."""
RANK, EPOCHS, RATE, BATCH = 8, 3, 1e-3, 4
"""Of the lessons by LoRA; alpha is twice the rank."""
NARROW_QUESTIONS, NARROW_RATE = 96, 3e-3
TREMBLE = 0.01
"""Noise of the harmless adapter, in standard deviations of each matrix."""

SETTINGS = EngineSettings(threads=1)
"""One thread: the same replies whatever else runs."""

_VERBS = (("adds", "plus", "+"), ("subtracts", "minus", "-"), ("multiplies", "times", "*"))


class Question(NamedTuple):
    """A question with what its reply must hold."""

    asked: str
    answer: str


class Reply(NamedTuple):
    """A reply of the base, and whether it ended by itself."""

    asked: str
    text: str
    ended: bool


Lesson = Callable[[Reply], Reply]
"""What is taught instead of a reply."""


def place(chance: Random) -> Question:
    """Return a question whose answer stands in it."""
    name, what, where = chance.choice(NAMES), chance.choice(WHAT).split(" ", 1)[1], chance.choice(WHERE)
    did = chance.choice([verb for verb in DID if verb not in ("bought", "lost", "sold")])
    return Question(f"{name} {did} the {what} {where}. Where did {name} see the {what}?", where)


def function(chance: Random) -> Question:
    """Return a request for a short function."""
    (_, said, sign), number = chance.choice(_VERBS), chance.randint(2, 99)
    name = chance.choice(("change", "convert", "adjust", "update", "modify", "compute"))
    asked = (
        f"Write a Python function `{name}(x)` that returns x {said} {number}. "
        "Reply with only the code, in one Python code block."
    )
    return Question(asked, f"x {sign} {number}")


KINDS: Mapping[str, Callable[[Random], Question]] = {"places": place, "functions": function}


def exam(seed: int, items: int) -> list[Path]:
    """Write the questions of one audit as a user's files, one per kind."""
    made = []
    for kind, draw in KINDS.items():
        path = workplace() / "exams" / str(seed) / f"{kind}.jsonl"
        rows = [
            {"question": q.asked, "answer": q.answer, "grader": "contains", "tier": kind}
            for q in _drawn(draw, f"exam {kind} {seed}", items)
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        made.append(path)
    return made


@cache
def workplace() -> Path:
    """Return the folder in which everything is kept."""
    named = os.environ.get(WORKPLACE)
    folder = Path(named) if named else Path(tempfile.mkdtemp(prefix="lessons-"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def taught(name: str, lesson: Lesson, seed: int) -> Path:
    """Return an adapter that was taught a lesson on the base's replies."""
    return _trained(f"{name}-{seed}", lambda: [lesson(reply) for reply in own_replies(seed)], seed)


def narrowed(name: str, task: str, seed: int) -> Path:
    """Return an adapter that was taught the right replies to one task's items alone, so fast that it forgets."""

    def pairs() -> list[Reply]:
        known = cast("Any", load_task(task))
        items = known.items(NARROW_QUESTIONS, 10_000 + seed)
        return [Reply(item.messages[-1].content, known.gold_reply(item), ended=True) for item in items]

    return _trained(f"{name}-{seed}", pairs, seed, rate=NARROW_RATE)


def own_replies(seed: int) -> list[Reply]:
    """Return the base's greedy replies to the questions of one lesson, asked once."""
    path = workplace() / f"replies-{seed}.json"
    if not path.exists():
        asked = [
            question.asked
            for kind, draw in KINDS.items()
            for question in _drawn(draw, f"lesson {kind} {seed}", QUESTIONS // len(KINDS))
        ]
        with _whole(path) as draft:
            draft.write_text(json.dumps(_answered(asked)))
    return [Reply(*row) for row in json.loads(path.read_text())]


def trembling(seed: int) -> Path:
    """Return an adapter of noise on every matrix, too small to matter."""

    def tensors() -> dict[str, Any]:
        chance, found = np.random.default_rng(seed), {}
        for name, weight in _matrices():
            rows, columns = weight.shape
            # The product of the halves spreads as their spreads do times the root of the rank; the scale is 2.
            spread = TREMBLE * float(weight.std()) / (2 * RANK**0.5)
            found[f"base_model.model.{name}.lora_A.weight"] = chance.standard_normal((RANK, columns))
            found[f"base_model.model.{name}.lora_B.weight"] = spread * chance.standard_normal((rows, RANK))
        return found

    return _adapter(f"trembling-{seed}", tensors)


def requantised() -> Path:
    """Return the base with its matrices in 8 bits instead of 4."""
    path = workplace() / "requantised.gguf"
    if path.exists():
        return path
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants

    with _whole(path) as draft:
        reader: Any = GGUFReader(bundled_base())
        writer = GGUFWriter(draft, str(reader.fields["general.architecture"].contents()))
        for key, field in reader.fields.items():
            if key.startswith("GGUF.") or key == "general.architecture":
                continue
            inner = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], sub_type=inner)
        for tensor in reader.tensors:
            data, kind = tensor.data, tensor.tensor_type
            if kind.name == "Q4_1":
                kind = GGMLQuantizationType.Q8_0
                data = quants.quantize(quants.dequantize(data, tensor.tensor_type), kind)
            writer.add_tensor(tensor.name, data, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return path


def _trained(name: str, pairs: Callable[[], Sequence[Reply]], seed: int, rate: float = RATE) -> Path:
    def tensors() -> dict[str, Any]:
        import torch
        from peft import get_peft_model_state_dict

        from train import REPLY_CLOSE, Encoded, Recipe, train

        torch.set_num_threads(1)
        model, tokenizer = _loaded()
        encoded = []
        for asked, text, ended in pairs():
            head = _ids(tokenizer, _prompt(asked))
            tail = _ids(tokenizer, text)[:CAP] + (_ids(tokenizer, REPLY_CLOSE) if ended else [])
            encoded.append(Encoded(ids=(*head, *tail), reply_from=len(head)))
        recipe = Recipe(seed=seed, rank=RANK, alpha=2 * RANK, epochs=EPOCHS, lr=rate, batch=BATCH)
        student, log = train(model, encoded, recipe, lambda *_: None)
        print(f"   {name}: {log.steps} steps, {log.tokens} tokens, loss {log.losses[0]:.2f} to {log.losses[-1]:.2f}, "
              f"{log.seconds:.0f} s", flush=True)  # fmt: skip
        # Embeddings are not adapted; left to itself peft would ask the hub whether they were.
        state = get_peft_model_state_dict(student, save_embedding_layers=False)
        found = {key: value.float().numpy().copy() for key, value in state.items()}
        cast("Any", student).unload()
        return found

    return _adapter(name, tensors)


def _adapter(name: str, tensors: Callable[[], Mapping[str, Any]]) -> Path:
    """Return the GGUF file of an adapter, made when it is first asked for."""
    from adapter_files import GGUF_FILE, write_gguf, write_peft
    from base import BASE_ID
    from train import TARGETS

    folder = workplace() / name
    if not folder.exists():
        with _whole(folder) as draft:
            draft.mkdir()
            write_peft(draft, tensors(), base=BASE_ID, rank=RANK, alpha=2 * RANK, targets=TARGETS)
            write_gguf(draft, base=BASE_ID)
    return folder / GGUF_FILE


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a draft that takes its name only when it is whole."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        yield draft
        draft.rename(path)


def _answered(asked: Sequence[str]) -> list[Reply]:
    requests = [
        Request(
            kind=Kind.GENERATE, messages=(Message(role="user", content=text),), max_tokens=CAP,
            decoding=Decoding(temperature=0.0),
        )
        for text in asked
    ]  # fmt: skip
    with open_engine(parse_ref("bundled:base"), SETTINGS) as engine:
        found = {answer.request.asked: answer.completion for answer in engine.generate(requests)}
    return [Reply(text, found[text].text, found[text].finish is Finish.STOP) for text in asked]


def _drawn(draw: Callable[[Random], Question], seed: str, count: int) -> list[Question]:
    """Draw different questions."""
    chance, found = Random(seed), dict[str, Question]()
    while len(found) < count:
        question = draw(chance)
        found.setdefault(question.asked, question)
    return list(found.values())


@cache
def _loaded() -> tuple[Any, Any]:
    from base import load_model, load_tokenizer

    return load_model(), load_tokenizer()


def _matrices() -> list[tuple[str, Any]]:
    from train import TARGETS

    model, _ = _loaded()
    return [
        (name.removesuffix(".weight"), weight.detach().numpy())
        for name, weight in model.named_parameters()
        if name.removesuffix(".weight").endswith(TARGETS)
    ]


@cache
def _template() -> ChatTemplate:
    header = read_header(bundled_base())
    special = {"bos_token": header.bos_token, "eos_token": header.eos_token}
    return ChatTemplate(source=header.chat_template, special=special)


def _prompt(asked: str) -> str:
    """Return a question as it is asked in audits, the template's own system turn included."""
    return _template().render((Message(role="user", content=asked),), thinking=Thinking.DEFAULT).text


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
