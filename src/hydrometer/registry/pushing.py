"""Send a bundle to a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from hydrometer.errors import EvidenceError, UsageError

_LOCAL = ("localhost", "127.0.0.1", "::1")
_SECONDS = httpx.Timeout(30.0, read=600.0)
"""A registry answers once it has derived everything again."""


def push(url: str, bundle: Path, token: str) -> dict[str, Any]:
    """Send a bundle and return what the registry keeps of it, with `new` and `page`, its address.

    Args:
        url: Address of the registry.
        bundle: The file.
        token: Token of a writer.

    Raises:
        UsageError: The address is none, or the token would be readable on its way.
        EvidenceError: The file cannot be read, nobody answers, or the registry refuses it: with its reason.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = f"{url[:80]!r} is no address of a registry: give https://HOST/"
        raise UsageError(msg)
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        msg = f"the token would go to {parts.hostname} unencrypted: give https://, or a tunnel on this machine"
        raise UsageError(msg)
    root = url if url.endswith("/") else f"{url}/"
    try:
        # Read whole: a file that is cut while it is sent would be a request without an end.
        body = bundle.read_bytes()
        answer = httpx.post(
            f"{root}api/audits", content=body, headers={"Authorization": f"Bearer {token}"}, timeout=_SECONDS
        )
    except OSError as error:
        msg = f"cannot read {bundle}: {error.strerror or error}"
        raise EvidenceError(msg) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as error:
        msg = f"{root} does not answer ({str(error)[:200] or type(error).__name__}): nothing was sent, or nothing kept"
        raise EvidenceError(msg) from error
    said = _said(answer)
    if answer.status_code not in (httpx.codes.OK, httpx.codes.CREATED) or "id" not in said:
        why = str(said.get("error") or "it is no registry of hydrometer")[:2000]
        msg = f"{root} refused {bundle.name} ({answer.status_code}): {why}"
        raise EvidenceError(msg)
    files = said.get("files")
    return {**said, "page": root + str(files.get("page", "") if isinstance(files, dict) else "")}


def _said(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
