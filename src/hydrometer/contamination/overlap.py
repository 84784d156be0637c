"""Which items of an audit stand in training data: word for word, with other numbers, or nearly.

The items are indexed, the training data streams past, so that memory depends on the items alone. Three searches:

- word for word: 13 words in a row, as published decontaminations search for (Brown et al. 2020, arXiv 2005.14165,
  appendix C), or half of the item's runs of 8 words within one text; an item of fewer than 8 words is found only
  where a text is that item and nothing else.
- other numbers: the same with all numbers made equal, so that a copy with changed figures is found.
- nearly: the pairs of neighbouring words of a text and of an item agree by a Jaccard similarity of `ALIKE`: another
  order of sentences, a few words changed. MinHash with banding picks the candidates, which are then counted exactly.

Wording that many items of a task share is the form of the task ("Reply with the number only.") and counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from hydrometer.contamination.needed import rensa
from hydrometer.contamination.training import Document
from hydrometer.contamination.wording import Hashes, Positions, Runs, Words
from hydrometer.items import Message

LONG, SHORT = 13, 8
"""Words of a run of which one is enough, and of which half of the item's are."""
HALF = 0.5
ALIKE = 0.6
"""Jaccard similarity from which a text is nearly an item."""
WORDY = 6
"""Words without digits that a run needs once its numbers are made equal: rows of figures are all alike."""
FEWEST_PAIRS = 6
"""Pairs of words of its own that an item needs before something can be nearly it."""
COMMON = 0.1
"""Share of a task's items from which on shared wording is the form of the task."""

_PERMUTATIONS, _BANDS, _SEED = 128, 32, 20_260_101
_BATCH = 4_000_000
"""Characters of training data that are looked at together."""
_QUOTE = 160
_FILTER_BITS = 24


class Way(StrEnum):
    """How an item stands in training data, the surest first."""

    VERBATIM = "word for word"
    RENUMBERED = "with other numbers"
    NEARLY = "nearly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An item to look for.

    Attributes:
        item_id: Its id.
        task: Its task; wording that many items of one share counts nowhere.
        text: What is asked.
    """

    item_id: str
    task: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An item that stands in training data.

    Attributes:
        item_id: Its id.
        task: Its task.
        way: The surest way in which it was found.
        documents: Rows that hold it in any way; a row counts once.
        place: File and row of the first one that holds it in that way.
        quote: The beginning of the text there.
    """

    item_id: str
    task: str
    way: Way
    documents: int
    place: str
    quote: str


def question_text(messages: Sequence[Message]) -> str:
    """Return what a conversation asks: everything but system prompts, tools and stop texts."""
    return "\n".join(m.content for m in messages if m.role in {"user", "raw"})


def search(questions: Sequence[Question], documents: Iterable[Document]) -> tuple[Found, ...]:
    """Return the questions that stand in some documents, in their order."""
    index = Index(questions)
    seen: dict[int, Found] = {}
    for batch in _batches(documents):
        owners = [document for document in batch for _ in document.texts]
        texts = [text for document in batch for text in document.texts]
        rows: dict[tuple[int, tuple[str, int]], Found] = {}
        for way, text, question in index.look_up(Words.of(texts)):
            owner = owners[text]
            # The surest way comes first, and of one row only that counts.
            rows.setdefault(
                (question, (owner.source, owner.line)),
                Found(
                    item_id=questions[question].item_id, task=questions[question].task, way=way, documents=1,
                    place=f"{owner.source}, row {owner.line}", quote=" ".join(texts[text].split())[:_QUOTE],
                ),
            )  # fmt: skip
        for (question, _), found in rows.items():
            before = seen.get(question)
            seen[question] = _surer(before, found) if before else found
    return tuple(seen[i] for i in sorted(seen))


