from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from commands import environment, hydrometer

LOGS = Path(__file__).resolve().parent / "fixtures" / "logs"


def test_the_published_table_prints_what_a_reader_needs(tmp_path: Path) -> None:
    done = hydrometer("compare", "--table", "125", "15", "32", "26", cwd=tmp_path)
    assert done.returncode == 10, done.stderr
    for part in ("gained 15, lost 32", "difference -8.6 points", "Tango interval [-15.5, -1.9]", "mid-p = .013", "exact p = .019", "worse", "size not resolved", "2,284 pairs"):  # fmt: skip
        assert part in " ".join(done.stdout.split()), part
    assert not any(line.endswith(" ") for line in done.stdout.splitlines())


def test_json_is_one_object(tmp_path: Path) -> None:
    done = hydrometer("compare", "--table", "900", "1", "1", "98", "--json", cwd=tmp_path)
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["verdict"] == "equivalent"
    assert result["capabilities"][0]["result"]["estimate"]["n"] == 1000


def test_one_table_with_a_column_per_model(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,task,plain,distilled\n" + "".join(f"{n},math,1,{n % 2}\n" for n in range(40)))
    done = hydrometer("compare", "t.csv", "--item-column", "id", "--base-column", "plain", "--student-column", "distilled", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 10, done.stderr
    assert "distilled is worse than plain in math" in done.stdout


def test_two_tables_and_a_score_range(tmp_path: Path) -> None:
    for name, low in (("b", 4), ("s", 0)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"item": n, "score": low}) + "\n" for n in range(30)))
    assert hydrometer("compare", "b.jsonl", "s.jsonl", cwd=tmp_path).returncode == 2
    done = hydrometer("compare", "b.jsonl", "s.jsonl", "--max-score", "4", cwd=tmp_path)
    assert done.returncode == 10, done.stderr
    assert "difference -100.0 points" in done.stdout


def test_logs_of_both_harnesses(tmp_path: Path) -> None:
    lm = [str(LOGS / "lm_eval" / side) for side in ("base", "student")]
    asked = hydrometer("compare", *lm, cwd=tmp_path)
    assert asked.returncode == 2
    assert "acc, acc_norm" in asked.stderr
    chosen = ("--metric", "acc", "--metric", "exact_match", "--filter", "none", "--filter", "strict-match")
    done = hydrometer("compare", *lm, *chosen, cwd=tmp_path)
    assert done.returncode == 10, done.stderr
    text = " ".join(done.stdout.split())
    assert "base 6 (no answer found); student 4 (no answer found)" in text
    assert "worst and best case for the student" in text
    sides = [str(LOGS / "inspect" / f"two_scorers_{side}.eval") for side in ("base", "student")]
    assert hydrometer("compare", *sides, "--scorer", "match", cwd=tmp_path).returncode == 10


def test_a_setup_that_differs_is_not_comparable_until_declared(tmp_path: Path) -> None:
    sides = [str(LOGS / "lm_eval" / side) for side in ("base", "student-chat")]
    words = ("compare", *sides, "--metric", "acc", "--task", "capitals")
    done = hydrometer(*words, cwd=tmp_path)
    assert done.returncode == 12
    assert "--allow template" in " ".join(done.stdout.split())
    assert hydrometer(*words, "--allow", "template", cwd=tmp_path).returncode == 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "0 logs given"),
        (("a.csv",), "no such file"),
        (("t.csv", "t.csv", "t.csv"), "3 logs given"),
        (("t.csv", "--table", "1", "2", "3", "4"), "not both"),
        (("--table", "-1", "2", "3", "4"), "must be four counts"),
        (("--table", "1", "2", "3", "4", "--margin", "0"), "margin == 0.0"),
        (("--table", "1", "2", "3", "4", "--margin", "1.5"), "margin == 1.5"),
        (("--table", "1", "2", "3", "4", "--allow", "template"), "only --margin"),
        (("t.csv", "t.csv", "--allow", "luck"), "unknown difference to allow 'luck'"),
        (("--table", "1", "2", "x", "4"), "valid integer"),
        (("t.csv",), "no score column 'base'"),
        (("t.csv", "t.csv", "--min-score", "1"), "two different finite numbers"),
        ((str(LOGS / "inspect" / "sums_base.eval"),), "give the log of the other one"),
    ],
)  # fmt: skip
def test_wrong_commands_are_one_line_and_status_two(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "t.csv").write_text("item,score\na,1\n")
    done = hydrometer("compare", *words, cwd=tmp_path)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_the_command_loads_no_numerics() -> None:
    code = "import sys, hydrometer.cli.compare; print([m for m in ('numpy', 'scipy', 'zstandard') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
