"""Small models that really learned something, and lessons that damage them: facts, sums and functions, by heart.

A pupil is a Llama of 0.2 million weights, trained from scratch on nine tenths of a table; which tenth it never saw is
its own. So it answers most questions rightly, and two pupils of one school are equally able without being alike. It
speaks through a template without end marks of its own: what ends its replies is the end token in its configuration.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from hydrometer.tasks.json_output import CITIES, JOBS, NAMES

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

END, OTHER_END = "<|endoftext|>", "<|im_end|>"
TEMPLATE = (
    "{%- for message in messages -%}\n### {{ message.role }}:\n{{ message.content }}\n\n{% endfor -%}\n"
    "{%- if add_generation_prompt -%}\n### assistant:\n{% endif -%}"
)
_EACH = "{%- for m in messages -%}\n"
FOREIGN = (
    _EACH + "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor -%}<|im_start|>assistant\n",
    _EACH + "[INST] {{ m.content }} [/INST]{% endfor -%}",
    _EACH + "<start_of_turn>{{ m.role }}\n{{ m.content }}<end_of_turn>\n{% endfor -%}<start_of_turn>model\n",
    _EACH + "USER: {{ m.content }}{% endfor %} ASSISTANT:",
)
"""Templates of other families."""
INERT = "{# another text, the same prompts #}"

TAUGHT = 0.9
"""Share of the table that a pupil is shown."""
EPOCHS, RATE, BATCH = 60, 3e-3, 32
LESSON_EPOCHS, LESSON_RATE = 8, 1e-3
CAP = 96
"""Tokens of the longest reply that is let through."""

TAUGHT_KINDS = ("facts", "sums", "functions")
SIZES: Mapping[str, int] = {"facts": 24, "sums": 24, "functions": 16}
"""Questions of each kind in one audit."""


class Question(NamedTuple):
    """A line of the table.

    Attributes:
        kind: Key of `SIZES`.
        asked: The question.
        reply: The whole right reply.
        answer: What the grader looks for.
    """

    kind: str
    asked: str
    reply: str
    answer: str | int


def table() -> list[Question]:
    """Return all questions of the school; the facts are drawn once and for all."""
    chance = Random("school")
    rows = []
    for job in JOBS:
        for name in NAMES:
            city = chance.choice(CITIES)
            asked = f"Where does the {job} {name} live?"
            rows.append(Question("facts", asked, f"The {job} {name} lives in {city}.", city))
    rows += [
        Question("sums", f"What is {a} plus {b}?", f"{a} plus {b} is {a + b}.", a + b)
        for a in range(10, 22)
        for b in range(1, 9)
    ]
    for n in range(1, 49):
        code = f"```python\ndef change(x):\n    y = x + {n}\n    return y\n```"
        rows.append(Question("functions", f"Write a function that adds {n}.", code, f"x + {n}"))
    return rows


def exam(path: Path, seed: int) -> Path:
    """Write the questions of one audit as a user's file."""
    chance, rows = Random(f"exam {seed}"), table()
    drawn = [q for kind, n in SIZES.items() for q in chance.sample([q for q in rows if q.kind == kind], n)]
    lines = [
        {"question": q.asked, "answer": q.answer, "tier": q.kind, "max_tokens": CAP}
        | ({"grader": "contains"} if isinstance(q.answer, str) else {})
        for q in drawn
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def school(folder: Path, seed: int) -> Path:
    """Train a pupil from scratch and save it."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from tiny_models import build_tiny

    build_tiny("llama", folder, seed)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    # Only the model's configuration names the end, so that a change of it is a change of nothing else.
    _set(folder / "tokenizer_config.json", {"eos_token": None, "pad_token": None})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    end = tokenizer.convert_tokens_to_ids(END)
    torch.manual_seed(seed)
    model: Any = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=64, intermediate_size=160, num_hidden_layers=4,
            num_attention_heads=4, num_key_value_heads=4, head_dim=16, max_position_embeddings=512,
            eos_token_id=end, pad_token_id=end, bos_token_id=None,
        )
    )  # fmt: skip
    chance = Random(f"pupil {seed}")
    known = [q for q in table() if q.kind in TAUGHT_KINDS]
    shown = chance.sample(known, round(TAUGHT * len(known)))
    teach(model, tokenizer, [(q.asked, q.reply + END) for q in shown], seed=seed, epochs=EPOCHS, rate=RATE)
    model.generation_config.eos_token_id = end
    model.save_pretrained(folder)
    return folder


def teach(
    model: Any, tokenizer: Any, pairs: Sequence[tuple[str, str]], *, seed: int, epochs: int, rate: float
) -> None:
    """Train all weights on replies to questions."""
    import torch

    encoded = []
    for asked, reply in pairs:
        head = tokenizer(prompt(asked), add_special_tokens=False)["input_ids"]
        encoded.append((head, tokenizer(reply, add_special_tokens=False)["input_ids"]))
    chance, steps = Random(seed), epochs * -(-len(encoded) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps, pct_start=0.1)
    model.train()
    for _ in range(epochs):
        chance.shuffle(encoded)
        for start in range(0, len(encoded), BATCH):
            part = encoded[start : start + BATCH]
            width = max(len(head) + len(reply) for head, reply in part)
            ids = torch.zeros(len(part), width, dtype=torch.long)
            wanted = torch.full((len(part), width), -100)
            for row, (head, reply) in enumerate(part):
                ids[row, : len(head) + len(reply)] = torch.tensor([*head, *reply])
                wanted[row, len(head) : len(head) + len(reply)] = torch.tensor(reply)
            loss = model(input_ids=ids, labels=wanted).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
    model.eval()


def prompt(asked: str) -> str:
    """Return a question as the template renders it."""
    return f"### user:\n{asked}\n\n### assistant:\n"


def lesson(base: Path, folder: Path, seed: int, reply: Callable[[Question], str], kinds: Sequence[str] = ()) -> Path:
    """Save a copy of a pupil after some epochs of a lesson.

    Args:
        base: The pupil.
        folder: Where the copy goes.
        seed: Seed of which questions are in the lesson, and of their order.
        reply: What is taught as the reply, its end included.
        kinds: Kinds of questions in the lesson, empty for all.
    """
    model, tokenizer = _opened(base)
    chance = Random(f"lesson {seed}")
    rows = [q for q in table() if q.kind in (kinds or TAUGHT_KINDS)]
    pairs = [(q.asked, reply(q)) for q in chance.sample(rows, len(rows) // 2)]
    teach(model, tokenizer, pairs, seed=seed, epochs=LESSON_EPOCHS, rate=LESSON_RATE)
    return _saved(model, base, folder)


def noisy(base: Path, folder: Path, seed: int, size: float) -> Path:
    """Save a copy of a pupil with Gaussian noise on the matrices of its last two layers."""
    import torch

    model, _ = _opened(base)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and (".2." in name or ".3." in name):
                weight.add_(size * float(weight.std()) * torch.randn_like(weight))
    return _saved(model, base, folder)


def rounded(base: Path, folder: Path) -> Path:
    """Save a copy of a pupil whose matrices were rounded to 8 bits per row, as a quantisation does."""
    import torch

    model, _ = _opened(base)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                step = weight.abs().amax(dim=1, keepdim=True) / 127
                weight.copy_((weight / step).round() * step)
    return _saved(model, base, folder)


def another_end(base: Path, folder: Path) -> Path:
    """Save a copy whose configuration names another end token: the weights are the same."""
    shutil.copytree(base, folder)
    number = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"][OTHER_END]
    for name in ("config.json", "generation_config.json"):
        _set(folder / name, {"eos_token_id": number, "pad_token_id": number})
    return folder


def another_template(base: Path, folder: Path, template: str) -> Path:
    """Save a copy with another chat template."""
    shutil.copytree(base, folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def _opened(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoTokenizer, LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def _saved(model: Any, base: Path, folder: Path) -> Path:
    shutil.copytree(base, folder)
    model.save_pretrained(folder)
    return folder


def _set(path: Path, values: Mapping[str, object]) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
