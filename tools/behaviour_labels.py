"""Which recorded replies turn in circles.

The set for development was labelled by counting repeated lines and words, and corrected by reading where the detector
disagreed. A set to judge on is labelled by reading each reply to its end before any detector has seen it; it is measured
as soon as it has labels here.

A reply counts as a circle where its end says the same again at least three times over, in whole sentences, lines or
verses, word for word or with single words or numbers changed, so that nothing new comes: a refrain between new verses
is none, neither is nonsense that never says the same, nor is a reply that repeats itself and then comes to a close of its own.
"""

from __future__ import annotations

LOOPS: dict[str, frozenset[int]] = {
    "develop": frozenset({
        4, 6, 8, 9, 10, 14, 20, 21, 22, 23, 24, 25, 33, 34, 35, 39, 43, 51, 53, 57, 58, 61, 63, 68, 69, 70, 73, 75, 76, 77,
    }),
    "judged": frozenset({
        0, 6, 9, 18, 19, 21, 24, 25, 27, 30, 33, 36, 37, 39, 42, 45, 46, 48, 51, 54, 57, 58, 60, 61, 63, 66, 69, 72, 87, 97, 102, 105,
        111, 114, 139,
    }),
    "unseen": frozenset({
        0, 1, 3, 4, 6, 7, 9, 10, 13, 15, 18, 21, 22, 24, 30, 33, 36, 37, 39, 42, 43, 45, 46, 48, 50, 51, 52, 57, 60, 63, 66, 67, 69, 70,
        71, 73, 74, 75, 76, 78, 81, 82, 83, 84, 85, 87, 88, 90, 91, 93, 94,
    }),
}  # fmt: skip
"""Places in `recorded_*.jsonl.zst`, counted from 0."""
