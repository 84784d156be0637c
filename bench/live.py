"""What `--watch --serve` costs the audit per reply, with one reader and with eight, and a whole audit with and without.

    python bench/live.py [--audits ROUNDS [--items 30]]

The audit pays for two calls per reply, and for the threads that send what is shown twice a second. With `--audits` the
bundled pair is audited as often in turn without and with `--serve`, and a reader on the page. One ratio is that of the
seconds between the first and the last answer, which what else the machine does disturbs; the other that of the
processor time of the whole command, which it hardly does.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

from hydrometer.cli.live import LiveProgress
from hydrometer.progress import Sight, Silent

REPLIES = 400
PAUSE = 0.01
"""Seconds between two replies: far less than any model needs."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--audits", type=int, default=0)
    parser.add_argument("--items", type=int, default=30)
    given = parser.parse_args()
    if given.audits:
        audits(given.audits, given.items)
    else:
        replies()


def audits(rounds: int, items: int) -> None:
    """Whole audits in turn, so that what else the machine does falls on both alike."""
    spent: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for number in range(2 * rounds):
        serve = number % 2 == 1
        spent[serve].append(audit(items, serve=serve))
        seconds, processor = spent[serve][-1]
        print(f"{'with' if serve else 'without'} --serve: {seconds:.1f} s, {processor:.1f} s of processor time", flush=True)
    for n, what in enumerate(("seconds", "processor time")):
        ratios = [served[n] / plain[n] for plain, served in zip(spent[False], spent[True], strict=True)]
        print(f"with over without --serve, {what}, median of {rounds}: {statistics.median(ratios):.3f}, all: {ratios}")


def audit(items: int, *, serve: bool) -> tuple[float, float]:
    """Seconds that both models took to answer so many items of two tasks, and processor time of the whole command."""
    before = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hydrometer.cli", "audit", "bundled:base", "bundled:student", "--fixed"]
        command += ["--task", "copying", "--task", "arithmetic", "--items", str(items), "--out", folder, "--json", "--no-inspect"]
        command += ["--serve"] if serve else []
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            for line in run.stderr or ():
                if "live: " in line:
                    Thread(target=read, args=(line.split("live: ")[1].strip(),), daemon=True).start()
        report = json.loads(next(Path(folder).glob("*/report.json")).read_text(encoding="utf-8"))
        processor = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - before
        return float(report["base"]["seconds"] + report["student"]["seconds"]), processor


def replies() -> None:
    """Calls per reply alone."""
    for readers in (0, 1, 8):
        live = LiveProgress(Silent())
        live.start("ask", REPLIES)
        live.look([Sight(f"capability {n}", 10, 100, 0.0, -0.1, 0.1, "open") for n in range(12)])
        with live.serving() as address:
            for _ in range(readers):
                Thread(target=read, args=(address,), daemon=True).start()
            time.sleep(0.5)
            spent, processor = 0.0, time.process_time()
            for number in range(REPLIES):
                start = time.perf_counter()
                live.arrived("base", f"question {number}", "a reply of some length " * 200)
                live.advance()
                spent += time.perf_counter() - start
                time.sleep(PAUSE)
            processor = time.process_time() - processor
        print(
            f"{readers} readers: {1e6 * spent / REPLIES:.0f} us of the audit's time per reply, "
            f"{1e3 * processor / (REPLIES * PAUSE):.1f} ms of processor time per second"
        )


def read(address: str) -> None:
    connection = HTTPConnection(address.removeprefix("http://").rstrip("/"))
    connection.request("GET", "/events")
    answer = connection.getresponse()  # kept: without it the connection would be closed
    while answer.fp.readline():
        pass


if __name__ == "__main__":
    main()
