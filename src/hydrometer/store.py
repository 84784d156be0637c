"""The evidence store: everything asked and answered, in one SQLite file.

Append-only: a completion is written once under the digest of (model identity, request) and never changed. Grades
are derived rows with the grader's version. Failures are kept apart from completions, so that a failed request is
asked again in the next run and an answered one never is. WAL mode and one commit per answer: a process that is
killed loses at most what the engine had not yet handed over.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter, ValidationError

from hydrometer.canon import canonical_json, digest, digest_text
from hydrometer.errors import EvidenceCorruptError, EvidenceError, EvidenceVersionError
from hydrometer.items import Item, Request
from hydrometer.outcomes import Completion, Finish, Grade
from hydrometer.provenance import ModelIdentity, completion_key

EVIDENCE = "evidence.sqlite"
"""Name of the file in an `--out` folder."""

APPLICATION_ID = 0x48594452
"""Marks the file as ours ("HYDR") in SQLite's own header."""

_PUT_COMPLETION = (
    "INSERT OR IGNORE INTO completions(key, identity, request, body, digest, created) VALUES(?,?,?,?,?,?)"
)
_COMPLETION = TypeAdapter(Completion)
_IDENTITY = TypeAdapter(ModelIdentity)
_REQUEST = TypeAdapter(Request)
_ITEM = TypeAdapter(Item)
_GRADE = TypeAdapter(Grade)


def _m001_initial(db: sqlite3.Connection) -> None:
    """First layout: content-addressed bodies, keys that contain the model's identity."""
    for statement in (
        "CREATE TABLE identities(digest TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE requests(digest TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE items(id TEXT PRIMARY KEY, task TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID",
        ("CREATE TABLE completions(key TEXT PRIMARY KEY, identity TEXT NOT NULL REFERENCES identities,"
        " request TEXT NOT NULL REFERENCES requests, body TEXT NOT NULL, digest TEXT NOT NULL,"
        " created TEXT NOT NULL) WITHOUT ROWID"),
        ("CREATE TABLE failures(id INTEGER PRIMARY KEY, key TEXT NOT NULL, error TEXT NOT NULL,"
        " created TEXT NOT NULL)"),
        ("CREATE TABLE grades(key TEXT NOT NULL, item TEXT NOT NULL, grader TEXT NOT NULL, body TEXT NOT NULL,"
        " PRIMARY KEY(key, item, grader)) WITHOUT ROWID"),
    ):
        db.execute(statement)


MIGRATIONS: tuple[tuple[str, Callable[[sqlite3.Connection], None]], ...] = (("m001_initial", _m001_initial),)
"""Applied in order, each once; the number of them is the file's `user_version`."""


Row = tuple[str, tuple[str, ...]]
"""A table and the values of one of its rows."""

