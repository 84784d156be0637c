"""How long work reports its progress: a protocol, so that the loop knows no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Sight(NamedTuple):
    """What is known of one capability while an audit runs.

    Differences are student minus base, in score units.
    """

    capability: str
    items: int
    planned: int
    difference: float
    low: float
    high: float
    words: str


class Progress(Protocol):
    """Receives what a run is doing."""

    def start(self, label: str, total: int) -> None:
        """A stretch of work begins, or goes on if the label is known; `total` is its number of steps."""
        ...

    def advance(self, steps: int = 1) -> None:
        """Some steps of it are done."""
        ...

    def note(self, text: str) -> None:
        """Something a user should see once."""
        ...

    def look(self, sights: Sequence[Sight]) -> None:
        """What is known so far, one entry per capability."""
        ...

    def arrived(self, side: str, question: str, reply: str) -> None:
        """A reply came; hostile text, which whoever shows it makes harmless. Called for every reply: be quick."""
        ...


class Silent:
    """Shows nothing; the default when called from Python."""

    def start(self, label: str, total: int) -> None:
        """Ignore it."""

    def advance(self, steps: int = 1) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Ignore it."""

    def look(self, sights: Sequence[Sight]) -> None:
        """Ignore it."""

    def arrived(self, side: str, question: str, reply: str) -> None:
        """Ignore it."""
