"""All behaviours that are looked for."""

from __future__ import annotations

from hydrometer.behaviours.base import Behaviour, Observed, Sign
from hydrometer.behaviours.refusal import VERSION, looks_refused


def _refusal(observed: Observed) -> Sign | None:
    return Sign("the reply refuses") if looks_refused(observed.answer) else None


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour(name="refusal", version=VERSION, summary="the reply refuses as a whole", detect=_refusal),
)


def find(observed: Observed) -> tuple[tuple[Behaviour, Sign], ...]:
    """Return the behaviours that show in a reply, with their signs."""
    signs = ((behaviour, behaviour.detect(observed)) for behaviour in BEHAVIOURS)
    return tuple((behaviour, sign) for behaviour, sign in signs if sign is not None)
