"""Names in a registry: the id of an audit, and names of files."""

from __future__ import annotations

import re

from hydrometer.api import audit_folder
from hydrometer.canon import digest, digest_text
from hydrometer.errors import UsageError
from hydrometer.result import AuditResult

ID = re.compile(r"[0-9a-f]{16}")
"""What an id of an audit looks like."""


def audit_id(result: AuditResult) -> str:
    """Return the id of an audit: one per spec and pair of models, whatever came out."""
    return digest([result.spec, result.base.identity.digest, result.student.identity.digest])[3:19]


def audit_name(result: AuditResult) -> str:
    """Return the name of its folder, without a path."""
    return audit_folder("", result).name


def slug(name: str) -> str:
    """Return a name for a file: readable, and told apart by a digest where letters were lost."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.").lower()[:48]
    return f"{plain or 'model'}-{digest_text(name)[3:9]}"


def check_writer(name: str) -> None:
    """Refuse what cannot be shown as the name of a writer.

    Raises:
        UsageError: It is empty, blank or not printable.
    """
    if not name.strip() or not name.isprintable():
        msg = f"{name!r} is no name for a writer: it is shown beside what is uploaded, so give letters or figures"
        raise UsageError(msg)