_PARTS = {
    "identities": "digest IN (SELECT identity FROM completions WHERE key IN wanted_keys)",
    "requests": "digest IN (SELECT request FROM completions WHERE key IN wanted_keys)",
    "items": "id IN wanted_items",
    "completions": "key IN wanted_keys",
    "grades": "key IN wanted_keys AND item IN wanted_items",
}
"""Tables that travel with an audit, in the order in which their references hold, and which of their rows."""
_COLUMNS = {"identities": 2, "requests": 2, "items": 3, "completions": 6, "grades": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGrade:
    """A grade as stored: which completion, which item, by which grader."""

    key: str
    item: Item
    grader: str
    grade: Grade


class Store:
    """An opened evidence file; use it as a context manager.

    Raises:
        EvidenceVersionError: A newer version wrote the file.
        EvidenceCorruptError: It is not an evidence file, or damaged.
        EvidenceError: It cannot be opened or written.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        if read_only and not path.is_file():
            msg = f"no evidence at {path}: run `hydrometer audit` first, or name its folder"
            raise EvidenceError(msg)
        with _errors(path):
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            target = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            # Autocommit: one answer, one transaction.
            self._db = sqlite3.connect(target, uri=True, isolation_level=None)
            self._prepare(read_only=read_only)

    def _prepare(self, *, read_only: bool) -> None:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        owner = int(self._db.execute("PRAGMA application_id").fetchone()[0])
        if version > len(MIGRATIONS):
            msg = (
                f"{self.path} has evidence format {version}, this version reads up to {len(MIGRATIONS)}: "
                "upgrade hydrometer, or choose another --out"
            )
            raise EvidenceVersionError(msg)
        if owner not in (0, APPLICATION_ID) or (version and owner != APPLICATION_ID):
            msg = f"{self.path} is a database, but not an evidence file: choose another --out"
            raise EvidenceCorruptError(msg)
        if read_only:
            return
        self._db.execute("PRAGMA journal_mode=WAL")
        # NORMAL survives the death of the process, which is what resuming needs.
        self._db.execute("PRAGMA synchronous=NORMAL")
        for number, (_, migrate) in enumerate(MIGRATIONS[version:], start=version + 1):
            self._db.execute("BEGIN IMMEDIATE")
            migrate(self._db)
            self._db.execute(f"PRAGMA user_version={number}")
            self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            self._db.execute("COMMIT")

    def put_identity(self, identity: ModelIdentity) -> None:
        """Record who answers; the same identity is recorded once."""
        self._insert("identities(digest, body)", (identity.digest, canonical_json(identity)))

    def put_item(self, item: Item) -> None:
        """Record an item under its content digest."""
        self._insert("items(id, task, body)", (item.id, item.task, canonical_json(item)))

    def put_completion(self, identity: ModelIdentity, request: Request, completion: Completion) -> str:
        """Record an answer and return its key; an errored one is recorded as a failure instead."""
        request_digest = request.digest
        key = completion_key(identity, request_digest)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        if completion.finish is Finish.ERROR:
            self._insert("failures(key, error, created)", (key, completion.error, now))
            return key
        body = canonical_json(completion)
        asked = (request_digest, canonical_json(request))
        row = (key, identity.digest, request_digest, body, digest_text(body), now)
        with _errors(self.path):
            self._db.execute("BEGIN")
            try:
                self._db.execute("INSERT OR IGNORE INTO requests(digest, body) VALUES(?,?)", asked)
                self._db.execute(_PUT_COMPLETION, row)
                self._db.execute("COMMIT")
            except sqlite3.Error:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
        return key

    def completion(self, key: str) -> Completion | None:
        """Return an answer by its key, or None if it was never given."""
        with _errors(self.path):
            row = self._db.execute("SELECT body FROM completions WHERE key=?", (key,)).fetchone()
            return None if row is None else _COMPLETION.validate_json(row[0])

    def item(self, item_id: str) -> Item | None:
        """Return an item by its digest, or None if it was never part of an audit."""
        with _errors(self.path):
            row = self._db.execute("SELECT body FROM items WHERE id=?", (item_id,)).fetchone()
            return None if row is None else _ITEM.validate_json(row[0])

    def put_grade(self, key: str, item: Item, grader: str, grade: Grade) -> None:
        """Record a derived grade; it can be re-derived at any time."""
        self._insert("grades(key, item, grader, body)", (key, item.id, grader, canonical_json(grade)))

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Group many small derived rows into one transaction."""
        with _errors(self.path):
            self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        with _errors(self.path):
            self._db.execute("COMMIT")

    def counts(self) -> dict[str, int]:
        """Return the number of rows per table."""
        names = ("identities", "items", "requests", "completions", "failures", "grades")
        with _errors(self.path):
            return {n: int(self._db.execute(f"SELECT count(*) FROM {n}").fetchone()[0]) for n in names}  # noqa: S608

    def failures(self) -> list[tuple[str, str]]:
        """Return (key, error) of every failed request, oldest first."""
        with _errors(self.path):
            return [(k, e) for k, e in self._db.execute("SELECT key, error FROM failures ORDER BY id")]

    def grades(self) -> Iterator[StoredGrade]:
        """Yield every stored grade with its item."""
        query = "SELECT g.key, i.body, g.grader, g.body FROM grades g JOIN items i ON i.id = g.item"
        with _errors(self.path):
            for key, item, grader, grade in self._db.execute(query):
                yield StoredGrade(
                    key=key,
                    item=_ITEM.validate_json(item),
                    grader=grader,
                    grade=_GRADE.validate_json(grade),
                )

    def rows(self, keys: Collection[str], items: Collection[str]) -> Iterator[Row]:
        """Yield the stored rows behind some completions and items as they are, each table in the order of its key.

        Args:
            keys: Keys of completions; the models and the requests behind them come along.
            items: Items; the grades of these completions on them come along.
        """
        with _errors(self.path):
            for wanted, names in (("wanted_keys", keys), ("wanted_items", items)):
                self._db.execute(f"CREATE TEMP TABLE IF NOT EXISTS {wanted}(id TEXT PRIMARY KEY)")
                self._db.execute(f"DELETE FROM {wanted}")  # noqa: S608 - one of the two names above
                rows = ((name,) for name in set(names))
                self._db.executemany(f"INSERT INTO {wanted} VALUES(?)", rows)
            for table, where in _PARTS.items():
                query = f"SELECT * FROM {table} WHERE {where} ORDER BY 1, 2"  # noqa: S608 - both are constants
                for row in self._db.execute(query):
                    yield table, tuple(row)

    def put_row(self, row: Row) -> None:
        """Take over a row of another store as it is; `verify` says whether it can be believed.

        Raises:
            EvidenceCorruptError: There is no such table, or it has other columns.
        """
        table, values = row
        if len(values) != _COLUMNS.get(table):
            msg = f"evidence has no table {table[:40]!r} with {len(values)} columns: known are {', '.join(_PARTS)}"
            raise EvidenceCorruptError(msg)
        self._insert(table, values)

    def verify(self) -> list[str]:
        """Re-derive every digest from the content and return what does not match, empty if all is well."""
        with _errors(self.path):
            problems = [str(r[0]) for r in self._db.execute("PRAGMA integrity_check") if r[0] != "ok"]
            for stored, body in self._db.execute("SELECT digest, body FROM identities"):
                if _IDENTITY.validate_json(body).digest != stored:
                    problems.append(f"identity {stored}: the content has another digest")
            for stored, body in self._db.execute("SELECT digest, body FROM requests"):
                if digest(_REQUEST.validate_json(body)) != stored:
                    problems.append(f"request {stored}: the content has another digest")
            for stored, body in self._db.execute("SELECT id, body FROM items"):
                if _ITEM.validate_json(body).id != stored:
                    problems.append(f"item {stored}: the content has another digest")
            query = "SELECT key, identity, request, body, digest FROM completions"
            for key, identity, request, body, stored in self._db.execute(query):
                if digest_text(body) != stored:
                    problems.append(f"completion {key}: the content has another digest")
                if digest([identity, request]) != key:
                    problems.append(f"completion {key}: the key does not belong to its model and request")
        return problems

    def close(self) -> None:
        """Close the file; calling it twice is harmless."""
        self._db.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _insert(self, target: str, values: tuple[str, ...]) -> None:
        places = ",".join("?" * len(values))
        with _errors(self.path):
            # OR IGNORE makes the first answer stand: what was answered is never replaced.
            self._db.execute(f"INSERT OR IGNORE INTO {target} VALUES({places})", values)


class _errors:  # noqa: N801 - it stands where a function of contextlib would, which takes four times as long
    """Map SQLite's errors to one line with the cure."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise what the error means, if it is one of SQLite's or of the file's."""
        if isinstance(error, sqlite3.DatabaseError | ValidationError | OSError):
            raise _meaning(self._path, error) from error


def _meaning(path: Path, error: sqlite3.DatabaseError | ValidationError | OSError) -> EvidenceError:
    if isinstance(error, sqlite3.OperationalError):
        text = str(error)
        cure = "try again"
        if "full" in text or "disk I/O" in text:
            cure = "free some space and rerun the same command: what was answered is kept"
        elif "locked" in text:
            cure = "another program holds the file; wait for it"
        elif "readonly" in text or "unable to open" in text:
            cure = "choose a folder that can be written with --out"
        return EvidenceError(f"evidence at {path}: {text}; {cure}")
    if isinstance(error, OSError):
        return EvidenceError(f"evidence at {path}: {error.strerror or error}; choose another --out")
    first = str(error).splitlines()[0]
    return EvidenceCorruptError(
        f"evidence at {path} is damaged ({first}): restore it, or start anew with another --out"
    )
