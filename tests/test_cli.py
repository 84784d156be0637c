from __future__ import annotations

import json
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from commands import hydrometer, start

PAIR = ("fake:echo", "fake:echo?seed=1")
SMALL = ("--task", "copying", "--task", "knowledge_facts", "--items", "6")


def test_an_audit_leaves_a_report_that_show_report_and_verify_can_use(tmp_path: Path) -> None:
    done = hydrometer("audit", *PAIR, *SMALL, "--out", "o", "--json", cwd=tmp_path)
    assert done.returncode in (0, 10, 11), done.stderr
    result = json.loads(done.stdout)
    folders = [p.parent for p in tmp_path.glob("o/*/report.json")]
    assert len(folders) == 1
    assert (folders[0] / "report.html").is_file()
    shown = hydrometer("show", "o", cwd=tmp_path)
    assert shown.returncode == 0
    assert "text editing" in shown.stdout
    assert json.loads(hydrometer("show", "o", "--json", cwd=tmp_path).stdout) == result
    for face in ("markdown", "junit", "badge", "model-index"):
        made = hydrometer("report", "o", "--format", face, "--json", cwd=tmp_path)
        assert Path(tmp_path, json.loads(made.stdout)[face]).stat().st_size > 0, made.stderr
    (folders[0] / "report.html").unlink()
    assert hydrometer("report", str(folders[0]), cwd=tmp_path).returncode == 0
    assert (folders[0] / "report.html").is_file()
    checked = hydrometer("verify", "o", "--json", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["grades"] == 24


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE completions SET body = replace(body, 'text', 'txet')", "digest"),
        (
            "UPDATE grades SET body = replace(body, '\"value\":1.0', '\"value\":0.0')",
            "the grader now finds another",
        ),
        ("DELETE FROM completions WHERE key IN (SELECT key FROM completions LIMIT 1)", "missing"),
    ],
)
def test_verify_finds_a_changed_store(tmp_path: Path, statement: str, found: str) -> None:
    hydrometer("audit", *PAIR, *SMALL, "--out", "o", cwd=tmp_path)
    db = sqlite3.connect(tmp_path / "o" / "evidence.sqlite")
    assert db.execute(statement).rowcount > 0
    db.commit()
    db.close()
    checked = hydrometer("verify", "o", cwd=tmp_path)
    assert checked.returncode == 1
    assert "Traceback" not in checked.stderr
    assert found in checked.stderr


@pytest.mark.parametrize(
    ("part", "field", "value", "found"),
    [
        ("capabilities", "verdict", "better", "the verdicts do not follow"),
        ("tokens", "ratio", 0.5, "the table of tokens does not follow"),
        ("tiers", "tier", "hard", "the table of tiers does not follow"),
        ("tasks", "items", 600, "the table of tasks does not follow"),
    ],
)
def test_verify_finds_an_embellished_report(
    tmp_path: Path, part: str, field: str, value: object, found: str
) -> None:
    hydrometer("audit", *PAIR, *SMALL, "--out", "o", cwd=tmp_path)
    path = next(tmp_path.glob("o/*/report.json"))
    report = json.loads(path.read_text())
    assert report[part][0][field] != value
    report[part][0][field] = value
    path.write_text(json.dumps(report))
    checked = hydrometer("verify", "o", cwd=tmp_path)
    assert checked.returncode == 1
    assert found in checked.stderr


