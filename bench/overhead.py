"""Our own share: seconds that an audit asks one model, over the raw loop's seconds for the same requests.

    python bench/overhead.py [--items 12] [--rounds 3]

Both run in turns on the bundled base through llama.cpp, with as many slots as an audit opens: `raw_llamacpp.py` as it
stands, and a whole audit with plan, evidence store and grading, of which the time from the first request to the last
answer kept is counted. The raw loop lets a slot keep what it computed for the request before; an audit does not, since
replies would then depend on the order of requests. That price is part of the ratio.
Target: at most 1.10 for generation and for scoring.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import hydrometer
from hydrometer.catalog import load_task, open_engine
from hydrometer.checkpoint.gguf import read_header
from hydrometer.engines.base import Engine, EngineSettings
from hydrometer.items import Kind
from hydrometer.refs import bundled_base, parse_ref
from hydrometer.templates.render import ChatTemplate

GENERATED = ("arithmetic", "word_problems", "constraints", "json_output", "recall", "needle", "copying")
SCORED = ("knowledge_facts", "commonsense")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, tasks, items in (("generate", GENERATED, args.items), ("score", SCORED, args.items * 3)):
            file = Path(folder, f"{name}.json")
            file.write_text(json.dumps(requests(tasks, items)))
            both: list[tuple[float, float]] = []
            for number in range(args.rounds):
                ours, slots = our_seconds(tasks, items, Path(folder, f"{name}-{number}"))
                raw = raw_seconds(name, file, slots)
                both.append((ours, raw))
                print(
                    f"{name} round {number + 1}: ours {ours:.2f} s, raw {raw:.2f} s, ratio {ours / raw:.3f}",
                    flush=True,
                )
            middle = statistics.median(ours / raw for ours, raw in both)
            # Other processes only ever add time: the fastest rounds of each are the least disturbed ones.
            best = min(ours for ours, _ in both) / min(raw for _, raw in both)
            print(f"{name}: of {args.rounds} rounds, median ratio {middle:.3f}, fastest over fastest {best:.3f}")


def requests(tasks: tuple[str, ...], items: int) -> list[dict[str, object]]:
    """The same prompts that an audit renders."""
    header = read_header(bundled_base())
    special = {"bos_token": header.bos_token, "eos_token": header.eos_token}
    template = ChatTemplate(source=header.chat_template, special=special)
    found: list[dict[str, object]] = []
    for name in tasks:
        for item in load_task(name).items(items, 0):
            prompt = template.render(item.messages).text
            if item.kind is Kind.CHOICES:
                found.append({"prompt": prompt, "choices": list(item.choices)})
            else:
                found.append({"prompt": prompt, "n_predict": item.max_tokens})
    return found


def our_seconds(tasks: tuple[str, ...], items: int, out: Path) -> tuple[float, int]:
    """Seconds of asking in an audit, and its slots; loading the model is in neither number."""
    with open_engine(parse_ref("bundled:base"), EngineSettings()) as engine:
        held = cast("Engine", Held(engine))
        result = hydrometer.audit(
            "bundled:base", "bundled:base", tasks=tasks, items=items, fixed=True, out=out, opener=lambda *_: held
        )
    return result.base.seconds, result.base.identity.settings["slots"]


class Held:
    """An engine that an audit cannot close, so that it is opened once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def close(self) -> None:
        """Leave it open."""


def raw_seconds(name: str, file: Path, slots: int) -> float:
    flag = "--requests" if name == "generate" else "--choices"
    script = Path(__file__).with_name("raw_llamacpp.py")
    command = [sys.executable, str(script), str(bundled_base()), flag, str(file), "--slots", str(slots)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.strip().splitlines()[-1])["seconds"])


if __name__ == "__main__":
    main()
