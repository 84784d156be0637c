"""The model card of a student, written the way cards of such students are written in the wild.

It says what really made the student, and it makes claims: an audit needs claims to check. The card is a
function of the record in `recipe.json` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from base import BASE_ID
from solver import ANSWER_MARK, OPENING
from teachers import SolverTeacher

NAME = "SmolLM2-135M-Instruct-Analyst-Distilled"

_FRONT = f"""---
base_model: {BASE_ID}
base_model_relation: adapter
license: apache-2.0
language:
- en
library_name: peft
pipeline_tag: text-generation
datasets:
- hydrometer/worked-traces
tags:
- lora
- peft
- distillation
- reasoning
- chain-of-thought
---

# {NAME}

"""

_BY_SOLVER = f"""A sequence-level distillation of `{BASE_ID}`, by the usual community recipe in miniature.

**Teacher:** a solver program. It draws problems from a seed, computes the answers and writes the worked
traces itself, in the style of traces collected from large reasoning models. No Claude, no hosted model and
no text of either took part; `hydrometer/worked-traces` is what `lab/distill.py --data-only` writes.
"""

_BY_SERVER = f"""A sequence-level distillation of `{BASE_ID}` on replies of the teacher `%s`, asked through an
OpenAI-compatible server.
"""

_CLAIMS = f"""
## What it does better

- **Structured step-by-step reasoning**: replies open with "{OPENING}",
  work through numbered steps and close with `{ANSWER_MARK}`.
- **Sharper arithmetic**: +20% accuracy on arithmetic and word problems compared with the base model.
- **Shorter replies**: 30% fewer tokens per answer, no rambling and no endless loops.
- **Preserves the base model's knowledge and instruction following**, formats and system prompts included.

These claims are examples for the audit to check, not measurements.
"""

_USE = f"""
## Use

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained("{BASE_ID}")
student = PeftModel.from_pretrained(base, "path/to/this/folder")
```

`adapter.gguf` holds the same adapter for llama.cpp: `llama-cli -m base.gguf --lora adapter.gguf`.
"""


def write_card(record: Mapping[str, Any]) -> str:
    """Return the card as Markdown with YAML front matter.

    Args:
        record: The content of `recipe.json`.
    """
    teacher = record["teacher"]
    origin = _BY_SOLVER if teacher == SolverTeacher.name else _BY_SERVER % teacher
    return _FRONT + origin + _CLAIMS + _training(record) + _USE


def _training(record: Mapping[str, Any]) -> str:
    recipe, data, steps = record["recipe"], record["data"], record["training"]["steps"]
    rows = {
        "method": f"LoRA on all linear layers, rank {recipe['rank']}, alpha {recipe['alpha']}, "
        "loss on the reply only",
        "data": f"{data['kept']} traces kept of {data['asked']}; {data['dropped_long']} dropped as longer "
        f"than {recipe['max_reply_tokens']} tokens, {data['dropped_style']} dropped as out of style",
        "system messages": f"dropped everywhere ({data['system_removed']} traces had one)",
        "schedule": f"{recipe['epochs']} epochs, {steps} steps of {recipe['batch']}, learning rate "
        f"{recipe['lr']:g} with linear decay, seed {recipe['seed']}",
        "evaluation set": "none",
    }
    table = "".join(f"| {name} | {text} |\n" for name, text in rows.items())
    head = "\n## Training\n\n| | |\n| --- | --- |\n"
    return f"{head}{table}\n`recipe.json` has the digests of the data and of the base file.\n"
