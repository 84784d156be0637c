"""How far replies lie from one style towards another: features of words and marks, a cross-validated classifier.

Features are relative frequencies of the commonest words, marks, line breaks and pairs of them, which say how something
is written rather than what (numbers are all one word); scikit-learn counts them and fits the classifier. Length cannot
move a score: the replies to one question are cut to the length of the shortest, and the score is linear in
frequencies. Topic cannot either: both writers answer the same questions, and no question is scored by a fit that
saw it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import diags

from hydrometer.errors import MissingPackageError
from hydrometer.stats.estimate import Floats, Ints

WINDOW = 400
"""Words and marks of a reply that count at most."""

SHORTEST = 5
"""Words and marks below which a reply has no style to speak of."""

FEWEST = 20
"""Questions below which nothing is fitted."""

_FOLDS, _FEATURES, _RARE = 5, 1000, 3
_MARKS = re.compile(r"\w+|[^\w\s]|\n+")
_NUMBER = re.compile(r"\d+")

Triple = tuple[str, str, str]
"""Replies of base, student and teacher to one question."""


class Placed(NamedTuple):
    """Scores of replies to the same questions, each from a fit that saw none of them; the teacher's are high.

    Attributes:
        base: Scores of the base, shape (n,).
        student: Scores of the student.
        teacher: Scores of the teacher.
        half: Scores of the base's replies cut to half: what length alone does.
        right: Share of base and teacher replies that were told apart rightly.
    """

    base: Floats
    student: Floats
    teacher: Floats
    half: Floats
    right: float


def check_installed() -> None:
    """Refuse early where the classifier is missing.

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        msg = "--teacher needs scikit-learn: pip install 'hydrometer[style]'"
        raise MissingPackageError(msg) from error


def equal_windows(replies: Triple) -> tuple[list[str], ...] | None:
    """Return the words and marks of three replies, all cut to the length of the shortest; None if that is too short."""
    marks = [_MARKS.findall(_NUMBER.sub("0", text.lower())) for text in replies]
    length = min(WINDOW, *(len(own) for own in marks))
    return tuple(own[:length] for own in marks) if length >= SHORTEST else None


def place(windows: Sequence[tuple[list[str], ...]], clusters: Ints) -> Placed:
    """Score replies between the base's style and the teacher's.

    Args:
        windows: Equal windows of base, student and teacher for every question.
        clusters: Label of each question's cluster, shape (n,): a cluster is never in a fit and in its test.

    Returns:
        The scores.
    """
    from sklearn.model_selection import GroupKFold

    scores = np.zeros((4, len(windows)))
    folds = GroupKFold(n_splits=min(_FOLDS, np.unique(clusters).size))
    for seen, unseen in folds.split(windows, groups=clusters):
        scores[:, unseen] = _fold([windows[i] for i in seen], [windows[i] for i in unseen])
    base, student, teacher, half = scores
    right = float(((base < 0.0).mean() + (teacher > 0.0).mean()) / 2.0)
    return Placed(base, student, teacher, half, right)


def _fold(seen: Sequence[tuple[list[str], ...]], unseen: Sequence[tuple[list[str], ...]]) -> Floats:
    """Fit on the base's and the teacher's replies, and score all of them to other questions, shape (4, m)."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    count = CountVectorizer(analyzer=_with_pairs, max_features=_FEATURES, min_df=_RARE)
    scale, fit = StandardScaler(with_mean=False), LogisticRegression(C=0.1, max_iter=1000)
    train = [own for windows in seen for own in (windows[0], windows[2])]
    frequencies = _relative(count.fit_transform(train), train)
    fit.fit(scale.fit_transform(frequencies), [0, 1] * len(seen))

    def scored(texts: list[list[str]]) -> Floats:
        found = fit.decision_function(scale.transform(_relative(count.transform(texts), texts)))
        return np.asarray(found, dtype=np.float64)

    halves = [windows[0][: max(1, len(windows[0]) // 2)] for windows in unseen]
    return np.stack([*(scored([windows[i] for windows in unseen]) for i in range(3)), scored(halves)])


def _relative(counts: Any, texts: Sequence[list[str]]) -> Any:
    """Divide counts by the length of their text."""
    return diags([1.0 / len(text) for text in texts]) @ counts


def _with_pairs(marks: list[str]) -> list[str]:
    return [*marks, *(f"{a} {b}" for a, b in pairwise(marks))]
