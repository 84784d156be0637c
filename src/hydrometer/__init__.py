"""Hydrometer audits a distilled language model against the base it came from.

An audit is a pure function from paired outcomes to a verdict: `audit` makes the outcomes and applies it.
Everything is loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hydrometer.version import __version__

if TYPE_CHECKING:
    from hydrometer.api import audit
    from hydrometer.engines.base import EngineSettings
    from hydrometer.errors import HydrometerError
    from hydrometer.frames import rows, to_pandas, to_polars
    from hydrometer.result import AuditResult, Verdict
    from hydrometer.verify import load_report, verify_folder

__all__ = [
    "AuditResult",
    "EngineSettings",
    "HydrometerError",
    "Verdict",
    "__version__",
    "audit",
    "load_report",
    "rows",
    "to_pandas",
    "to_polars",
    "verify_folder",
]

_PLACES = {
    "AuditResult": "hydrometer.result",
    "EngineSettings": "hydrometer.engines.base",
    "HydrometerError": "hydrometer.errors",
    "Verdict": "hydrometer.result",
    "audit": "hydrometer.api",
    "load_report": "hydrometer.verify",
    "rows": "hydrometer.frames",
    "to_pandas": "hydrometer.frames",
    "to_polars": "hydrometer.frames",
    "verify_folder": "hydrometer.verify",
}


def __getattr__(name: str) -> Any:
    """Load a public name on its first use."""
    place = _PLACES.get(name)
    if place is None:
        msg = f"module 'hydrometer' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(place), name)


def __dir__() -> list[str]:
    """List the public names."""
    return list(__all__)
