"""All behaviours, in the order of reports."""

from __future__ import annotations

from hydrometer.behaviours import corruption, switch, think_tags
from hydrometer.behaviours.base import Behaviour, Observed, Sign
from hydrometer.behaviours.eos import EOS_WRONG
from hydrometer.behaviours.giving_up import EMPTY_REPLY, GAVE_UP, SAYS_UNKNOWN
from hydrometer.behaviours.identity import IDENTITY_CLAIM
from hydrometer.behaviours.language import LANGUAGE_SWITCH
from hydrometer.behaviours.loops import LOOP
from hydrometer.behaviours.refusal import REFUSAL

BEHAVIOURS: tuple[Behaviour, ...] = (
    LOOP,
    EOS_WRONG,
    *think_tags.BEHAVIOURS,
    *switch.BEHAVIOURS,
    EMPTY_REPLY,
    GAVE_UP,
    SAYS_UNKNOWN,
    REFUSAL,
    LANGUAGE_SWITCH,
    *corruption.BEHAVIOURS,
    IDENTITY_CLAIM,
)
"""Each is reported as excess of the student over the base on the same items."""


def find(observed: Observed) -> tuple[tuple[Behaviour, Sign], ...]:
    """Return every behaviour that a reply shows, with where it shows."""
    signs = ((behaviour, behaviour.detect(observed)) for behaviour in BEHAVIOURS)
    return tuple((behaviour, sign) for behaviour, sign in signs if sign is not None)
