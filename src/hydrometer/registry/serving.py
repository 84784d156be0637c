"""What a server keeps apart for its callers: how often they call, how many send at once, and pages made already."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hydrometer.report.html import Pages


class Counter:
    """Counts calls per caller in windows of fixed length; in this process alone."""

    def __init__(self, most: int, seconds: int) -> None:
        self._most, self._seconds = most, seconds
        self._window, self._counts = 0, dict[str, int]()
        self._lock = threading.Lock()

    def wait(self, caller: str) -> int:
        """Count a call; return 0 if it may go on, else the seconds after which it may."""
        now = time.time()
        with self._lock:
            window = int(now // self._seconds)
            if window != self._window:
                self._window, self._counts = window, {}
            count = self._counts[caller] = self._counts.get(caller, 0) + 1
        return 0 if count <= self._most else max(1, int((window + 1) * self._seconds - now))


class Senders:
    """Who sends a body at the moment: each caller a few at once, so that a slow one keeps nobody else out."""

    def __init__(self, each: int) -> None:
        self._each, self._counts, self._lock = each, dict[str, int](), threading.Lock()

    @contextmanager
    def sending(self, caller: str) -> Iterator[bool]:
        """Give whether the caller may send now."""
        with self._lock:
            allowed = self._counts.get(caller, 0) < self._each
            if allowed:
                self._counts[caller] = self._counts.get(caller, 0) + 1
        try:
            yield allowed
        finally:
            with self._lock:
                if allowed:
                    self._counts[caller] -= 1
                    if not self._counts[caller]:
                        del self._counts[caller]


class PageCache:
    """Pages of the audits that were asked for last; an audit is never changed, so they stay right."""

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._kept: OrderedDict[str, tuple[Pages, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, audit: str, make: Callable[[], Pages]) -> Pages:
        """Return the pages of an audit; made once, and forgotten again when others need the room."""
        with self._lock:
            if audit in self._kept:
                self._kept.move_to_end(audit)
                return self._kept[audit][0]
        pages = make()
        size = len(pages.report) + sum(map(len, pages.beside.values()))
        with self._lock:
            if size <= self._most and audit not in self._kept:
                self._kept[audit] = pages, size
                self._bytes += size
            while self._bytes > self._most:
                self._bytes -= self._kept.popitem(last=False)[1][1]
        return pages
