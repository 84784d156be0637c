"""llama.cpp's files of a base's distributions, as `llama-perplexity --kl-divergence-base` writes and reads them.

A text is cut into chunks of equal length, the first token of each replaced by the one that begins a text, and what
stands in the second half of each chunk is compared. The file: `_logits_`, context length, vocabulary and number of
chunks (int32), all tokens (int32), then for each compared place a step and the lowest log-probability (float32) and
one 16-bit code a token. Log-probabilities more than 16 below the largest are cut off there, so that a model has a
distance from its own file of about 0.0005 nats; whoever wrote it stands nowhere in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hydrometer.drift.rows import Row
from hydrometer.drift.texts import Passage
from hydrometer.engines.reading import Reader
from hydrometer.errors import UsageError
from hydrometer.stats.estimate import Ints
from hydrometer.stats.tokens import Singles

MAGIC = b"_logits_"
_NUMBERS = struct.Struct("<iii")
_DEPTH = 16.0
_LARGEST = 65535.0
_LEAST, _MOST = 8, 1 << 20
_PIECE = 1 << 22
# Codes read at a time.


def first_compared(context: int) -> int:
    """Return the tokens of a chunk behind its first one that are read only as context."""
    return context // 2


def chunks(reader: Reader, name: str, text: str, context: int) -> tuple[tuple[Passage, ...], list[Row], Ints]:
    """Cut a text as llama-perplexity does.

    Args:
        reader: A model with the tokenizer.
        name: Name of the text.
        text: The whole text.
        context: Tokens of a chunk.

    Returns:
        Every chunk as a document, its row, and all tokens as they stand in a file.

    Raises:
        UsageError: The text is shorter than two chunks, which llama-perplexity refuses.
    """
    # The tool reads the names of special tokens in a text as letters.
    ids, starts = reader.tokens(text, plain=True)
    begin = reader.begin
    if begin and ids[:1] != begin:
        ids, starts = (*begin, *ids), (*(0 for _ in begin), *starts)
    if len(ids) < 2 * context:
        msg = f"{name} has {len(ids)} tokens, less than two windows of {context}: give more, or a smaller --context"
        raise UsageError(msg)
    texts, rows, first = [], [], first_compared(context)
    for number, at in enumerate(range(0, len(ids) // context * context, context)):
        places = starts[at : at + context]
        end = starts[at + context] if at + context < len(starts) else len(text)
        texts.append(Passage(name=f"{name} {number + 1}", group=name, text=text[places[0] : end]))
        rows.append(
            Row(
                document=number,
                ids=(*begin, *ids[at + len(begin) : at + context]),
                starts=tuple(place - places[0] for place in places[1 + first :]),
                end=end - places[0],
                first=first,
            )
        )
    return tuple(texts), rows, np.array(ids[: len(rows) * context], dtype=np.int64)


class KldFile:
    """A complete file, opened to read.

    Args:
        path: The file.

    Raises:
        UsageError: It is no such file, or cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                head = file.read(len(MAGIC) + _NUMBERS.size)
                if head[: len(MAGIC)] != MAGIC:
                    msg = f"--kld {path} is no file of llama-perplexity: it does not begin with {MAGIC.decode()}"
                    raise UsageError(msg)
                if len(head) < len(MAGIC) + _NUMBERS.size:
                    raise self._cut(0)
                numbers: tuple[int, int, int] = _NUMBERS.unpack(head[len(MAGIC) :])
                self.context, self.vocabulary, self.chunks = numbers
                self._check(path.stat().st_size)
                raw = file.read(4 * self.context * self.chunks)
        except OSError as error:
            msg = f"--kld {path}: {error.strerror or error}"
            raise UsageError(msg) from error
        self.tokens: Ints = np.frombuffer(raw, "<i4").astype(np.int64)

    def check(self, reader: Reader, tokens: Ints, asked: int) -> None:
        """Refuse a file that says nothing about this model on this text.

        Args:
            reader: The student.
            tokens: The text's tokens as the student cuts it.
            asked: Tokens of a window that the user asked for, 0 for the file's own.
        """
        if asked and asked != self.context:
            msg = f"--kld {self.path} has windows of {self.context} tokens, not --context {asked}: leave --context out"
        elif reader.context and reader.context < self.context:
            msg = f"--kld {self.path} has windows of {self.context} tokens, the student reads {reader.context} at most"
        elif reader.vocabulary != self.vocabulary:
            msg = f"--kld {self.path} has a vocabulary of {self.vocabulary} tokens, the student {reader.vocabulary}"
        elif not np.array_equal(tokens[: len(self.tokens)], self.tokens):
            msg = (
                f"--kld {self.path} holds other tokens than the student reads in this text: give the text that "
                "llama-perplexity had (-f), and a student with the base's tokenizer"
            )
        else:
            return
        raise UsageError(msg)

    def rows(self) -> Iterator[Singles]:
        """Yield the base's log-probabilities at the compared places.

        What was cut off shares what is left of the mass, and no token of it gets more than it may have had.

        Raises:
            UsageError: A row holds no numbers.
        """
        width = _row_width(self.vocabulary)
        step = max(1, _PIECE // width)
        with self.path.open("rb") as file:
            file.seek(len(MAGIC) + _NUMBERS.size + 4 * len(self.tokens))
            left = self.chunks * self._places
            while left:
                count = min(step, left)
                raw = np.frombuffer(file.read(2 * width * count), "<u2")
                if len(raw) != width * count:
                    raise self._cut(0)
                left -= count
                yield self._decoded(raw.reshape(count, width))

    def _decoded(self, raw: NDArray[np.uint16]) -> Singles:
        numbers = np.ascontiguousarray(raw[:, :4]).view("<f4").astype(np.float64)
        codes = raw[:, 4 : 4 + self.vocabulary]
        if not np.isfinite(numbers).all() or (numbers[:, 0] < 0.0).any():
            msg = f"--kld {self.path} holds NaN: the base or the build that wrote it was broken"
            raise UsageError(msg)
        step, lowest = numbers[:, :1], numbers[:, 1:]
        found = codes * step + lowest
        for row, logprobs in enumerate(found):
            if step[row, 0] * _LARGEST < _DEPTH * (1.0 - 1e-6):
                continue
            cut = codes[row] == 0
            count = int(cut.sum())
            if count:
                most = count * float(np.exp(lowest[row, 0]))
                rest = 1.0 - float(np.exp(logprobs[~cut]).sum())
                logprobs[cut] = np.log(min(max(rest, most * 1e-3), most) / count)
        return found.astype(np.float32)

    @property
    def _places(self) -> int:
        """Compared places of a chunk."""
        return self.context - 1 - first_compared(self.context)

    def _check(self, size: int) -> None:
        if not (_LEAST <= self.context <= _MOST and 1 < self.vocabulary <= 1 << 22 and self.chunks > 0):
            numbers = f"windows of {self.context}, vocabulary {self.vocabulary}, {self.chunks} chunks"
            msg = f"--kld {self.path} is damaged: {numbers}"
            raise UsageError(msg)
        head = len(MAGIC) + _NUMBERS.size + 4 * self.context * self.chunks
        wanted = head + 2 * _row_width(self.vocabulary) * self._places * self.chunks
        if size < wanted:
            raise self._cut(max(0, size - head) // (2 * _row_width(self.vocabulary) * self._places))
        if size > wanted:
            msg = f"--kld {self.path} is damaged: {size} bytes, {wanted} belong to its {self.chunks} chunks"
            raise UsageError(msg)

    def _cut(self, complete: int) -> UsageError:
        chunks = f" after {complete} of {self.chunks} chunks" if complete else ""
        return UsageError(f"--kld {self.path} is cut short{chunks}: write it again")


class KldWriter:
    """Writes a file that llama-perplexity reads; it gets its name only once it is complete.

    Args:
        path: Where to.
        context: Tokens of a chunk.
        vocabulary: Width of the base's distributions.
        tokens: All tokens, whole chunks.

    Raises:
        UsageError: The place cannot be written.
    """

    def __init__(self, path: Path, *, context: int, vocabulary: int, tokens: Ints) -> None:
        self._path, self._part, self._vocabulary = path, path.with_name(path.name + ".part"), vocabulary
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb")
        except OSError as error:
            raise self._failed(error) from error
        self._write(MAGIC + _NUMBERS.pack(context, vocabulary, len(tokens) // context) + tokens.astype("<i4").tobytes())

    def add(self, logits: Singles) -> None:
        """Append some compared places.

        Raises:
            ValueError: They hold NaN.
        """
        largest = logits.max(axis=1, keepdims=True)
        if not np.isfinite(largest).all():
            msg = "the logits hold NaN, or no finite number: the weights or the engine are broken"
            raise ValueError(msg)
        lowest = np.maximum(logits.min(axis=1, keepdims=True), largest - np.float32(_DEPTH))
        mass = np.log(np.exp(logits - largest).sum(axis=1, keepdims=True, dtype=np.float64)).astype(np.float32)
        step = (largest - lowest) / np.float32(_LARGEST)
        with np.errstate(divide="ignore", invalid="ignore"):
            codes = np.where(step > 0.0, np.rint((logits - lowest) / step), 0.0)
        out = np.zeros((len(logits), _row_width(self._vocabulary)), dtype="<u2")
        out[:, :4] = np.concatenate([step, lowest - largest - mass], axis=1).astype("<f4").view("<u2")
        out[:, 4 : 4 + self._vocabulary] = np.clip(codes, 0.0, _LARGEST)
        self._write(out.tobytes())

    def finish(self) -> None:
        """Close the file and give it its name."""
        self._file.close()
        self._part.replace(self._path)

    def discard(self) -> None:
        """Drop what was written of a run that did not come to its end; harmless after `finish`."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> UsageError:
        return UsageError(f"--write-kld {self._path} cannot be written ({error.strerror or error}): name another place")


def _row_width(vocabulary: int) -> int:
    return 2 * ((vocabulary + 1) // 2) + 4


