"""Make the bundled student: a sequence-level distillation of SmolLM2-135M-Instruct, from prompts to files.

Run it as `python lab/distill.py --out DIR`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adapter_files import CONFIG_FILE, GGUF_FILE, PEFT_FILE, write_gguf, write_peft
from base import BASE_ID, FILE, PACKAGE, BaseNotFoundError, base_file, load_model, load_tokenizer
from card import write_card
from dataset import Dataset, build
from problems import draw
from solver import KINDS
from teachers import HttpTeacher, SolverTeacher, Teacher, TeacherError, open_teacher
from train import TARGETS, Recipe, TrainLog, encode, train

DEFAULT = Recipe()
RECIPE_FILE, CARD_FILE = "recipe.json", "README.md"
console = Console(stderr=True)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(  # noqa: PLR0913 - one argument per option of the command line
    out: Annotated[Path, typer.Option(help="Folder for the student, or for data.jsonl with --data-only.")],
    seed: Annotated[int, typer.Option(help="Decides problems, order and initial weights.")] = DEFAULT.seed,
    samples: Annotated[int, typer.Option(min=1, help="Problems put to the teacher.")] = DEFAULT.samples,
    rank: Annotated[int, typer.Option(min=1, help="Rank; alpha is twice that.")] = DEFAULT.rank,
    epochs: Annotated[int, typer.Option(min=1)] = DEFAULT.epochs,
    lr: Annotated[float, typer.Option(min=0.0, help="Peak learning rate.")] = DEFAULT.lr,
    max_reply_tokens: Annotated[
        int, typer.Option(min=1, help="Longer replies are dropped, as in public recipes.")
    ] = DEFAULT.max_reply_tokens,
    teacher: Annotated[str | None, typer.Option(help="URL#model of a server; default: the solver.")] = None,
    data_only: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--data-only", help="Write the JSON lines and stop.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Ask the teacher, filter its replies, train a LoRA adapter on them and write it with its card."""
    recipe = Recipe(
        seed=seed,
        samples=samples,
        rank=rank,
        alpha=2 * rank,
        epochs=epochs,
        lr=lr,
        max_reply_tokens=max_reply_tokens,
    )
    try:
        asked = open_teacher(teacher)
        tokenizer: Any = load_tokenizer()
        data = collect(asked, recipe, tokenizer)
    except (TeacherError, BaseNotFoundError, ValueError) as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    out.mkdir(parents=True, exist_ok=True)
    if data_only:
        data.write(out / "data.jsonl")
    else:
        fit(out, recipe, data, asked, tokenizer, threads)
    console.print(f"{data.counts}", markup=False, soft_wrap=True)


def collect(teacher: SolverTeacher | HttpTeacher, recipe: Recipe, tokenizer: Any) -> Dataset:
    """Ask the teacher every problem of the recipe, with a progress bar, and filter the replies."""
    with _progress() as bar:
        problems = bar.track(
            draw(KINDS, recipe.samples, recipe.seed),
            total=recipe.samples,
            description=f"asking {teacher.name}",
        )
        return build(
            problems,
            teacher,
            count_tokens=lambda text: len(_tokenize(tokenizer, text)),
            max_reply_tokens=recipe.max_reply_tokens,
        )


def fit(out: Path, recipe: Recipe, data: Dataset, teacher: Teacher, tokenizer: Any, threads: int) -> None:
    """Train on the data and write the student: both adapter files, card and recipe."""
    import torch
    from peft import get_peft_model_state_dict

    torch.set_num_threads(threads)
    encoded = [encode(sample, lambda text: _tokenize(tokenizer, text)) for sample in data.samples]
    with _progress() as bar:
        task = bar.add_task("loading the base", total=None)
        model = load_model()
        student, log = train(
            model,
            encoded,
            recipe,
            lambda step, steps, loss: bar.update(
                task, completed=step, total=steps, description=f"training, loss {loss:.3f}"
            ),
        )
    # Embeddings are not adapted; left to itself peft would ask the hub whether they were.
    state = get_peft_model_state_dict(student, save_embedding_layers=False)
    tensors = {name: value.float().numpy() for name, value in state.items()}
    write_peft(out, tensors, base=BASE_ID, rank=recipe.rank, alpha=recipe.alpha, targets=TARGETS)
    write_gguf(out, base=BASE_ID)
    made = record(out, recipe, data, teacher, log)
    (out / RECIPE_FILE).write_text(json.dumps(made, indent=2) + "\n")
    (out / CARD_FILE).write_text(write_card(made))


def record(out: Path, recipe: Recipe, data: Dataset, teacher: Teacher, log: TrainLog) -> dict[str, Any]:
    """Return what is needed to make the student again and to recognise it."""
    lengths = [sample.reply_tokens for sample in data.samples]
    return {
        "recipe": dataclasses.asdict(recipe),
        "teacher": teacher.name,
        "base": {"id": BASE_ID, "package": PACKAGE, "file": FILE, "sha256": _sha256(base_file())},
        "data": {
            "sha256": data.sha256(),
            **dataclasses.asdict(data.counts),
            "dropped_long_by_kind": data.long_kinds,
            "mean_reply_tokens": round(fmean(lengths), 1),
        },
        "training": {
            "steps": log.steps,
            "tokens": log.tokens,
            "reply_tokens": log.reply_tokens,
            "seconds": round(log.seconds, 1),
            "loss_first_10_steps": round(fmean(log.losses[:10]), 4),
            "loss_last_10_steps": round(fmean(log.losses[-10:]), 4),
        },
        "files": {name: _sha256(out / name) for name in (PEFT_FILE, CONFIG_FILE, GGUF_FILE)},
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("torch", "transformers", "peft", "gguf", PACKAGE)},
        },
    }


def _tokenize(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


if __name__ == "__main__":
    sys.exit(app())