def _surer(before: Found, found: Found) -> Found:
    ways = list(Way)
    first = found if ways.index(found.way) < ways.index(before.way) else before
    return replace(first, documents=before.documents + 1)


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += sum(map(len, document.texts))
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Index:
    """The runs of words of all questions, ready to be looked up."""

    def __init__(self, questions: Sequence[Question]) -> None:
        """Read the questions; `questions` come back from `look_up` by their position."""
        plain = Words.of([question.text for question in questions])
        tasks = np.unique([question.task for question in questions], return_inverse=True)[1]
        # What holds no word is in every text without one, which says nothing.
        few = (plain.lengths > 0) & (plain.lengths < SHORT)
        self._short = _Table.of(plain.wholes(), np.arange(len(questions)), few)
        self._runs: list[tuple[Way, int, int, _Table]] = []
        for way, words, wordy in ((Way.VERBATIM, plain, 0), (Way.RENUMBERED, plain.masked, WORDY)):
            self._runs += [
                (way, n, wordy, _Table.own(words.runs(n, wordy), tasks, len(questions))) for n in (LONG, SHORT)
            ]
        self._pairs = _Table.own(plain.masked.runs(2), tasks, len(questions))
        self._common = self._pairs.common
        self._lsh = rensa().RMinHashLSH(ALIKE, _PERMUTATIONS, _BANDS)
        # One question after the other: its own pairs decide, as they do of a text.
        order = np.argsort(self._pairs.owners, kind="stable")
        offsets = np.searchsorted(self._pairs.owners[order], np.arange(len(questions) + 1))
        kept = np.flatnonzero(np.diff(offsets) >= FEWEST_PAIRS)
        hashes = self._pairs.hashes[order]
        rows = [hashes[offsets[i] : offsets[i + 1]] for i in kept]
        # Its query flags what shares a band with two keys, since it takes the row itself to be one of them.
        for copy in range(2):
            self._lsh.insert_matrix(_sketch(rows), copy * len(rows))

    def look_up(self, words: Words) -> Iterator[tuple[Way, int, int]]:
        """Yield how, in which text and which question, the surest way first."""
        for text, question in self._short.pairs(words.wholes(), np.arange(words.lengths.size)):
            yield Way.VERBATIM, int(text), int(question)
        masked = words.masked
        for way, n, wordy, table in self._runs:
            runs = (words if way is Way.VERBATIM else masked).runs(n, wordy)
            needed = np.ones(table.totals.size) if n == LONG else np.ceil(HALF * table.totals)
            pairs, counts = table.count(runs)
            for text, question in pairs[counts >= needed[pairs[:, 1]]]:
                yield way, int(text), int(question)
        for text, question in self._nearly(masked):
            yield Way.NEARLY, text, question

    def _nearly(self, masked: Words) -> Iterator[tuple[int, int]]:
        runs = masked.runs(2)
        own = ~np.isin(runs.hashes, self._common)
        runs = Runs(runs.hashes[own], runs.texts[own], runs.starts[own])
        offsets = np.searchsorted(runs.texts, np.arange(masked.lengths.size + 1))
        sizes = np.diff(offsets)
        # A text more than 1 / ALIKE times as long as every question is like none, and need not be sketched.
        fit = np.flatnonzero((sizes >= FEWEST_PAIRS) & (sizes <= self._pairs.totals.max(initial=0) * 2 / ALIKE))
        if not fit.size:
            return
        rows = [runs.hashes[offsets[i] : offsets[i + 1]] for i in fit]
        flags = np.array(self._lsh.query_duplicate_flags_matrix(_sketch(rows)), dtype=np.bool_)
        for i in fit[flags]:
            text = np.unique(runs.hashes[offsets[i] : offsets[i + 1]])
            shared = np.bincount(self._pairs.owners_of(text), minlength=self._pairs.totals.size)
            union = text.size + self._pairs.totals - shared
            good = (shared >= ALIKE * union) & (self._pairs.totals >= FEWEST_PAIRS)
            yield from ((int(i), int(question)) for question in np.flatnonzero(good))


@dataclass(frozen=True, slots=True)
class _Table:
    """Hashes in order with the questions that own them, each once per question.

    Attributes:
        hashes: In ascending order.
        owners: Question of each.
        totals: Hashes per question.
        common: Hashes that are the form of a task, in no question's.
        filter: Whether some hash ends in these bits: most runs of a text are in no question, and are out by it.
    """

    hashes: Hashes
    owners: Positions
    totals: Positions
    common: Hashes
    filter: NDArray[np.bool_]

    @classmethod
    def of(cls, hashes: Hashes, owners: Positions, keep: NDArray[np.bool_], common: Hashes | None = None) -> _Table:
        kept, order = hashes[keep], np.argsort(hashes[keep], kind="stable")
        bits = np.zeros(1 << _FILTER_BITS, np.bool_)
        bits[kept >> np.uint64(64 - _FILTER_BITS)] = True
        totals = np.bincount(owners[keep], minlength=owners.max(initial=-1) + 1)
        return cls(kept[order], owners[keep][order], totals, np.empty(0, np.uint64) if common is None else common, bits)

    @classmethod
    def own(cls, runs: Runs, tasks: Positions, count: int) -> _Table:
        """The runs of questions without those that are common in a task."""
        once = np.unique(np.stack([runs.hashes, runs.texts.astype(np.uint64)], axis=1), axis=0)
        hashes, owners = once[:, 0], once[:, 1].astype(np.int64)
        by_task = np.stack([hashes, tasks[owners].astype(np.uint64)], axis=1)
        kinds, times = np.unique(by_task, axis=0, return_counts=True)
        most = np.maximum(3, COMMON * np.bincount(tasks, minlength=1))
        common = np.unique(kinds[times > most[kinds[:, 1].astype(np.int64)], 0])
        table = cls.of(hashes, owners, ~np.isin(hashes, common), common)
        return replace(table, totals=np.bincount(table.owners, minlength=count))

    def owners_of(self, hashes: Hashes) -> Positions:
        """Owners of some hashes, one entry for every hash and owner."""
        return self._matches(hashes)[1]

    def pairs(self, hashes: Hashes, texts: Positions) -> Positions:
        """Text and question for every hash that a question owns, shape (n, 2)."""
        places, owners = self._matches(hashes)
        return np.stack([texts[places], owners], axis=1)

    def count(self, runs: Runs) -> tuple[Positions, Positions]:
        """Pairs of text and question, and how many different runs they share."""
        places, owners = self._matches(runs.hashes)
        rows = np.stack([runs.texts[places], owners, runs.hashes[places].view(np.int64)], axis=1)
        pairs, counts = np.unique(np.unique(rows, axis=0)[:, :2], axis=0, return_counts=True)
        return pairs, counts

    def _matches(self, hashes: Hashes) -> tuple[Positions, Positions]:
        maybe = np.flatnonzero(self.filter[hashes >> np.uint64(64 - _FILTER_BITS)])
        first = np.searchsorted(self.hashes, hashes[maybe], "left")
        times = np.searchsorted(self.hashes, hashes[maybe], "right") - first
        # Every hash stands in the table as often as questions own it: first, first + 1, ...
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        return np.repeat(maybe, times), self.owners[np.repeat(first, times) + within]


def _sketch(rows: Sequence[Hashes]) -> object:
    """MinHash sketches of sets of hashes."""
    offsets = np.concatenate([[0], np.cumsum([row.size for row in rows])]).astype(np.uint64)
    flat = np.concatenate(rows) if rows else np.empty(0, np.uint64)
    return rensa().RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, _PERMUTATIONS, _SEED)
