"""How long work reports its progress: a protocol, so that the loop knows no terminal."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what a run is doing."""

    def start(self, label: str, total: int) -> None:
        """A stretch of work begins; `total` is its number of steps."""
        ...

    def advance(self, steps: int = 1) -> None:
        """Some steps of it are done."""
        ...

    def note(self, text: str) -> None:
        """Something a user should see once."""
        ...


class Silent:
    """Shows nothing; the default when called from Python."""

    def start(self, label: str, total: int) -> None:
        """Ignore it."""

    def advance(self, steps: int = 1) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Ignore it."""
