"""The error tree. Every message says what was given, what is wrong, and what to do.

    HydrometerError                 exit 1   the run could not go on
    |-- UsageError                  exit 2   the command or a value in it is wrong
    |   |-- UnknownNameError                 no such task, suite, engine or setting
    |   |-- ModelError                       a model that cannot be opened or used
    |   |   `-- UnreadableModelError  exit 12  its files are damaged or unsafe: nothing was compared
    |   |-- UnsafeTemplateError  exit 12  a chat template without end: it is not rendered again
    |   |-- CardError                        a model card that cannot be read
    |   |-- DataError                        training data that cannot be read
    |   `-- MissingPackageError              an optional package is needed: says what to install
    |-- EngineError                 exit 1   the engine failed and the run had to stop
    |   |-- EngineUnavailableError           a server is down, died or talks something else
    |   `-- OutOfMemoryError                 even one request at a time did not fit
    `-- EvidenceError               exit 1   the evidence store cannot be read or written
        |-- EvidenceBusyError                another audit is writing into the same folder
        |-- EvidenceVersionError             written by a newer version
        |-- EvidenceCorruptError             a digest does not match its content
        |-- BundleError                      a bundle that is unsafe, damaged or changed: names the file in it
        |   `-- BundleConflictError          another result of the same models and settings is there already
        `-- RegistryError                    the registry's database is down, or holds something else

An invalid *setup* (two models that were not asked the same thing) is not an error: it is the verdict
`invalid`, exit status 12. Failures of single requests are not errors either: they become outcomes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HydrometerError(Exception):
    """Root of all errors that are shown to a user as one line."""

    exit_code = 1


class UsageError(HydrometerError):
    """The command, or a value given to it, is wrong."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not in a catalogue."""

    @classmethod
    def among(cls, kind: str, given: str, known: Iterable[str]) -> UnknownNameError:
        """Build the error with the nearest known name as the cure.

        Args:
            kind: What the name should have named, such as `task`.
            given: The name as the user wrote it.
            known: All names that exist.
        """
        names = sorted(known)
        near = difflib.get_close_matches(given, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return cls(f"unknown {kind} {given!r}: {hint}known: {', '.join(names)}")


class ModelError(UsageError):
    """A model that cannot be opened, or does not fit the other one."""


class CardError(UsageError):
    """A model card, or a file of claims, that cannot be read."""


class DataError(UsageError):
    """Training data that cannot be read."""


class UnreadableModelError(ModelError):
    """Files of a model that are damaged, unsafe or do not belong together, so that nothing could be compared."""

    exit_code = 12


class UnsafeTemplateError(UsageError):
    """A chat template that takes more time, memory or characters than any template may.

    No `ModelError`: engines make those of a single conversation its outcome, and this one ends the run.
    """

    exit_code = 12


class MissingPackageError(UsageError):
    """An optional package is needed and not installed."""


class EngineError(HydrometerError):
    """The engine failed in a way that stops the run; what was answered before is kept."""


class EngineUnavailableError(EngineError):
    """A server is down, died in the middle, or answers something that is not its protocol."""


class OutOfMemoryError(EngineError):
    """The engine ran out of memory even at the smallest batch."""


class EvidenceError(HydrometerError):
    """The evidence store cannot be read or written."""


class EvidenceBusyError(EvidenceError):
    """Another audit is writing into the same folder."""


class EvidenceVersionError(EvidenceError):
    """The evidence file was written by a newer version."""


class EvidenceCorruptError(EvidenceError):
    """A stored digest does not match the content it stands for."""


class BundleError(EvidenceError):
    """A bundle that is unsafe, damaged or changed."""


class BundleConflictError(BundleError):
    """Another audit of the same id, with another result, is there already; it stays."""


class RegistryError(EvidenceError):
    """The database of a registry cannot be reached, or holds something else."""
