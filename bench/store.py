"""The evidence store against a plain SQLite loop: write, resume and verify many outcomes, in one run.

    python bench/store.py [--outcomes 100000] [--rounds 3]

Both keep the same bytes with one transaction an answer, write-ahead logging and the same synchronisation. The plain
loop is what one would write by hand: dictionaries to JSON, a hash as key, two inserts; a lookup and a parse to resume;
every row parsed and hashed again to verify.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydrometer.items import Kind, Message, Request
from hydrometer.outcomes import Completion
from hydrometer.provenance import ModelIdentity, completion_key
from hydrometer.store import Store

TURN = "What is the result of {} times 7? Think about it, then write the number on the last line."
SAID = "Six times seven is 42, so the next ones follow by adding seven each time.\n" * 6 + "{}"
WHO = ModelIdentity(label="m", weights="w", tokenizer="t", template="c", engine="fake", engine_version="1")


def requests(number: int) -> list[Request]:
    """Questions, made anew: a request keeps its digest."""
    return [Request(kind=Kind.GENERATE, messages=(Message("user", TURN.format(i)),)) for i in range(number)]


def reply(number: int) -> Completion:
    return Completion(text=SAID.format(number), prompt_tokens=24, completion_tokens=120, seconds=0.5)


def ours(folder: Path, number: int, lap: Callable[[str], None]) -> None:
    """Write, find again and verify with the store."""
    with Store(folder / "ours.sqlite") as store:
        asked = requests(number)
        lap("")
        store.put_identity(WHO)
        for place, request in enumerate(asked):
            store.put_completion(WHO, request, reply(place))
        lap("write")
    with Store(folder / "ours.sqlite") as store:
        asked = requests(number)
        lap("")
        found = [store.completion(completion_key(WHO, request.digest)) for request in asked]
        lap("resume")
        assert all(found)
        assert store.verify() == []
        lap("verify")


def plain(folder: Path, number: int, lap: Callable[[str], None]) -> None:
    """The same by hand."""

    def opened() -> sqlite3.Connection:
        db = sqlite3.connect(folder / "plain.sqlite", isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        return db

    def hashed(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    def asked(place: int) -> dict[str, Any]:
        decoding = {"temperature": 0.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "presence_penalty": 0.0}
        return {
            "kind": "generate", "messages": [["user", TURN.format(place)]], "choices": [], "max_tokens": 160,
            "decoding": {**decoding, "repetition_penalty": 1.0}, "thinking": "default", "seed": 0, "method": "", "take": 0,
        }  # fmt: skip

    def said(place: int) -> dict[str, Any]:
        return {
            "text": SAID.format(place), "reasoning": None, "finish": "stop", "token_ids": None, "prompt_tokens": 24,
            "completion_tokens": 120, "choices": [], "method": "", "opens_thinking": False, "seconds": 0.5,
            "served_model": "", "error": "",
        }  # fmt: skip

    db = opened()
    db.execute("CREATE TABLE requests(digest TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID")
    db.execute(
        "CREATE TABLE completions(key TEXT PRIMARY KEY, request TEXT, body TEXT NOT NULL, digest TEXT) WITHOUT ROWID"
    )
    questions = [asked(place) for place in range(number)]
    lap("")
    for place, question in enumerate(questions):
        text, body = json.dumps(question, sort_keys=True), json.dumps(said(place), sort_keys=True)
        mark = hashed(text)
        db.execute("BEGIN")
        db.execute("INSERT OR IGNORE INTO requests VALUES(?,?)", (mark, text))
        db.execute("INSERT OR IGNORE INTO completions VALUES(?,?,?,?)", (hashed("w" + mark), mark, body, hashed(body)))
        db.execute("COMMIT")
    lap("write")
    db.close()
    db = opened()
    lap("")
    found = []
    for question in questions:
        key = hashed("w" + hashed(json.dumps(question, sort_keys=True)))
        row = db.execute("SELECT body FROM completions WHERE key=?", (key,)).fetchone()
        found.append(json.loads(row[0]))
    lap("resume")
    assert all(found)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for mark, text in db.execute("SELECT digest, body FROM requests"):
        assert hashed(json.dumps(json.loads(text), sort_keys=True)) == mark
    for key, mark, body, told in db.execute("SELECT key, request, body, digest FROM completions"):
        assert hashed("w" + mark) == key
        assert hashed(json.dumps(json.loads(body), sort_keys=True)) == told
    lap("verify")
    db.close()


def timed(work: Callable[[Path, int, Callable[[str], None]], None], number: int) -> dict[str, tuple[float, float]]:
    """Seconds of wall and of computing per stage."""
    found: dict[str, tuple[float, float]] = {}
    last = [time.perf_counter(), time.process_time()]

    def lap(name: str) -> None:
        now = [time.perf_counter(), time.process_time()]
        if name:
            found[name] = (now[0] - last[0], now[1] - last[1])
        last[:] = [time.perf_counter(), time.process_time()]

    with tempfile.TemporaryDirectory() as folder:
        work(Path(folder), number, lap)
    return found


def main() -> None:
    """Run both in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outcomes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    runs: dict[str, list[dict[str, tuple[float, float]]]] = {"plain": [], "ours": []}
    for _ in range(args.rounds):
        for name, work in (("plain", plain), ("ours", ours)):
            runs[name].append(timed(work, args.outcomes))
    for stage in ("write", "resume", "verify"):
        wall = {name: statistics.median(run[stage][0] for run in own) for name, own in runs.items()}
        cpu = {name: statistics.median(run[stage][1] for run in own) for name, own in runs.items()}
        print(
            f"{stage}: ours {wall['ours']:.2f} s, plain {wall['plain']:.2f} s: {wall['ours'] / wall['plain']:.2f} of it; "
            f"computing {1e6 * cpu['ours'] / args.outcomes:.0f} and {1e6 * cpu['plain'] / args.outcomes:.0f} us an outcome, "
            f"{cpu['ours'] / cpu['plain']:.2f} of it"
        )


if __name__ == "__main__":
    main()
