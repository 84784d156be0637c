"""`report.json`: the result as it is, written whole or not at all, and read back with suspicion."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hydrometer.canon import to_plain
from hydrometer.claims.evidence import answer
from hydrometer.claims.model import Card
from hydrometer.claims.opening import dump_claims, open_card
from hydrometer.errors import EvidenceCorruptError, EvidenceError, EvidenceVersionError, UsageError
from hydrometer.report.claims_view import build_claims
from hydrometer.report.html import FOLDER, HTML_NAME, render_pages
from hydrometer.result import SCHEMA_VERSION, AuditResult

JSON_NAME, CLAIMS_NAME = "report.json", "claims.yaml"

# An unknown key means that the file says something this version would drop: refused, not ignored. The list is
# there because pydantic takes a config for no plain dataclass itself, but hands it down to those inside.
_ADAPTER: TypeAdapter[list[AuditResult]] = TypeAdapter(list[AuditResult], config=ConfigDict(extra="forbid"))


def to_json(result: AuditResult) -> dict[str, Any]:
    """Return a result as plain JSON values.

    Raises:
        ValueError: A number in it is NaN or infinite, which is a defect of whoever computed it.
    """
    plain: dict[str, Any] = to_plain(result)
    _dump(plain)
    return plain


def from_json(source: str | bytes | dict[str, Any]) -> AuditResult:
    """Return the result that a `report.json` holds.

    Args:
        source: Its text, or the object already parsed.

    Raises:
        EvidenceVersionError: It was written by a newer version.
        EvidenceCorruptError: It is not a report, or was changed into something that no audit writes.
    """
    data = source if isinstance(source, dict) else _parse(source)
    version = data.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        msg = (
            f"the report has schema version {version}, this version of hydrometer reads up to {SCHEMA_VERSION}: "
            "upgrade hydrometer"
        )
        raise EvidenceVersionError(msg)
    if version != SCHEMA_VERSION or isinstance(version, bool):
        msg = f"schema_version == {version!r} is not a report of hydrometer: expected {SCHEMA_VERSION}"
        raise EvidenceCorruptError(msg)
    try:
        # Strict JSON mode: enums from text and tuples from lists, but no number from a text.
        return _ADAPTER.validate_json(_dump([data]), strict=True)[0]
    except ValidationError as error:
        raise EvidenceCorruptError(_first_fault(error)) from error
    except (UsageError, ValueError, TypeError, RecursionError) as error:
        msg = f"the report is damaged: {error}; make it again with the same command, the replies are kept"
        raise EvidenceCorruptError(msg) from error


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `report.json`."""
    schema = _ADAPTER.json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "report.json of Hydrometer",
        "$defs": schema["$defs"],
        **schema["items"],
    }


def write(result: AuditResult, folder: Path, card: Card | None = None) -> tuple[Path, Path]:
    """Write `report.json`, `report.html` and the pages beside it; a reader never sees half of one.

    Args:
        result: What an audit found.
        folder: Where they go; made if it is not there.
        card: The student's card; its claims are kept beside the report and answered on top of it. Without one, those
            that an earlier report kept are.

    Returns:
        Both paths, JSON first.

    Raises:
        EvidenceError: The folder cannot be written.
    """
    text = _dump(to_json(result), indent=1) + "\n"
    if card is not None:
        write_file(folder / CLAIMS_NAME, dump_claims(card))
    elif (folder / CLAIMS_NAME).is_file():
        card = replace(open_card(str(folder / CLAIMS_NAME)), source="the model card")
    pages = render_pages(result, claims=build_claims(card, answer(card, result)) if card else None)
    beside = folder / FOLDER
    for name, page in pages.beside.items():
        write_file(beside / name, page)
    written = write_file(folder / JSON_NAME, text), write_file(folder / HTML_NAME, pages.report)
    # Pages of an earlier report with more items; nothing else in the folder is touched.
    for old in beside.glob("[0-9][0-9][0-9].html"):
        if old.name not in pages.beside:
            old.unlink(missing_ok=True)
    return written


def write_file(path: Path, content: str) -> Path:
    """Write a file whole or not at all, and its folder if it is not there; return its path.

    Raises:
        EvidenceError: The folder cannot be written, or the path is one.
    """
    if path.is_dir():
        msg = f"{path} is a folder: name a file in it"
        raise EvidenceError(msg)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}; choose another place"
        raise EvidenceError(msg) from error
    return path


def _replace(path: Path, content: str) -> None:
    # In the same folder, for os.replace is atomic within one file system only.
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _dump(data: Any, indent: int | None = None) -> str:
    """JSON text; halves of surrogate pairs, which UTF-8 cannot hold, become question marks."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=indent)
    return text.encode("utf-8", "replace").decode("utf-8")


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        msg = f"the report is not JSON ({error}): make it again with the same command, the replies are kept"
        raise EvidenceCorruptError(msg) from error
    if not isinstance(data, dict):
        msg = f"the report is a JSON {type(data).__name__}, must be an object"
        raise EvidenceCorruptError(msg)
    return data


def _refuse_constant(constant: str) -> None:
    msg = f"{constant} is no JSON number"
    raise ValueError(msg)


def _first_fault(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    place = ".".join(str(part) for part in faults[0]["loc"][1:])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"the report is damaged at {place or 'its top'}: {faults[0]['msg']}{more}"
