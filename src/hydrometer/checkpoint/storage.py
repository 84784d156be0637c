"""Where bytes lie: in a file here, or at the far end of a network. Readers know only sizes and places.

Nothing is mapped into memory: a mapped file that shrinks kills the process, and over network file systems mapping is
slow. `pread` needs no shared position, so threads and forked processes may read through one object.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hydrometer.errors import ModelError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Span = tuple[int, int]
"""First byte and number of bytes."""
GAP = 1 << 16
"""Bytes between two places up to which one request for both costs less than two."""


class Storage(Protocol):
    """A file of known size that can be read anywhere. Pickles, for other processes."""

    @property
    def label(self) -> str:
        """How messages name it."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes.

        Raises:
            ModelError: They are not there.
        """
        ...

    def prefetch(self, spans: Sequence[Span]) -> None:
        """Say which places will be read soon, so that far ones come in few requests."""
        ...

    def close(self) -> None:
        """Let go; calling it twice is harmless."""
        ...


class LocalFile:
    """A regular file, read with `pread`; one that changes after it was opened is refused in other processes.

    Raises:
        ModelError: It is missing, unreadable, or no regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()

    def _open(self) -> None:
        self._fd = -1
        try:
            # NONBLOCK: opening a pipe would otherwise wait for a writer.
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            found = os.fstat(self._fd)
        except OSError as error:
            self.close()
            msg = f"{self.path}: cannot be read: {error.strerror or error}"
            raise ModelError(msg) from error
        if not stat.S_ISREG(found.st_mode):
            self.close()
            msg = f"{self.path}: no regular file: give the file itself"
            raise ModelError(msg)
        self._size = found.st_size
        self._stamp = (found.st_ino, found.st_size, found.st_mtime_ns)

    @property
    def label(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def size(self) -> int:
        """Bytes when it was opened."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes.

        Raises:
            ModelError: The file ends before them, is closed, or the disk fails.
        """
        pieces: list[bytes] = []
        try:
            while length > 0:
                # One call may return less: Linux stops at 2 GiB, network file systems earlier.
                piece = os.pread(self._fd, length, offset)
                if not piece:
                    msg = f"{self.path}: cut off while it was being read: download it again"
                    raise ModelError(msg)
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
        except OSError as error:
            msg = f"{self.path}: cannot be read: {error.strerror or error}"
            raise ModelError(msg) from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def prefetch(self, spans: Sequence[Span]) -> None:
        """Let the kernel read ahead."""
        for offset, length in spans:
            os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Close the file; calling it twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __getstate__(self) -> tuple[Path, tuple[int, int, int]]:
        return self.path, self._stamp

    def __setstate__(self, state: tuple[Path, tuple[int, int, int]]) -> None:
        self.path, stamp = state
        self._open()
        if self._stamp != stamp:
            self.close()
            msg = f"{self.path}: changed while it was being read: leave it alone and start again"
            raise ModelError(msg)


class Cursor(io.RawIOBase):
    """A storage as a stream, for formats that only show their length while they are read."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._at = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer as far as the file goes and return how many bytes that is.

        Raises:
            ModelError: The bytes are not there although the size says so.
        """
        view = memoryview(buffer).cast("B")
        length = min(len(view), self._storage.size - self._at)
        view[:length] = self._storage.read(self._at, length)
        self._at += length
        return length
