"""What every terminal face needs: colours of verdicts, and how to do without Unicode."""

from __future__ import annotations

from rich import box
from rich.console import Console

STYLES = {
    "better": "bold green",
    "worse": "bold red",
    "equivalent": "bold blue",
    "not-enough": "bold yellow",
    "invalid": "bold magenta",
    "declared": "yellow",
    "undeclared": "bold red",
    "note": "blue",
}
"""Colours by kind of badge."""

# `box.SIMPLE_HEAD` in ASCII: rich would put bars around every cell, and 80 columns have no room for them.
ASCII_HEAD = box.Box("    \n" * 2 + " -- \n" + "    \n" * 5, ascii=True)

_ASCII = str.maketrans({"–": "-", "…": "...", "≠": "!=", "✕": "x", "±": "+/-", "“": '"', "”": '"', "·": "|"})


def is_plain(console: Console) -> bool:
    """Return whether a console shows ASCII only."""
    return not console.encoding.lower().startswith("utf")


def in_ascii(text: str) -> str:
    """Return a text as such a console can show it."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()
