"""The page of a running audit: what it says, to whom, and that nobody who reads it can disturb the run."""

import http.client
import json
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from commands import ENTRY, environment
from hydrometer.cli.live import LiveProgress, watching
from hydrometer.progress import Sight, Silent
from hydrometer.verify import verify_folder

SIGHT = Sight("text_editing", 40, 400, -0.30, -0.45, -0.15, "worse")
HOSTILE = "<script>document.title='broken'</script><img src=x onerror=alert(1)>\x1b[2J\u202e"


def filled() -> LiveProgress:
    live = LiveProgress(Silent())
    live.start("ask base", 10)
    live.advance(3)
    live.look([SIGHT])
    live.arrived("base", "How many?\nSay it.", HOSTILE)
    return live


def get(address: str, path: str, host: str = "") -> tuple[int, dict[str, str], bytes]:
    name = address.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(name, timeout=5)
    connection.request("GET", path, headers={"Host": host or name})
    answer = connection.getresponse()
    body = answer.fp.readline() if path == "/events" else answer.read()
    connection.close()
    return answer.status, dict(answer.headers), body


def test_the_stream_says_what_is_known() -> None:
    with filled().serving() as address:
        status, headers, body = get(address, "/events")
    assert (status, headers["Content-Type"]) == (200, "text/event-stream")
    shown = json.loads(body.decode().removeprefix("data: "))
    assert shown["bars"] == [{"label": "ask base", "done": 3, "total": 10}]
    assert shown["sights"][0]["low"] == -0.45
    assert shown["replies"][0]["question"] == "How many? Say it."
    assert "\x1b" not in shown["replies"][0]["reply"]
    assert shown["done"] is False


def test_other_hosts_and_other_paths_are_refused() -> None:
    with filled().serving() as address:
        assert address.startswith("http://127.0.0.1:")
        assert get(address, "/", host="evil.example")[0] == 403
        assert get(address, "/../secret")[0] == 404
        status, headers, _ = get(address, "/")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_readers_are_limited_and_do_not_hold_the_run() -> None:
    live = filled()
    with live.serving() as address:
        name = address.removeprefix("http://").rstrip("/")
        readers = [http.client.HTTPConnection(name, timeout=5) for _ in range(9)]
        answers = []  # kept: an answer that is forgotten closes its connection
        for reader in readers:
            reader.request("GET", "/events")
            answers.append(reader.getresponse())
        # Nobody of them reads on, and the run goes on all the same.
        start = time.perf_counter()
        for _ in range(2000):
            live.advance()
            live.arrived("student", "q", "a" * 2000)
        assert time.perf_counter() - start < 1.0
    assert [answer.status for answer in answers] == [200] * 8 + [503]
    assert live.state()[1]["done"] is True


def test_the_audit_goes_on_where_no_page_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(watch=False, serve=False) as progress:
        progress.arrived("base", "q", "a")
    assert "live:" not in capsys.readouterr().err
    with watching(watch=True, serve=True) as progress:
        progress.start("ask", 1)
    assert "live: http://127.0.0.1:" in capsys.readouterr().err


def test_an_audit_that_is_killed_while_its_page_is_read_goes_on_where_it_stopped(tmp_path: Path) -> None:
    command = [*ENTRY, "audit", "fake:echo?delay=0.05", "fake:echo?seed=1&delay=0.05"]
    command += ["--task", "copying", "--items", "30", "--fixed", "--out", str(tmp_path), "--json"]
    with subprocess.Popen([*command, "--serve"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment()) as run:
        assert run.stderr is not None
        address = next(line.split("live: ")[1].strip() for line in run.stderr if "live: " in line)
        reader = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=60)
        reader.request("GET", "/events")
        answer = reader.getresponse()
        while b'"side"' not in answer.fp.readline():
            pass
        run.kill()
    reader.close()
    # Several are asked in a batch, and a batch is kept whole or not at all.
    again = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    result = json.loads(again.stdout)
    assert result["base"]["asked"] + result["base"]["reused"] == 30, again.stderr
    assert len(result["items"]) == 30
    assert verify_folder(tmp_path).problems == ()
    with sqlite3.connect(tmp_path / "evidence.sqlite") as db:
        kept = db.execute("SELECT count(*), count(DISTINCT key) FROM completions").fetchone()
    assert kept == (60, 60)
    reused = result["base"]["reused"] + result["student"]["reused"]
    asked = result["base"]["asked"] + result["student"]["asked"]
    assert (reused + asked, reused > 0) == (60, True)


def test_the_page_shows_a_run_and_hostile_replies_as_text(chromium: Any) -> None:
    live = filled()
    page = chromium.new_page()
    faults: list[str] = []
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" and "favicon" not in m.location["url"] else 0)
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    with live.serving() as address:
        page.goto(address)
        page.wait_for_selector(".reply pre")
        assert page.title() == "An audit as it runs"
        assert "<img src=x onerror=alert(1)>" in page.inner_text(".reply pre")
        assert page.evaluate("document.images.length + document.scripts.length") == 1
        assert "-30.0 [-45.0, -15.0]: worse" in page.inner_text(".sight")
        live.advance(4)
        page.wait_for_selector("progress[value='7']")
    page.wait_for_selector("text=The audit is over")
    assert faults == []
    page.close()
