"""Check a bundle from a stranger: unpack it, derive everything again, in a process of its own with limits.

    python -m hydrometer.registry.checking BUNDLE FOLDER

Checked: every digest; that the replies of each side belong to the model that the report names, under the other's
template too, and those of a teacher to one model; every grade from the raw reply; every verdict and table from the
grades. Code in replies runs in the sandbox, as in an audit.
Not checked, for nobody can: that the named model gave these replies. Whoever doubts it asks it again.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from hydrometer.canon import to_plain
from hydrometer.errors import BundleError, HydrometerError
from hydrometer.outcomes import Status
from hydrometer.provenance import ModelIdentity
from hydrometer.registry.bundle import Opened, open_bundle, unpack
from hydrometer.registry.entry import Check, Entry, entry_of
from hydrometer.result import AuditResult, ItemResult
from hydrometer.store import EVIDENCE, Store
from hydrometer.tasks.base import LM_EVAL_PREFIX
from hydrometer.verify import verify_folder
from hydrometer.version import __version__

SECONDS, MEMORY = 300, 6 << 30
"""Most time and address space that a check may take."""

_ENTRY = TypeAdapter(Entry)
_IDENTITY = TypeAdapter(ModelIdentity)
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A bundle that was found right, unpacked.

    Attributes:
        entry: What a registry keeps of it.
        folder: Where its files lie.
    """

    entry: Entry
    folder: Path


def check_bundle(path: Path, out: Path) -> Checked:
    """Unpack a bundle below a folder and derive everything in it again.

    Raises:
        BundleError: Something does not follow from the raw replies; it is named.
        EvidenceError: It cannot be read.
    """
    bundle = open_bundle(path)
    foreign = [name for name in bundle.result.spec.tasks if name.startswith(LM_EVAL_PREFIX)]
    if foreign:
        # Their graders are code and data from elsewhere: a stranger must not choose what is loaded here.
        msg = f"{path.name}: the grades of {', '.join(foreign)[:200]} cannot be derived again here"
        raise BundleError(msg)
    folder = unpack(bundle, out)
    found = verify_folder(folder)
    problems = [*_strangers(folder, bundle), *found.problems]
    if problems:
        more = f" (and {len(problems) - _MOST_SHOWN} more)" if len(problems) > _MOST_SHOWN else ""
        msg = f"{path.name}: {'; '.join(problems[:_MOST_SHOWN])}{more}: the bundle was changed or its grader is another"
        raise BundleError(msg)
    check = Check(replies=found.completions, grades=found.grades, hydrometer=__version__)
    return Checked(entry=entry_of(bundle.result, bundle.content, checked=check, signer=bundle.signer), folder=folder)


def check_apart(path: Path, out: Path, *, seconds: int = SECONDS) -> Checked:
    """Do the same in a process of its own, so that a bundle made to be slow or large stops nobody else.

    Raises:
        BundleError: As `check_bundle`, or it took too long or too much memory.
    """
    # Neither the hub is asked nor the settings of this process are known to it.
    kept = ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"HF_HUB_OFFLINE": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", __name__, str(path), str(out)]
        try:
            status = subprocess.run(  # noqa: S603 - our own module, with paths of our own choosing
                command, env=environment, stdout=said, stderr=subprocess.DEVNULL, timeout=seconds, check=False
            ).returncode
        except subprocess.TimeoutExpired as error:
            msg = f"{path.name}: checking it took longer than {seconds} s: refused"
            raise BundleError(msg) from error
        said.seek(0)
        answer = _parse(said.read())
    if "error" in answer:
        raise BundleError(str(answer["error"]))
    if status or "entry" not in answer:
        msg = f"{path.name}: checking it ended with status {status}, it may need more memory than is allowed: refused"
        raise BundleError(msg)
    entry = _ENTRY.validate_json(json.dumps(answer["entry"]), strict=True)
    return Checked(entry=entry, folder=Path(str(answer["folder"])))


def main(arguments: Sequence[str]) -> int:
    """Check one bundle and print what was found as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        found = check_bundle(Path(arguments[0]), Path(arguments[1]))
        answer: dict[str, Any] = {"entry": to_plain(found.entry), "folder": str(found.folder)}
    except HydrometerError as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer))
    return 0


def _strangers(folder: Path, bundle: Opened) -> list[str]:
    """Find replies that another model gave than the one whose name the report puts on them."""
    result = bundle.result
    base, student = result.base.identity, result.student.identity
    with Store(folder / EVIDENCE, read_only=True) as store:
        givers = _givers(store, result)

    def own(model: ModelIdentity) -> Callable[[ModelIdentity], bool]:
        return lambda found: found.digest == model.digest

    def crossed(model: ModelIdentity, template: str) -> Callable[[ModelIdentity], bool]:
        # The weights of one under the template of the other; how an engine was told to render it may differ besides.
        mixed = replace(model, template=template).digest
        return lambda found: replace(found, settings=model.settings).digest == mixed

    teachers = givers(result.taught, "student")
    claims = [
        ("base", givers((*result.items, *result.taught), "base"), own(base)),
        ("student", givers(result.items, "student"), own(student)),
        ("base under the student's template", givers(result.swapped, "base"), crossed(base, student.template)),
        ("student under the base's template", givers(result.swapped, "student"), crossed(student, base.template)),
        ("teacher", teachers, own(teachers[0]) if teachers else own(base)),
    ]
    counted = [(side, sum(not right(found) for found in who)) for side, who, right in claims]
    return [f"{others} replies of the {side} are another model's" for side, others in counted if others]


def _givers(store: Store, result: AuditResult) -> Callable[[Sequence[ItemResult], str], list[ModelIdentity]]:
    """Return what says, for items and a side of them, which models gave their replies."""
    items = (*result.items, *result.swapped, *result.taught)
    keys = {key for side in ("base", "student") for key in _keys(items, side)}
    models: dict[str, ModelIdentity] = {}
    model_of: dict[str, str] = {}
    for table, values in store.rows(keys, ()):
        if table == "identities":
            models[values[0]] = _IDENTITY.validate_json(values[1])
        elif table == "completions":
            model_of[values[0]] = values[1]
    # A reply that is missing here is missed by `verify_folder`.
    return lambda rows, side: [models[model_of[key]] for key in _keys(rows, side) if key in model_of]


def _keys(items: Sequence[ItemResult], side: str) -> list[str]:
    replies = (item.base if side == "base" else item.student for item in items)
    return [reply.key for reply in replies if reply.status is not Status.ENGINE_ERROR]


def _parse(said: bytes) -> dict[str, Any]:
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
