"""Audits in a database: SQLite, or PostgreSQL by its URL. An audit with all of its files is one transaction."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from hydrometer.canon import canonical_json
from hydrometer.errors import RegistryError, UsageError
from hydrometer.registry.bundle import conflict
from hydrometer.registry.entry import Entry
from hydrometer.registry.lists import SIZES, Options
from hydrometer.registry.naming import check_writer, slug

_META = sa.MetaData()
_AUDITS = sa.Table(
    "audits",
    _META,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("content", sa.String(80), nullable=False),
    sa.Column("created", sa.String(40), nullable=False, index=True),
    sa.Column("base", sa.Text, nullable=False, index=True),
    sa.Column("base_slug", sa.Text, nullable=False, index=True),
    sa.Column("student_slug", sa.Text, nullable=False, index=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("quantisation", sa.Text, nullable=False),
    sa.Column("parameters", sa.BigInteger),
    sa.Column("weight_bytes", sa.BigInteger, index=True),
    sa.Column("verdict", sa.String(24), nullable=False),
    sa.Column("entry", sa.Text, nullable=False),
)
_CAPABILITIES = sa.Table(
    "capabilities",
    _META,
    sa.Column("audit", sa.ForeignKey("audits.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("verdict", sa.String(24), nullable=False),
)
_FILES = sa.Table(
    "files",
    _META,
    sa.Column("audit", sa.ForeignKey("audits.id"), primary_key=True),
    sa.Column("report", sa.LargeBinary, nullable=False),
    sa.Column("bundle", sa.LargeBinary, nullable=False),
)
_TOKENS = sa.Table(
    "tokens",
    _META,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("created", sa.String(40), nullable=False),
)
_ENTRY = TypeAdapter(Entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a filter finds: a page of entries, and how many there are in all."""

    entries: tuple[Entry, ...]
    total: int


