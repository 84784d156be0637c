"""What starting costs: import, `--help` and `--version`, in processes of their own, and which packages they load.

    python bench/startup.py [--rounds 10] [--limit 0.4]

Fails where a median is over the limit, or where a package is loaded that only a chosen engine or task needs.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

HEAVY = (
    "torch", "transformers", "xllamacpp", "gguf", "peft", "ray", "pandas", "polars", "sklearn", "lm_eval", "fastapi",
    "sqlalchemy", "math_verify", "reasoning_gym",
)  # fmt: skip
WAYS = {
    "an empty Python": "pass",
    "import hydrometer": "import hydrometer",
    "hydrometer --version": "sys.argv[1:] = ['--version']; from hydrometer.cli.main import main; main()",
    "hydrometer --help": "sys.argv[1:] = ['--help']; from hydrometer.cli.main import main; main()",
    "hydrometer audit --help": "sys.argv[1:] = ['audit', '--help']; from hydrometer.cli.main import main; main()",
}
PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted({{n.partition('.')[0] for n in sys.modules}})), file=sys.stderr))
{}
"""


def once(program: str) -> tuple[float, float, list[str]]:
    """Seconds of wall and of computing of one process, and the packages it had loaded at its end."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(program)], capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, json.loads(done.stderr.splitlines()[-1])


def main() -> int:
    """Run each way in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--limit", type=float, default=0.4, help="seconds")
    args = parser.parse_args()
    found: dict[str, list[tuple[float, float, list[str]]]] = {name: [] for name in WAYS}
    for _ in range(args.rounds):
        for name, program in WAYS.items():
            found[name].append(once(program))
    faults = 0
    for name, runs in found.items():
        wall, cpu = (statistics.median(run[place] for run in runs) for place in (0, 1))
        heavy = [package for package in HEAVY if package in runs[0][2]]
        faults += wall > args.limit or bool(heavy)
        print(f"{name}: {wall:.3f} s, computing {cpu:.3f} s; {', '.join(heavy) or 'nothing heavy'} loaded")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
