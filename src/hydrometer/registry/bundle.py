"""One audit as one file, and back.

A zip archive of four files, five where it is signed:

    manifest.json    which audit, and size and digest of the three below
    signature.json   who signed the manifest (`registry.signing`), where somebody did
    report.json      the result as it was written
    evidence.jsonl   the rows of the evidence store behind it: items, requests, raw replies, models, grades
    report.html      the page, for whoever opens the archive by hand; it is never taken over, but made again

The same audit gives the same bytes. A bundle may come from anybody: it is read with the limits below, nothing of it is
written under a name of its own choosing, and no database of a stranger is opened, only rows are taken over.
What this module cannot see is a forger who makes the manifest fit: `registry.checking` derives the grades again.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hydrometer.canon import FILE_TAG, canonical_json
from hydrometer.errors import BundleConflictError, BundleError, EvidenceError, MissingPackageError
from hydrometer.outcomes import Status
from hydrometer.registry import signing
from hydrometer.registry.files import write_pages
from hydrometer.registry.naming import audit_id, audit_name
from hydrometer.report.html import HTML_NAME, render_html
from hydrometer.report.json_report import JSON_NAME, from_json
from hydrometer.result import AuditResult
from hydrometer.store import EVIDENCE, Row, Store
from hydrometer.verify import evidence_of, find_reports, load_report
from hydrometer.version import __version__

FORMAT, FORMAT_VERSION = "hydrometer bundle", 1
SUFFIX = ".hydrometer.zip"
MANIFEST, ROWS, SIGNATURE = "manifest.json", "evidence.jsonl", "signature.json"
_LARGEST = {MANIFEST: 1 << 16, SIGNATURE: 1 << 10, JSON_NAME: 64 << 20, ROWS: 256 << 20, HTML_NAME: 16 << 20}
"""Names a bundle may hold, each with the most bytes it may unpack to."""
_MOST_RATIO, _RATIO_FROM = 200, 1 << 20
"""Replies of models pack to a tenth; what packs to a 200th of a megabyte or more is a bomb."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a bundle may cost at most.

    Attributes:
        packed: Bytes of the archive.
        files: Bytes that each file may unpack to.
    """

    packed: int = 128 << 20
    files: dict[str, int] = field(default_factory=lambda: dict(_LARGEST))


class FileEntry(BaseModel):
    """Size and digest of a file in a bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int
    digest: str


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    version: int
    audit: str = Field(pattern="^[0-9a-f]{16}$")
    hydrometer: str = Field(max_length=40)
    files: dict[str, FileEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle whose digests fit.

    Attributes:
        digest: Digest of its manifest, and so of everything in it.
        report: The bytes of `report.json`.
        result: The same, read.
        signer: Public key of whoever signed it, `""` if nobody did, or if it could not be checked here.
        unchecked: Whether there is a signature that could not be checked, for want of a package.
    """

    path: Path
    manifest: Manifest
    digest: str
    report: bytes
    result: AuditResult
    signer: str = ""
    unchecked: bool = False

    @property
    def content(self) -> str:
        """Digest of the report: two audits of one id with different ones contradict each other."""
        return self.manifest.files[JSON_NAME].digest


def write_bundle(folder: Path, target: Path | None = None, *, key: Path | None = None) -> tuple[Path, str]:
    """Write an audit as one file, whole or not at all.

    Args:
        folder: The folder of the audit, or the `--out` folder whose newest one is meant.
        target: The file; None for one named after the audit in the current folder.
        key: File of a private key to sign it with, None for no signature.

    Returns:
        The file, and the digest of its manifest, which is the same with and without a signature.

    Raises:
        UsageError: The key is none.
        EvidenceError: There is no finished audit, its evidence is missing, or the file cannot be written.
    """
    report = find_reports(folder)[0]
    result = load_report(report)
    with Store(evidence_of(report), read_only=True) as store:
        rows = "".join(f"{canonical_json(row)}\n" for row in store.rows(*_wanted(result)))
    contents = {
        JSON_NAME: report.read_bytes(),
        ROWS: rows.encode("utf-8", "replace"),
        HTML_NAME: render_html(result).encode(),
    }
    manifest = Manifest(
        format=FORMAT,
        version=FORMAT_VERSION,
        audit=audit_id(result),
        hydrometer=__version__,
        files={name: FileEntry(bytes=len(body), digest=_digest(body)) for name, body in contents.items()},
    )
    body = (json.dumps(manifest.model_dump(), indent=1) + "\n").encode()
    signed = {SIGNATURE: signing.sign(body, key)} if key else {}
    target = target or Path(audit_name(result) + SUFFIX)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_zip(target, {MANIFEST: body, **signed, **contents})
    except OSError as error:
        msg = f"cannot write {target}: {error.strerror or error}; choose another -o"
        raise EvidenceError(msg) from error
    return target, _digest(body)


def open_bundle(path: Path, limits: Limits | None = None) -> Opened:
    """Read a bundle with suspicion: names, links, sizes, ratios, then every digest, and the signature if there is one.

    Raises:
        BundleError: It is none, or unsafe, or a file in it is not the one that the manifest names, or its signature
            does not fit.
        EvidenceVersionError: Its report is from a newer version.
        EvidenceCorruptError: Its report is damaged.
    """
    limits = limits or Limits()
    with _archive(path, limits) as archive:
        members = _members(path, archive, limits)
        body = _read(path, archive, members[MANIFEST])
        manifest = _manifest(path, body)
        there = sorted(set(members) - {MANIFEST, SIGNATURE})
        if sorted(manifest.files) != there:
            named = sorted(manifest.files)
            msg = f"{path.name}: the manifest names {', '.join(named)}, the bundle holds {', '.join(there)}"
            raise BundleError(msg)
        for name, entry in manifest.files.items():
            _compare(path, archive, members[name], entry)
        report = _read(path, archive, members[JSON_NAME])
        signature = _read(path, archive, members[SIGNATURE]) if SIGNATURE in members else b""
    checkable = bool(signature) and signing.available()
    signer = signing.signer(body, signature, path.name) if checkable else ""
    result = from_json(report)
    if audit_id(result) != manifest.audit:
        msg = f"{path.name}: {MANIFEST} says audit {manifest.audit}, {JSON_NAME} is {audit_id(result)}: changed"
        raise BundleError(msg)
    return Opened(
        path=path,
        manifest=manifest,
        digest=_digest(body),
        report=report,
        result=result,
        signer=signer,
        unchecked=bool(signature) and not checkable,
    )


def unpack(bundle: Opened, out: Path) -> Path:
    """Make a bundle a folder again, whole or not at all; one that is there already is left alone.

    Args:
        bundle: What `open_bundle` returned.
        out: Where the folder of the audit goes.

    Returns:
        The folder.

    Raises:
        BundleError: A row of its evidence is none, or another audit of the same id is there.
        EvidenceError: The folder cannot be written.
    """
    folder = out / audit_name(bundle.result)
    if (folder / JSON_NAME).is_file():
        if _digest((folder / JSON_NAME).read_bytes()) == bundle.content:
            return folder
        raise conflict(bundle.manifest.audit, str(folder), bundle.path.name)
    draft = out / f".{folder.name}.{os.getpid()}.tmp"
    try:
        draft.mkdir(parents=True)
        (draft / JSON_NAME).write_bytes(bundle.report)
        write_pages(bundle.result, draft)
        with Store(draft / EVIDENCE) as store, store.batch():
            for row in _rows(bundle):
                store.put_row(row)
        draft.rename(folder)
    except OSError as error:
        msg = f"cannot write into {out}: {error.strerror or error}; choose another --out"
        raise EvidenceError(msg) from error
    finally:
        with suppress(OSError):
            shutil.rmtree(draft)
    return folder


def require_signer(bundle: Opened, key: str) -> None:
    """Refuse a bundle that somebody else signed, or nobody.

    Raises:
        BundleError: It is signed with another key, or not at all.
        MissingPackageError: Its signature cannot be checked here.
    """
    if bundle.unchecked:
        msg = "its signature cannot be checked without cryptography: pip install 'hydrometer[sign]'"
        raise MissingPackageError(msg)
    if bundle.signer != key:
        msg = f"{bundle.path.name} is signed with {bundle.signer or 'no key'}, not with {key}: not taken"
        raise BundleError(msg)


def conflict(audit: str, first: str, second: str) -> BundleConflictError:
    """Return the error of two audits with one id and different content."""
    return BundleConflictError(
        f"audit {audit}: {first} and {second} hold different results of the same models and settings; "
        "neither is changed: keep one of them"
    )


def _wanted(result: AuditResult) -> tuple[set[str], set[str]]:
    """Keys of the replies and ids of the items behind a result; a failure of the engine has no reply."""
    rows = (*result.items, *result.swapped, *result.taught)
    replies = (reply for row in rows for reply in (row.base, row.student))
    keys = {reply.key for reply in replies if reply.status is not Status.ENGINE_ERROR}
    return keys, {row.item_id for row in rows}


def _write_zip(target: Path, contents: dict[str, bytes]) -> None:
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, body in contents.items():
                # A fixed date and mode: the same audit gives the same bytes.
                info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                info.external_attr = 0o644 << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, body)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _archive(path: Path, limits: Limits) -> zipfile.ZipFile:
    try:
        size = path.stat().st_size
        if size > limits.packed:
            msg = f"{path.name}: {size:,} bytes, at most {limits.packed:,}"
            raise BundleError(msg)
        return zipfile.ZipFile(path)
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise BundleError(msg) from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        msg = f"{path.name} is no bundle ({error}): make one with `hydrometer bundle DIR`"
        raise BundleError(msg) from error


def _members(path: Path, archive: zipfile.ZipFile, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    """Return the files by name, once each of them is found harmless."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        fault = _fault(info, limits)
        if info.filename in found:
            fault = "is there twice"
        if fault:
            msg = f"{path.name}: {info.filename[:80]!r} {fault}: refused"
            raise BundleError(msg)
        found[info.filename] = info
    missing = [name for name in (MANIFEST, JSON_NAME, ROWS) if name not in found]
    if missing:
        msg = f"{path.name}: {', '.join(missing)} not in it: make it again with `hydrometer bundle DIR`"
        raise BundleError(msg)
    return found


def _fault(info: zipfile.ZipInfo, limits: Limits) -> str:
    """Say why a member is refused, `""` if it is not."""
    name = info.filename
    # `orig_filename` is what stands in the archive: the other was cut at a NUL and had its backslashes turned.
    if info.orig_filename != name or name.startswith("/") or ":" in name or ".." in PurePosixPath(name).parts:
        return "leads out of the bundle"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link"
    if name not in limits.files:
        return f"does not belong into a bundle (only {', '.join(limits.files)})"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is packed with method {info.compress_type}, must be stored or deflated"
    if info.file_size > limits.files[name]:
        return f"unpacks to {info.file_size:,} bytes, at most {limits.files[name]:,}"
    if info.file_size > _RATIO_FROM and info.file_size > _MOST_RATIO * info.compress_size:
        return f"unpacks to more than {_MOST_RATIO} times its size"
    return ""


def _chunks(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a file in pieces, no more of it than it says to hold."""
    try:
        with archive.open(info) as file:
            yield from _pieces(file, info.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        msg = f"{path.name}: {info.filename} is damaged ({error}): get the bundle again"
        raise BundleError(msg) from error


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while left >= 0 and (chunk := file.read(_CHUNK)):
        left -= len(chunk)
        if left < 0:
            msg = "it is longer than it says"
            raise EOFError(msg)
        yield chunk


def _read(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    return b"".join(_chunks(path, archive, info))


def _compare(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, entry: FileEntry) -> None:
    sha = sha256()
    for chunk in _chunks(path, archive, info):
        sha.update(chunk)
    if info.file_size != entry.bytes or FILE_TAG + sha.hexdigest() != entry.digest:
        msg = f"{path.name}: {info.filename} is not the file that {MANIFEST} names: it was changed or damaged"
        raise BundleError(msg)


def _manifest(path: Path, body: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"]) or "its top"
        msg = f"{path.name}: {MANIFEST} is damaged at {place}: {fault['msg']}"
        raise BundleError(msg) from error
    if manifest.format != FORMAT or manifest.version > FORMAT_VERSION:
        msg = (
            f"{path.name}: {manifest.format[:40]!r} {manifest.version}, this version reads {FORMAT!r} up to "
            f"{FORMAT_VERSION}: upgrade hydrometer"
        )
        raise BundleError(msg)
    return manifest


def _rows(bundle: Opened) -> Iterable[Row]:
    """Yield the rows of the evidence, each of them texts alone."""
    with _archive(bundle.path, Limits()) as archive:
        text = _read(bundle.path, archive, archive.getinfo(ROWS))
    if _digest(text) != bundle.manifest.files[ROWS].digest:
        msg = f"{bundle.path.name}: {ROWS} changed while it was read"
        raise BundleError(msg)
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            table, values = json.loads(line)
            good = isinstance(table, str) and isinstance(values, list) and all(isinstance(v, str) for v in values)
        except (ValueError, TypeError, RecursionError):
            good = False
        if not good:
            msg = f"{bundle.path.name}: line {number} of {ROWS} is no row of evidence"
            raise BundleError(msg)
        yield table, tuple(values)


def _digest(body: bytes) -> str:
    return FILE_TAG + sha256(body).hexdigest()
