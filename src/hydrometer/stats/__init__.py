"""Statistics of paired outcomes: arrays in, numbers out; nothing here knows a model.

Functions are loaded on first use: the values in `stats.estimate` are needed everywhere, scipy is not.
`paired.estimate` is not listed, for the module `stats.estimate` has its name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hydrometer.stats.lengths import length_ratio
    from hydrometer.stats.margin import four_tests
    from hydrometer.stats.multiplicity import holm
    from hydrometer.stats.paired import (
        mcnemar_exact,
        mcnemar_midp,
        mcnemar_midp_gain,
        plus_two_interval,
        plus_two_z,
        tango_interval,
        tango_z,
    )
    from hydrometer.stats.power import (
        detectable_difference,
        pairs_for_difference,
        pairs_for_equivalence,
        pairs_for_noninferiority,
    )

__all__ = [
    "detectable_difference",
    "four_tests",
    "holm",
    "length_ratio",
    "mcnemar_exact",
    "mcnemar_midp",
    "mcnemar_midp_gain",
    "pairs_for_difference",
    "pairs_for_equivalence",
    "pairs_for_noninferiority",
    "plus_two_interval",
    "plus_two_z",
    "tango_interval",
    "tango_z",
]

_ROOMS = ("lengths", "margin", "multiplicity", "paired", "power")


def __getattr__(name: str) -> Any:
    """Find a public function in its module."""
    if name in __all__:
        for room in _ROOMS:
            module = import_module(f"{__name__}.{room}")
            found = getattr(module, name, None)
            if found is not None and found.__module__ == module.__name__:
                return found
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
