"""The thinking switch that does not hold: thinks although it was switched off, or does not although it was switched on.

Only where a request switched thinking, so that it is known what was asked for.
"""

from __future__ import annotations

from hydrometer.behaviours.base import Behaviour, Observed, Sign
from hydrometer.behaviours.segments import shortened


def thinks_when_off(observed: Observed) -> Sign | None:
    """Thinking in a reply that was to have none; an empty block is how some families write none."""
    if observed.mode != "off" or not observed.thinking:
        return None
    return Sign("thinks although thinking is off", shortened(observed.thinking))


def silent_when_on(observed: Observed) -> Sign | None:
    """An answer without thinking before it; a reply without any text is `empty_reply`."""
    if observed.mode != "on" or observed.thinking or not observed.answer:
        return None
    return Sign("does not think although thinking is on", shortened(observed.answer))


BEHAVIOURS = (
    Behaviour(
        name="thinks_when_off",
        version=1,
        summary="thinks although thinking is switched off",
        detect=thinks_when_off,
    ),
    Behaviour(
        name="no_thinking_when_on",
        version=1,
        summary="does not think although thinking is switched on",
        detect=silent_when_on,
    ),
)
