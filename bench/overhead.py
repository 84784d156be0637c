"""Our own share: seconds that an audit asks one model, over the raw loop's seconds for the same requests.

    python bench/overhead.py [--items 12] [--rounds 3]

Both run in turns on the bundled base through llama.cpp: `raw_llamacpp.py` as it stands, and a whole audit with plan,
evidence store and grading, of which the time between the first request and the last grade read back is counted.
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

import hydrometer
from hydrometer.catalog import load_task
from hydrometer.checkpoint.gguf import read_header
from hydrometer.items import Kind
from hydrometer.refs import bundled_base
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
            ratios = []
            for number in range(args.rounds):
                raw = raw_seconds(name, file)
                out = Path(folder, f"{name}-{number}")
                ours = hydrometer.audit(
                    "bundled:base", "bundled:base", tasks=tasks, items=items, out=out
                ).base.seconds
                ratios.append(ours / raw)
                print(
                    f"{name} round {number + 1}: ours {ours:.2f} s, raw {raw:.2f} s, ratio {ours / raw:.3f}",
                    flush=True,
                )
            print(f"{name}: median ratio {statistics.median(ratios):.3f} of {args.rounds} rounds")


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


def raw_seconds(name: str, file: Path) -> float:
    flag = "--requests" if name == "generate" else "--choices"
    script = Path(__file__).with_name("raw_llamacpp.py")
    command = [sys.executable, str(script), str(bundled_base()), flag, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.strip().splitlines()[-1])["seconds"])


if __name__ == "__main__":
    main()
