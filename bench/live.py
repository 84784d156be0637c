"""What `--watch --serve` costs the audit per reply, with one reader and with eight: `python bench/live.py`.

The audit pays for two calls per reply, and for the threads that send what is shown twice a second.
"""

from __future__ import annotations

import time
from http.client import HTTPConnection
from threading import Thread

from hydrometer.cli.live import LiveProgress
from hydrometer.progress import Sight, Silent

REPLIES = 400
PAUSE = 0.01
"""Seconds between two replies: far less than any model needs."""


def main() -> None:
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
