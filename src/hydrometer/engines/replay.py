"""Answers from an evidence store, without a model: grades and reports can be made anew from what was said.

The two tables are read directly and read-only; the store itself lives in a higher layer.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from hydrometer.canon import digest_text
from hydrometer.engines.base import Answer, Capabilities, ClosingEngine, EngineSettings
from hydrometer.errors import EvidenceCorruptError, EvidenceError, ModelError
from hydrometer.items import Request
from hydrometer.outcomes import Completion, Finish
from hydrometer.provenance import ModelIdentity, completion_key
from hydrometer.spec import ModelRef

MISSING = "not in the evidence"
EVIDENCE = "evidence.sqlite"
"""File that an audit writes into its folder; a folder may be named instead of it."""

_IDENTITY = TypeAdapter(ModelIdentity)
_COMPLETION = TypeAdapter(Completion)


class ReplayEngine(ClosingEngine):
    """Gives the stored answers of one model.

    Args:
        identity: Whose answers they are.
        completions: Answers by `provenance.completion_key`.
    """

    def __init__(self, identity: ModelIdentity, completions: Mapping[str, Completion]) -> None:
        self._identity, self._completions = identity, dict(completions)
        methods = {c.method: None for c in self._completions.values() if c.method}
        # Best first, as every engine lists them; unknown ones behind.
        known = [m for m in ("continuation", "letters") if m in methods]
        self._methods = (*known, *sorted(set(methods) - set(known)))

    @property
    def capabilities(self) -> Capabilities:
        """The ways of scoring that the evidence holds answers of."""
        ids = any(c.token_ids is not None for c in self._completions.values())
        return Capabilities(choice_methods=self._methods, token_ids=ids, local=True)

    @property
    def chat_template(self) -> str:
        """Evidence holds the template's digest, not its source."""
        return ""

    def identity(self) -> ModelIdentity:
        """Return who answered, so that the answers keep their keys."""
        return self._identity

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yield the stored replies; a missing one is an error of that request alone."""
        for request in requests:
            yield Answer(request, self._stored(request))

    def score(self, requests: Sequence[Request], method: str) -> Iterator[Answer]:
        """Yield the stored scores; those of another method do not count."""
        for request in requests:
            found = self._stored(request)
            fits = found.finish is Finish.ERROR or found.method == method
            yield Answer(request, found if fits else Completion(finish=Finish.ERROR, error=MISSING))

    def _stored(self, request: Request) -> Completion:
        key = completion_key(self._identity, request.digest)
        return self._completions.get(key) or Completion(finish=Finish.ERROR, error=MISSING)


def open_model(ref: ModelRef, settings: EngineSettings) -> ReplayEngine:
    """Open the answers of one model in an evidence file.

    Args:
        ref: `target` is the file or the folder of an audit, `model` the beginning of the identity's digest.
        settings: Not used: nothing is computed.

    Raises:
        ModelError: The file holds several models and none or more than one of them was named.
        EvidenceError: There is no such file.
        EvidenceCorruptError: It is no evidence file, or a stored answer does not match its digest.
    """
    del settings
    path = Path(ref.target).expanduser()
    path = path / EVIDENCE if path.is_dir() else path
    if not path.is_file():
        msg = f"{ref.text!r}: no evidence at {path}: name the folder of an audit or its {EVIDENCE}"
        raise EvidenceError(msg)
    with _errors(path), contextlib.closing(_connect(path)) as db:
        bodies = [str(body) for (body,) in db.execute("SELECT body FROM identities")]
        identity = _choose(ref, [_IDENTITY.validate_json(body) for body in bodies])
        return ReplayEngine(identity, dict(_completions(db, identity, path)))


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _completions(
    db: sqlite3.Connection, identity: ModelIdentity, path: Path
) -> Iterator[tuple[str, Completion]]:
    query = "SELECT key, body, digest FROM completions WHERE identity=?"
    for key, body, stored in db.execute(query, (identity.digest,)):
        if digest_text(body) != stored:
            msg = f"evidence at {path}: completion {key} does not match its digest: see `hydrometer verify`"
            raise EvidenceCorruptError(msg)
        yield key, _COMPLETION.validate_json(body)


def _choose(ref: ModelRef, identities: Sequence[ModelIdentity]) -> ModelIdentity:
    """Return the identity that the reference names, by digest with or without its tag, or the only one."""
    wanted = ref.model.removeprefix("s2:")
    found = [i for i in identities if i.digest.removeprefix("s2:").startswith(wanted)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(sorted(f"{i.digest} ({i.label})" for i in identities)) or "none"
    what = "fits several models" if found else "fits no model"
    given = f"#{ref.model}" if ref.model else "without #DIGEST it"
    msg = f"{ref.text!r}: {given} {what} of the evidence: give the first digits of one of {listed}"
    raise ModelError(msg)


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        msg = f"evidence at {path} cannot be read: {error}; name a file that `hydrometer audit` wrote"
        raise EvidenceCorruptError(msg) from error
    except ValidationError as error:
        msg = f"evidence at {path} is damaged: {str(error).splitlines()[0]}; see `hydrometer verify`"
        raise EvidenceCorruptError(msg) from error
