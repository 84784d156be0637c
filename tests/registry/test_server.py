import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from many import made, served

from commands import hydrometer
from hydrometer.canon import canonical_json, to_plain
from hydrometer.errors import BundleError, RegistryError, UsageError
from hydrometer.registry.bundle import open_bundle
from hydrometer.registry.entry import entry_of
from hydrometer.registry.naming import slug
from hydrometer.result import Verdict

pytest.importorskip("sqlalchemy", reason="the serve extra is not installed")
client_of = pytest.importorskip("fastapi.testclient", reason="the serve extra is not installed").TestClient

from hydrometer.registry.database import Database  # noqa: E402
from hydrometer.registry.server import Settings, make_app  # noqa: E402


class Postgres:
    """A PostgreSQL of our own, on a port of its own, that can be stopped and started."""

    def __init__(self, place: Path) -> None:
        subprocess.run(["chown", "-R", "postgres", str(place)], check=False)
        self._user = ["runuser", "-u", "postgres", "--"] if shutil.which("runuser") else []
        made = subprocess.run(
            [*self._user, "initdb", "-D", str(place / "db"), "-A", "trust", "-U", "postgres"], capture_output=True, check=False
        )
        if made.returncode:
            pytest.skip(f"initdb: {made.stderr.decode()[-200:]}")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._place = place
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self.start()

    def start(self) -> None:
        command = [*self._user, "postgres", "-D", str(self._place / "db"), "-p", str(self._port), "-k", str(self._place)]
        self._server = subprocess.Popen([*command, "-h", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                Database(self.url).close()
            except RegistryError:
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        """At once: connections that are open break."""
        pid = int((self._place / "db" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        self._server.wait(20)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    if not shutil.which("initdb") or not shutil.which("postgres"):
        pytest.skip("PostgreSQL is not installed")
    # Not below pytest's own folder: every other run of pytest takes that away from all users but its own.
    with tempfile.TemporaryDirectory(prefix="hydrometer-postgres-") as place:
        server = Postgres(Path(place))
        yield server
        server.stop()


@pytest.fixture
def postgres(own_postgres: Postgres) -> str:
    return own_postgres.url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'registry.sqlite'}" if request.param == "sqlite" else request.getfixturevalue("postgres")
    opened = Database(url)
    yield opened
    from hydrometer.registry import database as module

    module._META.drop_all(opened._engine)
    opened.close()


def put(database: Database, student: str, **more: Any) -> str:
    audit = made(student, **more)
    entry = entry_of(audit, f"sha256:{student}")
    assert database.add(entry, canonical_json(to_plain(audit)).encode(), b"zip")
    return entry.id


def test_filters_of_the_database(database: Database) -> None:
    put(database, "Qwopus-one.Q4_K_M")
    put(database, "two_x", verdict=Verdict.BETTER, size="30000000000", parameters="35000000000", quantisation="Q8_0")
    put(database, "three", base="gemma-4-12b", verdict=Verdict.NOT_ENOUGH, size="", family="gemma4", parameters="")

    def names(**chosen: str) -> set[str]:
        found = database.find(chosen)
        assert found.total == len(found.entries)
        return {entry.student.label for entry in found.entries}

    assert names() == {"Qwopus-one.Q4_K_M", "two_x", "three"}
    assert names(q="qwopus") == {"Qwopus-one.Q4_K_M"}
    assert names(q="%") == set()
    assert names(q="two_x") == {"two_x"}
    assert names(base="gemma-4-12b") == names(family="gemma4") == {"three"}
    assert names(quantisation="Q8_0") == names(size="15B to 36B") == {"two_x"}
    assert names(verdict="better") == {"two_x"}
    assert names(capability="code") == {"Qwopus-one.Q4_K_M", "two_x"}
    assert names(capability="code", verdict="worse") == set()
    assert names(memory="24", free="2") == {"Qwopus-one.Q4_K_M"}
    with pytest.raises(UsageError, match="give gigabytes"):
        names(memory="lots")
    assert [e.student.label for e in database.find({"memory": "99"}, largest=True).entries] == ["two_x", "Qwopus-one.Q4_K_M"]


def test_an_audit_is_kept_whole_once_and_never_replaced(database: Database) -> None:
    audit = made("one")
    entry = entry_of(audit, "sha256:a")
    assert database.add(entry, b"report", b"bundle")
    assert not database.add(entry, b"report", b"bundle")
    with pytest.raises(BundleError, match="hold different results"):
        database.add(replace(entry, content="sha256:b"), b"other", b"other")
    assert database.file(entry.id, "report") == b"report"
    assert database.entry(entry.id) == entry
    # A row that cannot be written takes the others with it.
    broken = entry_of(made("two"), "sha256:c")
    broken = replace(broken, capabilities=(broken.capabilities[0], replace(broken.capabilities[1], verdict=None)))  # type: ignore[arg-type]
    with pytest.raises((RegistryError, AttributeError)):
        database.add(broken, b"report", b"bundle")
    assert database.find({}).total == 1


@pytest.mark.parametrize("name", ["", "  ", "a\x1b[31m"])
def test_a_token_needs_a_name_that_can_be_shown(database: Database, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a writer"):
        database.new_token(name)


def test_tokens_are_kept_as_digests(database: Database) -> None:
    token = database.new_token("ann")
    assert database.writer(token) == "ann"
    assert database.writer("hm_other") is None
    with pytest.raises(UsageError, match="there is a token for 'ann'"):
        database.new_token("ann")
    assert database.revoke("ann")
    assert not database.revoke("ann")
    assert database.writer(token) is None


def test_a_bundle_is_checked_and_kept_and_a_forged_one_is_refused(
    database: Database, bundle: Path, forge: Callable[..., Path]
) -> None:
    client = client_of(make_app(database))
    body, key = bundle.read_bytes(), {"Authorization": f"Bearer {database.new_token('ann')}"}
    assert client.post("/api/audits", content=body).status_code == 401
    assert client.post("/api/audits", content=body, headers={"Authorization": "Bearer no"}).status_code == 401
    answer = client.post("/api/audits", content=body, headers=key)
    assert answer.status_code == 201, answer.text
    entry = answer.json()
    assert (entry["uploader"], entry["checked"]["grades"]) == ("ann", 32)
    assert client.post("/api/audits", content=body, headers=key).status_code == 200
    assert client.get(f"/audits/{entry['id']}/bundle.zip").content == body
    assert "16 items" in client.get(f"/models/{slug('echo-1')}.html").text
    assert "<title>" in client.get(f"/audits/{entry['id']}/report.html").text

    def right(report: bytes) -> bytes:
        changed = json.loads(report)
        next(i["student"] for i in changed["items"] if i["student"]["value"] == 0.0)["value"] = 1.0
        return json.dumps(changed).encode()

    forged = forge({"report.json": right}, fitting=True).read_bytes()
    answer = client.post("/api/audits", content=forged, headers=key)
    assert answer.status_code == 422
    assert "1 of 16 items do not follow from the evidence" in answer.json()["error"]
    cut = client.post("/api/audits", content=forge({"report.json": right}).read_bytes(), headers=key)
    assert "report.json is not the file that manifest.json names" in cut.json()["error"]
    assert client.post("/api/audits", content=b"no zip", headers=key).status_code == 422
    assert database.find({}).total == 1


def test_another_result_under_the_same_id_is_a_conflict(database: Database, bundle: Path) -> None:
    client = client_of(make_app(database))
    key = {"Authorization": f"Bearer {database.new_token('ann')}"}
    known = open_bundle(bundle)
    database.add(entry_of(known.result, "sha256:other"), b"{}", b"zip")
    answer = client.post("/api/audits", content=bundle.read_bytes(), headers=key)
    assert answer.status_code == 409
    assert "hold different results" in answer.json()["error"]
    assert database.file(known.manifest.audit, "bundle") == b"zip"


def test_limits(database: Database, bundle: Path) -> None:
    client = client_of(make_app(database, Settings(reads=3, upload=1000)))
    key = {"Authorization": f"Bearer {database.new_token('ann')}"}
    assert client.post("/api/audits", content=bundle.read_bytes(), headers=key).status_code == 413
    assert [client.get("/api/audits.json").status_code for _ in range(3)] == [200, 200, 429]
    assert int(client.get("/index.html").headers["Retry-After"]) > 0
    few = client_of(make_app(database, Settings(writes=1)))
    assert few.post("/api/audits", content=b"x", headers=key).status_code == 422
    assert few.post("/api/audits", content=b"x", headers=key).status_code == 429


def test_pages_and_the_api_of_the_server(database: Database) -> None:
    audit = put(database, "<img src=x>")
    for n in range(60):
        put(database, f"model-{n}", created=f"2026-09-01T00:00:{n:02d}+00:00")
    client = client_of(make_app(database))
    index = client.get("/").text
    assert "61 of 61 audits" in index
    assert "<img" not in index
    assert "model-0<" in client.get("/index.html?page=2").text
    assert "1 of 61 audits" in client.get("/index.html?q=model-42").text
    assert "61 of 61 audits" in client.get("/memory.html").text
    assert "0 of 61 audits" in client.get("/memory.html?memory=1").text
    found = client.get("/api/audits.json?verdict=worse").json()
    assert (found["total"], len(found["audits"])) == (61, 61)
    assert client.get(f"/api/audits/{audit}.json").json()["id"] == audit
    for path in ("/bases.html", f"/bases/{slug('Qwen3.5-4B')}.html", "/feed.xml", "/registry.css", "/api/schema.json"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for path in ("/nothing", "/bases/x.html", "/api/audits/x.json", "/audits/x/report.html", f"/audits/{audit}/../../x"):
        assert client.get(path).status_code == 404, path
    assert client.get("/index.html?page=-1").status_code == 400
    assert client.get("/memory.html?memory=lots").status_code == 400
    put(database, "of unknown size", size="")
    assert "61 of 62 audits" in client.get("/memory.html?memory=").text
    assert "1 more do not say how large their weights are" in client.get("/memory.html").text
    assert "do not say how large" not in client.get("/memory.html?q=model-4").text
    assert "do not say how large" not in client.get("/index.html").text
    for path in ("/index.html?q=%00", "/models/%00.html", "/api/audits/%00.json"):
        assert client.get(path).status_code in (200, 400, 404), path


def test_a_database_that_is_down_is_said_to_be(tmp_path: Path, bundle: Path) -> None:
    path = tmp_path / "registry.sqlite"
    database = Database(f"sqlite:///{path}")
    key = {"Authorization": f"Bearer {database.new_token('ann')}"}
    client = client_of(make_app(database))
    put(database, "one")
    database.close()
    path.rename(tmp_path / "away")
    path.mkdir()
    for answer in (client.get("/api/audits.json"), client.post("/api/audits", content=b"x", headers=key)):
        assert answer.status_code == 503
        assert "cannot be used" in answer.json()["error"]
        assert "nothing was changed" in answer.json()["error"]
    assert client.get("/index.html").status_code == 503
    path.rmdir()
    (tmp_path / "away").rename(path)
    assert client.get("/api/audits.json").json()["total"] == 1


def test_a_postgresql_that_stops_in_between_loses_nothing_and_is_used_again_once_it_is_back(
    own_postgres: Postgres, bundle: Path
) -> None:
    database = Database(own_postgres.url)
    client = client_of(make_app(database))
    try:
        key = {"Authorization": f"Bearer {database.new_token('eve')}"}
        put(database, "one")
        assert client.get("/api/audits.json").json()["total"] == 1
        own_postgres.stop()
        try:
            for answer in (client.get("/api/audits.json"), client.post("/api/audits", content=bundle.read_bytes(), headers=key)):
                assert answer.status_code == 503
                assert "nothing was changed" in answer.json()["error"]
                assert answer.headers["Retry-After"] == "30"
            assert client.get("/index.html").status_code == 503
        finally:
            own_postgres.start()
        # The same process goes on by itself.
        assert client.get("/api/audits.json").json()["total"] == 1
        assert client.post("/api/audits", content=bundle.read_bytes(), headers=key).status_code == 201
    finally:
        from hydrometer.registry import database as module

        module._META.drop_all(database._engine)
        database.close()


def slowly(port: int, token: str) -> socket.socket:
    """Begin an upload and send next to nothing of it."""
    sender = socket.create_connection(("127.0.0.1", port))
    head = f"POST /api/audits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 1000000\r\n\r\nP"
    sender.sendall(head.encode())
    return sender


def test_senders_who_send_slowly_keep_nobody_else_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hydrometer.registry import server

    def refuse(*_: object, **__: object) -> None:
        msg = "looked at"
        raise BundleError(msg)

    monkeypatch.setattr(server, "check_apart", refuse)
    database = Database(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    slow, quick = database.new_token("slow"), database.new_token("quick")

    def send(port: int, token: str) -> int:
        key = {"Authorization": f"Bearer {token}"}
        return httpx.post(f"http://127.0.0.1:{port}/api/audits", content=b"zip", headers=key, timeout=60).status_code

    with served(make_app(database, Settings(checks=1, sends=2))) as port:
        senders = [slowly(port, slow) for _ in range(3)]
        # One of them is over what a token may send at once, and is told so.
        first = select.select(senders, [], [], 30)[0][0]
        assert b" 429 " in first.recv(200)
        # There is one place for checks, which none of them holds: another's bundle is looked at.
        assert send(port, quick) == 422
        assert send(port, slow) == 429
        for sender in senders:
            sender.close()
        # Whoever went away is forgotten.
        deadline = time.monotonic() + 30
        while (status := send(port, slow)) == 429 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert status == 422
    with served(make_app(database, Settings(arrival=0.2))) as port, contextlib.closing(slowly(port, slow)) as sender:
        assert b" 408 " in sender.recv(200)
    database.close()


def test_pages_are_made_once_and_take_no_more_room_than_they_may() -> None:
    from hydrometer.registry.serving import PageCache
    from hydrometer.report.html import Pages

    made_for: list[str] = []

    def ask(cache: PageCache, audit: str, size: int) -> str:
        def make() -> Pages:
            made_for.append(audit)
            return Pages(report="x" * size)

        return cache.get(audit, make).report

    cache = PageCache(100)
    for audit in ("a", "a", "b", "a", "c", "b"):
        ask(cache, audit, 40)
    # There is room for two: b was asked for longest ago when c came.
    assert made_for == ["a", "b", "c", "b"]
    assert ask(cache, "large", 500) == "x" * 500
    assert cache._bytes <= 100
    made_for.clear()
    ask(cache, "b", 40)
    assert made_for == []


def test_what_another_version_kept_is_said_to_be_unreadable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    audit = put(database, "one")
    client = client_of(make_app(database))
    with database._engine.begin() as db:
        db.exec_driver_sql("UPDATE files SET report = ?", (b'{"schema_version": 99}',))
    answer = client.get(f"/audits/{audit}/report.html")
    assert answer.status_code == 500
    assert "upgrade hydrometer" in answer.text
    with database._engine.begin() as db:
        db.exec_driver_sql("UPDATE audits SET entry = '{}'")
    answer = client.get("/api/audits.json")
    assert answer.status_code == 503
    assert "upgrade hydrometer" in answer.json()["error"]
    database.close()


def test_urls_that_cannot_be_used() -> None:
    with pytest.raises(UsageError, match="give sqlite:///FILE"):
        Database("nonsense")
    with pytest.raises(UsageError, match="give sqlite:///FILE"):
        Database("postgresql://ann:secret@host:port/x")
    with pytest.raises(RegistryError, match="cannot be used"):
        Database("postgresql://nobody@127.0.0.1:1/none")


def test_numbers_that_no_server_can_use(tmp_path: Path) -> None:
    for option, number in (("--port", "99999"), ("--upload", "0"), ("--reads", "-1"), ("--writes", "0")):
        answer = hydrometer("registry", "serve", str(tmp_path), option, number, cwd=tmp_path)
        assert answer.returncode == 2, option
        assert option in answer.stderr
        assert "Traceback" not in answer.stderr


def test_tokens_on_the_command_line(tmp_path: Path) -> None:
    made_one = hydrometer("registry", "token", "ann", str(tmp_path), cwd=tmp_path)
    assert made_one.returncode == 0, made_one.stderr
    token = made_one.stdout.strip().splitlines()[-1]
    assert token.encode() not in (tmp_path / "registry.sqlite").read_bytes()
    assert Database(f"sqlite:///{tmp_path / 'registry.sqlite'}").writer(token) == "ann"
    gone = hydrometer("registry", "token", "ann", str(tmp_path), "--revoke", cwd=tmp_path)
    assert gone.returncode == 0, gone.stderr
    assert Database(f"sqlite:///{tmp_path / 'registry.sqlite'}").writer(token) is None


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [([""], "give letters or figures"), ([" \t"], "give letters or figures"), (["ann", "--revoke"], "give its folder")],
)
def test_a_refused_token_leaves_no_registry_behind(tmp_path: Path, arguments: list[str], cure: str) -> None:
    name, *more = arguments
    answer = hydrometer("registry", "token", name, str(tmp_path), *more, cwd=tmp_path)
    assert answer.returncode == 2
    assert cure in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_token_that_is_taken_back_sends_nothing_more_to_a_server_that_runs(tmp_path: Path, bundle: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    key = {"Authorization": f"Bearer {database.new_token('ann')}"}
    client = client_of(make_app(database))
    assert client.post("/api/audits", content=b"nothing", headers=key).status_code == 422
    assert database.revoke("ann")
    assert client.post("/api/audits", content=bundle.read_bytes(), headers=key).status_code == 401
    database.close()
