from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from hydrometer.engines.base import EngineSettings
from hydrometer.engines.replay import MISSING, ReplayEngine, open_model
from hydrometer.errors import EvidenceCorruptError, EvidenceError, ModelError
from hydrometer.items import Kind, Message, Request
from hydrometer.outcomes import ChoiceScore, Completion, Finish
from hydrometer.provenance import ModelIdentity
from hydrometer.refs import parse_ref
from hydrometer.store import Store

BASE = ModelIdentity(
    label="base", weights="w1", tokenizer="t", template="c", engine="llamacpp", engine_version="1"
)
STUDENT = replace(BASE, label="student", weights="w2")
ASKED = Request(kind=Kind.GENERATE, messages=(Message("user", "hi"),))
CHOICES = replace(ASKED, kind=Kind.CHOICES, choices=("a", "b"), method="letters")
SCORES = Completion(choices=(ChoiceScore(logprob=-1.0, tokens=1), ChoiceScore(logprob=-2.0, tokens=1)), method="letters")


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    with Store(tmp_path / "evidence.sqlite") as store:
        for who in (BASE, STUDENT):
            store.put_identity(who)
            store.put_completion(who, ASKED, Completion(text=f"I am {who.label}", completion_tokens=3))
        store.put_completion(BASE, CHOICES, SCORES)
    return tmp_path


def replay(path: Path, who: ModelIdentity | None = None) -> ReplayEngine:
    suffix = "" if who is None else f"#{who.digest.removeprefix('s2:')[:8]}"
    return open_model(parse_ref(f"replay:{path}{suffix}"), EngineSettings())


def test_each_model_gives_its_own_answers_under_its_own_identity(evidence: Path) -> None:
    for who in (BASE, STUDENT):
        with replay(evidence, who) as engine:
            assert engine.identity() == who
            (answer,) = engine.generate([ASKED])
            assert answer.completion.text == f"I am {who.label}"
    assert replay(evidence / "evidence.sqlite", BASE).capabilities.choice_methods == ("letters",)
    assert replay(evidence, STUDENT).capabilities.choice_methods == ()


def test_what_was_never_asked_is_an_error_of_that_request(evidence: Path) -> None:
    engine = replay(evidence, BASE)
    got = list(engine.generate([replace(ASKED, seed=1), ASKED]))
    assert [(a.completion.finish, a.completion.error) for a in got] == [(Finish.ERROR, MISSING), (Finish.STOP, "")]
    assert [a.completion for a in engine.score([CHOICES], "letters")] == [SCORES]
    assert [a.completion.error for a in engine.score([CHOICES], "continuation")] == [MISSING]


def test_an_ambiguous_or_unknown_model_is_listed(evidence: Path) -> None:
    with pytest.raises(ModelError, match=r"several models.*\(base\).*\(student\)|several models.*\(student\).*\(base\)"):
        replay(evidence)
    with pytest.raises(ModelError, match="fits no model"):
        replay(evidence, replace(BASE, weights="w3"))


def test_nothing_is_written(evidence: Path) -> None:
    path = evidence / "evidence.sqlite"
    before = path.read_bytes()
    list(replay(path, BASE).generate([ASKED, CHOICES]))
    assert path.read_bytes() == before


def test_bad_files_are_said(evidence: Path, tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no evidence at"):
        replay(tmp_path / "none.sqlite")
    (tmp_path / "text").write_text("no database at all, but a text of some length\n" * 40, encoding="utf-8")
    with pytest.raises(EvidenceCorruptError, match="cannot be read"):
        replay(tmp_path / "text")
    with sqlite3.connect(evidence / "evidence.sqlite") as db:
        db.execute("UPDATE completions SET body = replace(body, 'I am', 'i am')")
    with pytest.raises(EvidenceCorruptError, match="does not match its digest"):
        replay(evidence, BASE)
