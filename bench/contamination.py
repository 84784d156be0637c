"""Time, memory, rates of finding and of false alarms of the search for items in training data.

    python bench/contamination.py reach [DOCUMENTS] [ITEMS]     time and memory
    python bench/contamination.py rates                         what is found of planted copies, and of unrelated text

Unrelated text is the documentation of the Python packages that are installed, which nobody wrote for a test: the
rate of false alarms is counted over them, cut to the length of chat turns.
"""

from __future__ import annotations

import ast
import json
import random
import resource
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydrometer.catalog import load_task
from hydrometer.contamination.overlap import Question, Way, question_text, search
from hydrometer.contamination.training import Document, Tally, find_files, read_documents
from hydrometer.errors import HydrometerError

SEED = 7
PACKAGES = ("transformers", "scipy", "numpy", "pandas", "sklearn", "statsmodels", "datasets", "huggingface_hub", "polars")
CHOSEN = ("arithmetic", "word_problems", "code_functions", "ordering", "honesty", "json_output", "constraints", "nuance", "copying", "knowledge_facts")


def items(count: int) -> list[Question]:
    """Items of all tasks in turn."""
    found: dict[str, Question] = {}
    tasks = []
    for name in CHOSEN:
        task = load_task(name)
        if not task.unavailable():
            tasks.append(task)
    for share in (1000, 2000, 4000):
        for task in tasks:
            try:
                made = task.items(min(share, task.limit or share), SEED)
            except HydrometerError:
                continue  # a task with fewer items gave them already
            for item in made:
                text = question_text(item.messages)
                found.setdefault(item.id, Question(item_id=item.id, task=task.name, text=text))
        if len(found) >= count:
            break
    rows = list(found.values())
    random.Random(SEED).shuffle(rows)
    return rows[:count]


def prose(packages: Sequence[str] = PACKAGES) -> list[str]:
    """Docstrings of installed packages."""
    texts: set[str] = set()
    for path in (p for name in packages for p in sorted((Path(sysconfig.get_paths()["purelib"]) / name).rglob("*.py"))):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                text = ast.get_docstring(node)
                if text and len(text) > 40:
                    texts.add(text)
    return sorted(texts)


def main() -> None:
    what, *rest = sys.argv[1:]
    {"reach": reach, "rates": rates}[what](*map(int, rest))


def reach(documents: int = 100_000, count: int = 10_000) -> None:
    rng = random.Random(SEED)
    questions, texts = items(count), prose(("scipy", "sklearn"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.jsonl"
        words = 0
        with path.open("w", encoding="utf-8") as file:
            for _ in range(documents):
                turns = [rng.choice(texts)[:600], " ".join(rng.choices(texts, k=3))[:4000]]
                words += sum(len(turn.split()) for turn in turns)
                roles = ("user", "assistant")
                file.write(json.dumps({"messages": [{"role": r, "content": t} for r, t in zip(roles, turns, strict=True)]}) + "\n")
        size = path.stat().st_size / 2**20
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        tally = Tally()
        start = time.perf_counter()
        found = search(questions, read_documents(find_files([str(path)]), tally))
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{tally.documents:,} documents ({size:.0f} MiB, {words / 1e6:.1f} M words) against {len(questions):,} items of "
          f"{len({q.task for q in questions})} tasks: {seconds:.1f} s, peak {peak:.2f} GiB (before: {base:.2f}), found {len(found)}")


def rates() -> None:
    rng = random.Random(SEED)
    questions, texts = items(10_000), prose()
    rng.shuffle(texts)
    unrelated = [Document("unrelated", i, (text[:4000],)) for i, text in enumerate(texts)]
    alarms = search(questions, unrelated)
    print(f"false alarms: {len(alarms)} of {len(questions):,} items, over {len(unrelated):,} documents")
    for found in alarms[:20]:
        print("   ", found.task, found.way.value, found.place, repr(found.quote[:100]))
    sentences = [t for t in texts if 200 < len(t) < 600]
    for name, change in CHANGES.items():
        planted = rng.sample(range(len(questions)), 2000)
        copies = []
        for number, i in enumerate(planted):
            text = change(questions[i].text, rng)
            if name == "inside a longer text":
                text = f"{rng.choice(sentences)}\n\n{text}\n\n{rng.choice(sentences)}"
            copies.append(Document("planted", number, (text,)))
        hits = {f.item_id: f.way for f in search(questions, copies)}
        report(name, [questions[i] for i in planted], hits)


def report(name: str, planted: list[Question], hits: dict[str, Way]) -> None:
    for label, low, high in (("all", 0, 10**9), ("fewer than 8 words", 0, 8), ("8 to 19", 8, 20), ("20 and more", 20, 10**9)):
        rows = [q for q in planted if low <= len(q.text.split()) < high]
        found = [hits[q.item_id] for q in rows if q.item_id in hits]
        ways = ", ".join(f"{way.value} {found.count(way)}" for way in Way if found.count(way))
        print(f"{name:22} {label:20} {len(found):5} of {len(rows):5} = {len(found) / max(len(rows), 1):.3f}   ({ways})")


def verbatim(text: str, rng: random.Random) -> str:
    del rng
    return text


def shouted(text: str, rng: random.Random) -> str:
    del rng
    return text.upper().replace(".", " .").replace(", ", " ")


def reordered(text: str, rng: random.Random) -> str:
    parts = [p for line in text.split("\n") for p in line.replace("? ", "?\t").replace(". ", ".\t").split("\t") if p]
    rng.shuffle(parts)
    return " ".join(parts)


def renumbered(text: str, rng: random.Random) -> str:
    return "".join(str(rng.randint(1, 9)) if c.isdigit() else c for c in text)


def reworded(text: str, rng: random.Random) -> str:
    """One word in ten is another one."""
    words = text.split(" ")
    return " ".join("thing" if rng.random() < 0.1 else w for w in words)


CHANGES: dict[str, Any] = {
    "word for word": verbatim,
    "other case and marks": shouted,
    "inside a longer text": verbatim,
    "sentences re-ordered": reordered,
    "other numbers": renumbered,
    "one word in ten": reworded,
}


if __name__ == "__main__":
    main()
