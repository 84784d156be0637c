from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hydrometer.engines.base import EngineSettings
from hydrometer.engines.fake import FakeEngine, echo, open_model
from hydrometer.errors import ModelError, UnknownNameError
from hydrometer.items import Kind, Message, Request
from hydrometer.outcomes import Completion, Finish
from hydrometer.refs import parse_ref

ASKED = Request(kind=Kind.GENERATE, messages=(Message("system", "be kind"), Message("user", "one two three")))
CHOICES = replace(ASKED, kind=Kind.CHOICES, choices=("a", "bbb", "cc"), method="continuation")


def open_fake(target: str) -> FakeEngine:
    return open_model(parse_ref(f"fake:{target}"), EngineSettings())


def said(engine: FakeEngine, request: Request = ASKED) -> Completion:
    (answer,) = engine.generate([request])
    assert answer.request is request
    return answer.completion


def best(engine: FakeEngine) -> int:
    (answer,) = engine.score([CHOICES], "continuation")
    scores = [score.logprob for score in answer.completion.choices]
    return scores.index(max(scores))


def script(folder: Path, **content: object) -> str:
    path = folder / "s.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def test_echo_repeats_the_last_turn_and_counts_words() -> None:
    done = said(open_fake("echo"))
    assert (done.text, done.prompt_tokens, done.completion_tokens) == ("one two three", 5, 3)
    cut = said(open_fake("echo"), replace(ASKED, max_tokens=2))
    assert (cut.text, cut.finish, cut.completion_tokens) == ("one two", Finish.LENGTH, 2)


def test_a_script_answers_by_substring_in_its_order(tmp_path: Path) -> None:
    engine = open_fake(script(tmp_path, model="m", default="?", replies={"two": "second", "one": "first"}))
    assert said(engine).text == "second"
    assert said(engine, replace(ASKED, messages=(Message("user", "four"),))).text == "?"
    assert engine.identity().label == "m"


def test_the_script_and_its_options_are_the_weights(tmp_path: Path) -> None:
    targets = [
        "echo",
        "echo?seed=1",
        script(tmp_path, default="a"),
    ]
    weights = [open_fake(target).identity().weights for target in targets]
    weights.append(open_fake(script(tmp_path, default="b")).identity().weights)
    weights.append(open_fake(script(tmp_path, default="b", replies={"x": "1", "y": "2"})).identity().weights)
    weights.append(open_fake(script(tmp_path, default="b", replies={"y": "2", "x": "1"})).identity().weights)
    assert len(set(weights)) == 6
    assert open_fake("echo").identity() == open_fake("echo").identity()


def test_preferences(tmp_path: Path) -> None:
    assert best(open_fake(script(tmp_path, prefer="first"))) == 0
    assert best(open_fake(script(tmp_path, prefer="longest"))) == 1
    assert len({best(open_fake(f"echo?seed={seed}")) for seed in range(20)}) == 3
    assert best(open_fake("echo?seed=3")) == best(open_fake("echo?seed=3"))


def test_a_function_may_be_the_model() -> None:
    engine = FakeEngine(lambda request: Completion(text=f"{len(request.messages)} turns"), "turns", "w")
    assert said(engine).text == "2 turns"
    assert FakeEngine(echo, "e", "w").identity().weights == "w"


@pytest.mark.parametrize(
    ("target", "cure"),
    [
        ("ecoh", "did you mean 'echo'"),
        ("echo?delay=soon", r"delay: .*options are delay \(seconds, up to 60\) and seed"),
        ("echo?speed=1", "options are delay"),
        ("echo?delay", "options are written"),
        ("none.json", "cannot read the script none.json"),
    ],
)
def test_bad_references_say_the_cure(target: str, cure: str) -> None:
    with pytest.raises((ModelError, UnknownNameError), match=cure):
        open_fake(target)


def test_a_bad_script_says_what_a_script_holds(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"answers: .*a script holds model, default"):
        open_fake(script(tmp_path, answers={}))
    with pytest.raises(UnknownNameError):
        list(open_fake("echo").score([CHOICES], "guessing"))
