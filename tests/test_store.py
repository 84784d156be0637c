import sqlite3
from pathlib import Path

import pytest

from hydrometer.errors import EvidenceCorruptError, EvidenceError, EvidenceVersionError
from hydrometer.items import Item, Kind, Message, Request
from hydrometer.outcomes import Completion, Finish, Grade
from hydrometer.provenance import ModelIdentity, completion_key
from hydrometer.store import Store


def identity(weights: str = "w1") -> ModelIdentity:
    return ModelIdentity(
        label="m", weights=weights, tokenizer="t", template="c", engine="fake", engine_version="1"
    )


def request(text: str = "hi") -> Request:
    return Request(kind=Kind.GENERATE, messages=(Message("user", text),))


def test_an_answer_comes_back_as_it_was_given(tmp_path: Path) -> None:
    completion = Completion(text="hello \u2028 <think>", token_ids=(1, 2), completion_tokens=2, seconds=0.25)
    with Store(tmp_path / "e.sqlite") as store:
        store.put_identity(identity())
        key = store.put_completion(identity(), request(), completion)
    with Store(tmp_path / "e.sqlite", read_only=True) as store:
        assert store.completion(key) == completion
        assert store.verify() == []


def test_two_models_never_share_an_answer(tmp_path: Path) -> None:
    with Store(tmp_path / "e.sqlite") as store:
        store.put_completion(identity("w1"), request(), Completion(text="of w1"))
        assert store.completion(completion_key(identity("w2"), request().digest)) is None


def test_the_first_answer_stands(tmp_path: Path) -> None:
    with Store(tmp_path / "e.sqlite") as store:
        key = store.put_completion(identity(), request(), Completion(text="first"))
        store.put_completion(identity(), request(), Completion(text="second"))
        stored = store.completion(key)
        assert stored is not None
        assert stored.text == "first"


def test_a_failure_is_not_an_answer(tmp_path: Path) -> None:
    with Store(tmp_path / "e.sqlite") as store:
        key = store.put_completion(identity(), request(), Completion(finish=Finish.ERROR, error="too long"))
        assert store.completion(key) is None
        assert store.failures() == [(key, "too long")]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE completions SET body = replace(body, 'hello', 'HELLO')", "completion"),
        ("UPDATE identities SET body = replace(body, 'w1', 'w2')", "identity"),
        ("UPDATE requests SET body = replace(body, 'hi', 'ho')", "request"),
        ("UPDATE items SET body = replace(body, 'hi', 'ho')", "item"),
        ("UPDATE completions SET key = 's2:0'", "key does not belong"),
    ],
)
def test_verify_finds_tampering(tmp_path: Path, statement: str, found: str) -> None:
    path = tmp_path / "e.sqlite"
    with Store(path) as store:
        store.put_identity(identity())
        store.put_completion(identity(), request(), Completion(text="hello"))
        store.put_item(Item(task="t", messages=(Message("user", "hi"),), answer=1))
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()
    with Store(path, read_only=True) as store:
        assert any(found in problem for problem in store.verify())


def test_grades_are_derived_rows(tmp_path: Path) -> None:
    item = Item(task="t", messages=(Message("user", "hi"),), answer={"a": [1, 2]})
    with Store(tmp_path / "e.sqlite") as store:
        store.put_item(item)
        with store.batch():
            store.put_grade("k", item, "t@1", Grade.right("x"))
        assert [(g.key, g.item, g.grade) for g in store.grades()] == [("k", item, Grade.right("x"))]


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(EvidenceVersionError, match="upgrade hydrometer"):
        Store(path)


def test_foreign_and_broken_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text.sqlite"
    text.write_bytes(b"this is not a database" * 100)
    with pytest.raises(EvidenceCorruptError):
        Store(text)
    assert text.read_bytes().startswith(b"this is not")
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as db:
        db.execute("PRAGMA user_version=1")
    db.close()
    with pytest.raises(EvidenceCorruptError, match="not an evidence file"):
        Store(foreign)


def test_a_missing_file_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no evidence"):
        Store(tmp_path / "none.sqlite", read_only=True)


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    with Store(tmp_path / "e.sqlite") as store:
        key = store.put_completion(identity(), request("kept"), Completion(text="x"))
        store._db.execute("PRAGMA max_page_count=1")
        with pytest.raises(EvidenceError, match="free some space"):
            for number in range(200):
                store.put_completion(identity(), request(str(number)), Completion(text="y" * 1000))
        assert store.completion(key) is not None