def test_a_gate_changes_the_status_only(tmp_path: Path) -> None:
    done = hydrometer("audit", *PAIR, *SMALL, "--out", "o", "--fail-on", "worse", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "not enough evidence" in done.stdout
    assert hydrometer("audit", *PAIR, *SMALL, "--out", "o", cwd=tmp_path).returncode == 11


BAD = [
    (("audit", "./none.gguf", "fake:echo"), 2, "no such file"),
    (("audit", "./empty", "fake:echo"), 2, ""),
    (("audit", "./text.gguf", "fake:echo"), 2, "GGUF"),
    (("audit", "fake:echo", "fake:echo", "--task", "aritmetic"), 2, "did you mean 'arithmetic'"),
    (("audit", "fake:echo", "fake:echo", "--suite", "huge"), 2, "known: full, quick, standard"),
    (("audit", "fake:echo", "fake:echo", "--margin", "0"), 2, "margin == 0.0"),
    (("audit", "fake:echo", "fake:echo", "--allow", "everything"), 2, "known differences"),
    (("audit", "fake:echo", "fake:echo", "--sampling", "hot"), 2, "auto, greedy, vendor"),
    (("audit", "fake:echo", "fake:echo", "--sampling", "vendor"), 2, "--sampling greedy"),
    (("audit", "http://127.0.0.1:9/v1#m", "fake:echo"), 1, "127.0.0.1:9"),
    (("audit", "vllm:some/model", "fake:echo"), 2, "vllm serve some/model"),
    (("audit", "fake:echo", "fake:echo", "--out", "text.gguf"), 1, "--out"),
    (("audit", "fake:echo", "fake:echo", "--fail-on", "wors"), 2, "did you mean 'worse'"),
    (("report", "nowhere"), 1, "no report.json"),
    (("show", "."), 1, "no report.json"),
    (("verify", "nowhere"), 1, "no report.json"),
    (("audit", "fake:echo"), 2, "student"),
]


@pytest.mark.parametrize(
    ("words", "status", "cure"), BAD, ids=lambda v: " ".join(v[:3]) if isinstance(v, tuple) else ""
)
def test_bad_input_is_one_clear_line(tmp_path: Path, words: tuple[str, ...], status: int, cure: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.gguf").write_text("not a model")
    done = hydrometer(*words, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert cure in " ".join(done.stderr.split())
    if "Usage" not in done.stderr:
        assert len([line for line in done.stderr.splitlines() if line.startswith("error:")]) == 1


def test_an_invalid_setup_has_its_own_status(tmp_path: Path) -> None:
    """Two references that lead to the same fake model: nothing would be compared."""
    words = ("fake:echo?seed=0", "fake:echo", *SMALL, "--out", "o")
    done = hydrometer("audit", *words, cwd=tmp_path)
    assert done.returncode == 12, done.stdout + done.stderr
    assert "--allow identity" in " ".join(done.stdout.split())
    assert hydrometer("audit", *words, "--allow", "identity", cwd=tmp_path).returncode in (0, 11)


def test_two_audits_into_one_folder(tmp_path: Path) -> None:
    slow = (
        "audit",
        "fake:echo?delay=0.05",
        "fake:echo?seed=1&delay=0.05",
        "--task",
        "copying",
        "--items",
        "60",
        "--out",
        "o",
    )
    first = start(*slow, cwd=tmp_path)
    try:
        while not (tmp_path / "o" / ".lock").exists():
            time.sleep(0.05)
        time.sleep(0.3)
        second = hydrometer(*slow, cwd=tmp_path)
        assert second.returncode == 1
        assert "another audit is writing" in second.stderr
    finally:
        first.kill()
        first.wait()


def test_ctrl_c_is_one_line_and_keeps_the_answers(tmp_path: Path) -> None:
    words = (
        "audit",
        "fake:echo?delay=0.05",
        "fake:echo?seed=1&delay=0.05",
        "--task",
        "copying",
        "--items",
        "60",
        "--out",
        "o",
    )
    process = start(*words, cwd=tmp_path)
    _wait_for_answers(tmp_path / "o" / "evidence.sqlite", 5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert _answers(tmp_path / "o" / "evidence.sqlite") >= 5


def _answers(path: Path) -> int:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT count(*) FROM completions").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        db.close()


def _wait_for_answers(path: Path, number: int) -> None:
    for _ in range(400):
        if path.exists() and _answers(path) >= number:
            return
        time.sleep(0.05)
    msg = "no answers came"
    raise AssertionError(msg)


def test_killed_at_ten_random_moments_the_result_is_that_of_an_undisturbed_run(tmp_path: Path) -> None:
    """SIGKILL, ten times, at moments spread over the run; nothing that was answered is asked again."""
    words = (
        "fake:echo?delay=0.01",
        "fake:echo?seed=1&delay=0.01",
        "--task",
        "copying",
        "--task",
        "knowledge_facts",
        "--items",
        "100",
        "--fixed",
    )
    store = tmp_path / "killed" / "evidence.sqlite"
    for kill in range(10):
        process = start("audit", *words, "--out", "killed", cwd=tmp_path)
        _wait_for_answers(store, kill * 35 + (kill * 7) % 11 + 1)
        process.kill()
        process.wait()
    before = _answers(store)
    assert 0 < before < 400
    result = json.loads(hydrometer("audit", *words, "--out", "killed", "--json", cwd=tmp_path).stdout)
    undisturbed = json.loads(hydrometer("audit", *words, "--out", "calm", "--json", cwd=tmp_path).stdout)
    asked = result["base"]["asked"] + result["student"]["asked"]
    assert asked == 400 - before
    for part in ("verdict", "capabilities", "tasks", "tokens", "items", "findings"):
        assert result[part] == undisturbed[part], part


def test_help_is_quick_and_loads_no_optional_package(tmp_path: Path) -> None:
    import subprocess

    from commands import environment

    script = (
        "import sys, hydrometer, hydrometer.cli.main; "
        "print([m for m in ('torch', 'transformers', 'xllamacpp', 'scipy', 'pandas', 'polars') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
