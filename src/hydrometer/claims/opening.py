"""Where cards come from: a file, a folder, a GGUF file's metadata, a hub id, or claims written by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard
from pydantic import ConfigDict, TypeAdapter, ValidationError

from hydrometer.canon import to_plain
from hydrometer.checkpoint.cards import LARGEST
from hydrometer.checkpoint.gguf import read_header
from hydrometer.checkpoint.hub import HubFolder
from hydrometer.checkpoint.ranges import LOST
from hydrometer.claims.card import read_card
from hydrometer.claims.eval_results import FOLDER, LONGEST, MOST, read_entries, read_file, read_folder
from hydrometer.claims.facts import licence_key
from hydrometer.claims.model import Card, Claim, ClaimKind, Unread
from hydrometer.errors import CardError, EngineUnavailableError, ModelError
from hydrometer.refs import bundled_adapter

_ADAPTER: TypeAdapter[list[Claim]] = TypeAdapter(list[Claim], config=ConfigDict(extra="forbid"))
_NO_CARD: tuple[type[Exception], ...] = (*LOST, ValueError)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def open_card(reference: str) -> Card:
    """Return the claims behind a reference.

    Args:
        reference: A `README.md` or any text file, a folder that holds one, a `.yaml` file of claims, a `.gguf` file, or a
            hub id. Scores in `.eval_results` beside a `README.md` are read with it.

    Raises:
        CardError: There is no card, or it cannot be read.
    """
    path = bundled_adapter() if reference == "bundled:student" else Path(reference)
    if path.is_dir():
        return _of_folder(path, reference)
    if path.parent.name == FOLDER and path.is_file():
        claims, unread = read_file(path)
        return Card(source=reference, claims=tuple(claims), unread=tuple(unread))
    if path.suffix == ".gguf" and path.is_file():
        return _of_gguf(path)
    if path.is_file():
        text = _text(path)
        if path.suffix in {".yaml", ".yml"}:
            return load_claims(text, reference)
        if path.name != "README.md":
            return read_card(text, path.stem)
        return _with_scores(read_card(text, path.parent.name), path.parent)
    if _HUB_ID.fullmatch(reference):
        return _of_hub(reference)
    msg = f"no such file, folder or hub id: {reference!r}"
    raise CardError(msg)


def dump_claims(card: Card) -> str:
    """Return the claims as YAML, the form in which they are written by hand and exchanged."""
    rows: list[dict[str, Any]] = [
        {name: value for name, value in to_plain(claim).items() if value not in (None, "", {}, False, 0)}
        for claim in card.claims
    ]
    return yaml.safe_dump({"claims": rows}, sort_keys=False, allow_unicode=True)


def load_claims(text: str, source: str) -> Card:
    """Return the claims of a YAML file, as `dump_claims` writes it.

    Raises:
        CardError: It is no such file; says where.
    """
    try:
        data = yaml.safe_load(text)
        rows = data["claims"] if isinstance(data, dict) else None
        if not isinstance(rows, list):
            msg = f"{source}: expected a list under `claims:`"
            raise CardError(msg)
        return Card(source=source, claims=tuple(_ADAPTER.validate_python(rows)))
    except KeyError as error:
        msg = f"{source}: expected a list under `claims:`"
        raise CardError(msg) from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        kinds = ", ".join(ClaimKind)
        msg = f"{source}: claim {place}: {fault['msg']} (kinds: {kinds})"
        raise CardError(msg) from error
    except (yaml.YAMLError, RecursionError) as error:
        msg = f"{source} is no YAML: {str(error).splitlines()[0]}"
        raise CardError(msg) from error


def _of_folder(folder: Path, reference: str) -> Card:
    """A folder is its card and its scores; one of them is enough."""
    path = folder / "README.md"
    if path.is_file():
        return _with_scores(read_card(_text(path), folder.name), folder)
    card = _with_scores(Card(source=reference, claims=()), folder)
    if not card.claims and not card.unread:
        msg = f"no README.md in {reference}: give the card itself"
        raise CardError(msg)
    return card


def _with_scores(card: Card, folder: Path) -> Card:
    claims, unread = read_folder(folder)
    return replace(card, claims=(*card.claims, *claims), unread=(*card.unread, *unread))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > 4 * LARGEST:
            msg = f"{path} has {path.stat().st_size:,} bytes: no model card is that long"
            raise CardError(msg)
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise CardError(msg) from error


def _of_gguf(path: Path) -> Card:
    """Lineage, data sets and licence that a GGUF file states in `general.*`, read as front matter is."""
    metadata = read_header(path).metadata
    claims = []
    for kind, key in ((ClaimKind.LINEAGE, "general.base_model"), (ClaimKind.DATA, "general.dataset")):
        count = metadata.get(f"{key}.count", 0)
        for i in range(min(count, 16)) if isinstance(count, int) else ():
            name = metadata.get(f"{key}.{i}.repo_url") or metadata.get(f"{key}.{i}.name")
            if name:
                claims.append(Claim(kind=kind, subject=str(name)[:200], quote=f"{key}.{i}: {name}"[:300]))
    licence = metadata.get("general.license")
    if isinstance(licence, str) and licence.strip():
        subject = licence_key(licence)[:200]
        claims.append(Claim(kind=ClaimKind.LICENCE, subject=subject, quote=f"general.license: {licence}"[:300]))
    return Card(source=path.name, claims=tuple(claims))


def _of_hub(reference: str) -> Card:
    try:
        card = ModelCard.load(reference, ignore_metadata_errors=True)
    except _NO_CARD as error:
        msg = f"no card of {reference} can be fetched ({type(error).__name__}): give a file or a folder"
        raise CardError(msg) from error
    read = read_card(card.content, reference)
    claims, unread = _scores_on_hub(HubFolder(reference))
    return replace(read, claims=(*read.claims, *claims), unread=(*read.unread, *unread))


def _scores_on_hub(folder: HubFolder) -> tuple[list[Claim], list[Unread]]:
    """Scores in `.eval_results` of a repository; what cannot be fetched is told, for the card can still be read."""
    claims: list[Claim] = []
    unread: list[Unread] = []
    names = [name for name in folder.names(FOLDER) if name.endswith((".yaml", ".yml")) and "/" not in name]
    for name in names[:MOST]:
        try:
            raw = folder.read(f"{FOLDER}/{name}", 4 * LONGEST) or b""
        except (ModelError, EngineUnavailableError) as error:
            unread.append(Unread(line=0, quote=f"{FOLDER}/{name}", reason=str(error)))
            continue
        found = read_entries(raw.decode("utf-8", "replace"), f"{FOLDER}/{name}")
        claims += found[0]
        unread += found[1]
    if len(names) > MOST:
        unread.append(Unread(line=0, quote=FOLDER, reason=f"{len(names):,} files, of which {MOST} are read"))
    return claims, unread
