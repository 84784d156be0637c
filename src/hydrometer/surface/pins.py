"""The base as it was when the student was made: bases change their templates and settings after release."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from huggingface_hub import HfApi

from hydrometer.checkpoint.ranges import LOST

_WEIGHTS = [
    "model.safetensors.index.json", "model.safetensors", "adapter_model.safetensors",
]  # fmt: skip
_UNANSWERED: tuple[type[Exception], ...] = (*LOST, ValueError, KeyError, TypeError)


class Pin(NamedTuple):
    """A commit of the base.

    Attributes:
        commit: The one that was newest on the student's day.
        day: The student's day, as a date.
        later: Commits of the base since then.
    """

    commit: str
    day: str
    later: int


def pin_base(base: str, student: str, revision: str = "", *, file: str = "", endpoint: str = "") -> Pin | None:
    """Return the commit of a base that was newest when a student's weights were uploaded.

    Args:
        base: The base's repository.
        student: The student's repository.
        revision: Branch, tag or commit of the student.
        file: The student's GGUF file, `""` for safetensors.
        endpoint: Another server with the hub's paths; it gets no token.

    Returns:
        The commit, or None where the hub does not tell or the base is younger.
    """
    api = HfApi(endpoint or None, token=False if endpoint else None)
    try:
        day = _day(api, student, revision or "main", [file] if file else _WEIGHTS)
        commits = api.list_repo_commits(base)
    except _UNANSWERED:
        return None
    for later, commit in enumerate(commits):
        if commit.created_at <= day:
            return Pin(commit.commit_id, day.date().isoformat(), later)
    return None


def _day(api: HfApi, repo: str, revision: str, names: list[str]) -> datetime:
    """When the weights were uploaded; the day the repository began where the hub does not tell of files."""
    infos = api.get_paths_info(repo, names, expand=True, revision=revision)
    dates = [info.last_commit.date for info in infos if info.last_commit is not None]
    return max(dates) if dates else min(commit.created_at for commit in api.list_repo_commits(repo, revision=revision))
