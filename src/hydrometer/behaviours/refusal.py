"""Tell a reply that refuses as a whole from one that answers.

Precise rather than complete: a refusal that goes unnoticed is graded like any other reply, an answer taken for a
refusal would be lost. So only the first sentence decides, and a long reply with an answer behind it is none.
"""

from __future__ import annotations

import re

VERSION = 1

_MAX_WORDS = 90
"""Longer replies have said more than a refusal says."""

_LEAD = (
    r"(?:(?:oh|well|unfortunately|regrettably|thank you[^.!?,]*|hello|hi)\b[,.!]?\s*)*"
    r"(?:(?:i['’]?m|i am|we['’]?re|we are)\s+(?:very\s+|so\s+|really\s+|truly\s+|deeply\s+)?sorry"
    r"|sorry|i apologi[sz]e(?: for [^.,!?]*)?|my apologies|apologies|no)?[,.!:;]?\s*(?:but|however)?[,]?\s*"
    r"(?:as an? (?:ai|artificial intelligence|large language model|language model|text-based)\b[^.!?,]*,?\s*)?"
    r"(?:unfortunately,?\s*)?"
)
_UNABLE = (
    r"(?:i|we)(?:['’]?m| am|['’]re| are)?\s*(?:really\s+|simply\s+|currently\s+)?"
    r"(?:can['’]?t|cannot|can not|could not|couldn['’]?t|won['’]?t|will not|must decline|have to decline|decline"
    r"|do not feel comfortable|don['’]?t feel comfortable|not able to|unable to|not comfortable|not allowed to"
    r"|not permitted to|not programmed to|refuse to|(?:must|have to)\s+refuse)"
)
_DEED = (
    r"\s*(?:to\s+|with\s+)?(?:(?:really|directly|currently|possibly|in good conscience|actually)\s+)?"
    r"(?:be able to\s+)?"
    r"(?:help(?!\s+\w+ing\b)|assist\w*"
    r"|do that|do this|comply|fulfil\w*|answer\w*|provid\w*|engag\w*|shar\w+|support\w*|creat\w*"
    r"|generat\w*|writ\w+|discuss\w*|offer\w*|participat\w*|respond\w*|continue|process|access|complete|proceed"
    r"|perform|repeat|give|tell|carry out|talk about|say|reveal|disclose|produce|fulfill|this request|your request"
    r"|that request)\b"
)
_REFUSAL = re.compile(rf"\A{_LEAD}{_UNABLE}(?:{_DEED}|[.!]?\Z)", re.IGNORECASE)
_DISCLAIMER = re.compile(
    r"\A(?:(?:i['’]?m|i am)\s+sorry,?\s*(?:but\s+)?|sorry,?\s*(?:but\s+)?)?"
    r"(?:as an? (?:ai|artificial intelligence|large language model|language model)\b[^.!?,]*,?\s*"
    r"(?:i\s+(?:do not|don['’]?t)\s+have|i\s+(?:am|['’]m) not|it is not|my purpose is|i\s+must)"
    r"|(?:it|that|this) (?:would be|is) (?:against|outside|beyond) (?:my|our)\b|i must (?:decline|refuse)\b"
    r"|i(?:['’]d| would) (?:rather not|prefer not to)\b)",
    re.IGNORECASE,
)
_ANSWERS_AFTER = re.compile(
    r"\b(?:answer|result|solution)\b\s*(?:is|:)|=\s*-?\d|\bhowever, (?:here|the)\b|\bhere (?:is|are)\b"
    r"|\bhere['’]s\b|\bbut (?:here|the)\b|```",
    re.IGNORECASE,
)
_MARKS = "*_#> \n\t\"'“"


def looks_refused(text: str) -> bool:
    """Return whether a reply as a whole refuses the request."""
    plain = text.strip(_MARKS)
    if not plain or len(plain.split()) > _MAX_WORDS or _ANSWERS_AFTER.search(plain):
        return False
    return bool(_REFUSAL.match(plain) or _DISCLAIMER.match(plain))
