from __future__ import annotations

from pathlib import Path

import pytest

from hydrometer.logs import lines
from hydrometer.logs.base import LogError


def test_a_file_without_line_ends_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST", 64)
    (tmp_path / "l.jsonl").write_text('{"a": 1}\n{"a": "' + "x" * 100 + '"}\n')
    with pytest.raises(LogError, match="line 2: longer than"):
        list(lines.json_lines(tmp_path / "l.jsonl"))


def test_line_numbers_count_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text('\n{"a": 1}\n\n{"a": 2}')
    assert [count for count, _ in lines.json_lines(tmp_path / "l.jsonl")] == [2, 4]