class Database:
    """The audits of a registry.

    Raises:
        UsageError: The URL is none that can be used.
        RegistryError: The database is down, or cannot be written.
    """

    def __init__(self, url: str) -> None:
        if url.startswith(("postgres://", "postgresql://")):
            url = "postgresql+psycopg://" + url.partition("://")[2]
        try:
            # An idle connection that broke is found before it is used, so that a restart of the server heals itself.
            self._engine = sa.create_engine(url, pool_pre_ping=True)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, ValueError) as error:
            msg = f"database {url.partition('@')[0].partition('://')[0]!r}: {error}; give sqlite:///FILE or postgresql://..."
            raise UsageError(msg) from error
        with _errors():
            _META.create_all(self._engine)

    def add(self, entry: Entry, report: bytes, bundle: bytes) -> bool:
        """Keep an audit with its files, all or nothing; return False if it was there already.

        Raises:
            BundleError: Another audit of the same id is there; it stays.
            RegistryError: The database is down.
        """
        student, base = entry.student, entry.base
        row = {
            "id": entry.id,
            "content": entry.content,
            "created": entry.created,
            "base": base.name,
            "base_slug": slug(base.name),
            "student_slug": slug(student.name),
            "text": f"{student.label} {base.name}".lower(),
            "family": student.family,
            "quantisation": student.quantisation,
            "parameters": student.parameters,
            "weight_bytes": student.weight_bytes,
            "verdict": entry.verdict.value,
            "entry": canonical_json(entry),
        }
        rows = {found.name: found.verdict.value for found in entry.capabilities}
        try:
            with _errors(), self._engine.begin() as db:
                db.execute(_AUDITS.insert(), row)
                if rows:
                    named = [{"audit": entry.id, "name": name, "verdict": v} for name, v in rows.items()]
                    db.execute(_CAPABILITIES.insert(), named)
                db.execute(_FILES.insert(), {"audit": entry.id, "report": report, "bundle": bundle})
        except sa.exc.IntegrityError as error:
            known = self.entry(entry.id)
            if known and known.content == entry.content:
                return False
            raise conflict(entry.id, "the one in the registry", "this one") from error
        return True

    def entry(self, audit: str) -> Entry | None:
        """Return an audit by its id."""
        with _errors(), self._engine.connect() as db:
            text = db.execute(sa.select(_AUDITS.c.entry).where(_AUDITS.c.id == audit)).scalar()
        return None if text is None else _read(text)

    def file(self, audit: str, name: str) -> bytes | None:
        """Return `report` or `bundle` of an audit."""
        with _errors(), self._engine.connect() as db:
            body = db.execute(sa.select(_FILES.c[name]).where(_FILES.c.audit == audit)).scalar()
        return None if body is None else bytes(body)

    def find(
        self, chosen: Mapping[str, str], *, offset: int = 0, limit: int | None = None, largest: bool = False
    ) -> Found:
        """Return the audits that a filter finds, newest first, or those with the largest weights first."""
        where = _conditions(chosen)
        order = _AUDITS.c.weight_bytes.desc() if largest else _AUDITS.c.created.desc()
        query = sa.select(_AUDITS.c.entry).where(*where).order_by(order, _AUDITS.c.id).offset(offset).limit(limit)
        with _errors(), self._engine.connect() as db:
            total = db.execute(sa.select(sa.func.count()).select_from(_AUDITS).where(*where)).scalar_one()
            return Found(entries=tuple(_read(text) for text in db.execute(query).scalars()), total=total)

    def unsized(self, chosen: Mapping[str, str]) -> int:
        """Return how many audits a filter would find that do not say how large their weights are."""
        others = {name: value for name, value in chosen.items() if name not in ("memory", "free")}
        where = [*_conditions(others), _AUDITS.c.weight_bytes.is_(None)]
        with _errors(), self._engine.connect() as db:
            return int(db.execute(sa.select(sa.func.count()).select_from(_AUDITS).where(*where)).scalar_one())

    def of_page(self, kind: str, page: str) -> tuple[Entry, ...]:
        """Return the audits of a base's or a model's page, newest first; `kind` is `base` or `student`."""
        column = _AUDITS.c[f"{kind}_slug"]
        query = sa.select(_AUDITS.c.entry).where(column == page).order_by(_AUDITS.c.created.desc())
        with _errors(), self._engine.connect() as db:
            return tuple(_read(text) for text in db.execute(query).scalars())

    def options(self) -> Options:
        """Return what the filters offer."""
        columns = {
            "bases": _AUDITS.c.base,
            "families": _AUDITS.c.family,
            "quantisations": _AUDITS.c.quantisation,
            "capabilities": _CAPABILITIES.c.name,
        }
        with _errors(), self._engine.connect() as db:
            found = {name: db.execute(sa.select(column).distinct()).scalars().all() for name, column in columns.items()}
        named = {name: tuple(sorted(filter(None, names), key=str.casefold)) for name, names in found.items()}
        return Options(
            bases=named["bases"],
            families=named["families"],
            quantisations=named["quantisations"],
            capabilities=named["capabilities"],
        )

    def new_token(self, name: str) -> str:
        """Make a token for a writer; only its digest is kept, so it is shown this once.

        Raises:
            UsageError: The name is taken, or no name at all.
        """
        check_writer(name)
        token = f"hm_{secrets.token_urlsafe(32)}"
        row = {"digest": _hashed(token), "name": name, "created": datetime.now(UTC).isoformat(timespec="seconds")}
        try:
            with _errors(), self._engine.begin() as db:
                db.execute(_TOKENS.insert(), row)
        except sa.exc.IntegrityError as error:
            msg = f"there is a token for {name!r}: revoke it first, or choose another name"
            raise UsageError(msg) from error
        return token

    def revoke(self, name: str) -> bool:
        """Take a token back; return whether there was one."""
        with _errors(), self._engine.begin() as db:
            return bool(db.execute(_TOKENS.delete().where(_TOKENS.c.name == name)).rowcount)

    def writer(self, token: str) -> str | None:
        """Return whose token it is."""
        with _errors(), self._engine.connect() as db:
            query = sa.select(_TOKENS.c.name).where(_TOKENS.c.digest == _hashed(token))
            found: str | None = db.execute(query).scalar()
        return found

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _conditions(chosen: Mapping[str, str]) -> list[sa.ColumnElement[bool]]:
    """Return what a row must fulfil; an empty value asks nothing, a number that is none finds nothing."""
    columns = {"base": _AUDITS.c.base, "family": _AUDITS.c.family, "quantisation": _AUDITS.c.quantisation}
    where: list[sa.ColumnElement[bool]] = []
    where += [column == chosen[name] for name, column in columns.items() if chosen.get(name)]
    where += [_AUDITS.c.text.contains(word, autoescape=True) for word in chosen.get("q", "").lower().split()]
    size = next((row for row in SIZES if row[0] == chosen.get("size")), None)
    if size:
        where += [_AUDITS.c.parameters > int(size[1]), _AUDITS.c.parameters <= int(size[2])]
    capability, verdict = chosen.get("capability", ""), chosen.get("verdict", "")
    if capability:
        inner = sa.select(_CAPABILITIES.c.audit).where(_CAPABILITIES.c.name == capability)
        where.append(_AUDITS.c.id.in_(inner.where(_CAPABILITIES.c.verdict == verdict) if verdict else inner))
    elif verdict:
        where.append(_AUDITS.c.verdict == verdict)
    if chosen.get("memory"):
        room = max(0.0, _gigabytes(chosen, "memory") - _gigabytes(chosen, "free"))
        where.append(_AUDITS.c.weight_bytes <= round(room * 1e9))
    return where


def _gigabytes(chosen: Mapping[str, str], name: str) -> float:
    text = chosen.get(name) or "0"
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1e6:
        msg = f"{name} {text[:20]!r}: give gigabytes, such as 24"
        raise UsageError(msg)
    return number


def _read(text: str) -> Entry:
    try:
        return _ENTRY.validate_json(text, strict=True)
    except ValidationError as error:
        msg = "the database holds an audit that this version cannot read: upgrade hydrometer; nothing was changed"
        raise RegistryError(msg) from error


def _hashed(token: str) -> str:
    # A token has 256 random bits: there is nothing to guess that a slow hash would protect.
    return sha256(token.encode()).hexdigest()


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except sa.exc.DataError as error:
        # PostgreSQL takes no NUL in a text: whoever asks for one is wrong, and the database is not down.
        msg = "a value that the database cannot hold: ask for plain text"
        raise UsageError(msg) from error
    except sa.exc.SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        msg = f"the database of the registry cannot be used ({cause[:200]}): nothing was changed, try again later"
        raise RegistryError(msg) from error
