"""From teachers to training data: what is asked, what is dropped, what is counted, and where the loss falls."""

import hashlib
import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dataset import Counts, Dataset, build, drop_system, in_style
from problems import Draft, Problem, draw
from solver import ANSWER_MARK, KINDS, OPENING, trace
from teachers import HttpTeacher, SolverTeacher, TeacherError, open_teacher
from train import REPLY_CLOSE, Recipe, batches, encode

GOOD = f"{OPENING}:\n\n1. Look.\n\n{ANSWER_MARK} 4"


def words(text: str) -> int:
    return len(text.split())


def ask(number: int, system: str | None = None) -> Problem:
    steps = (f"{number} + 0 = {number}",)
    draft = Draft(prompt=f"What is {number} + 0?", goal="Add.", steps=steps, answer=str(number))
    return Problem(kind="add" if number % 2 else "even", draft=draft, system=system)


class Scripted:
    name = "scripted"

    def __init__(self, *replies: str) -> None:
        self._replies = iter(replies)

    def reply(self, problem: Problem) -> str:
        return next(self._replies)


def made(*replies: str, cap: int = 20, system: str | None = None) -> Dataset:
    problems = [ask(n, system) for n in range(len(replies))]
    return build(problems, Scripted(*replies), count_tokens=words, max_reply_tokens=cap)


def test_keeps_what_is_in_style_and_short() -> None:
    data = made(GOOD, f"  {GOOD}\n")
    assert data.counts == Counts(asked=2, kept=2, dropped_long=0, dropped_style=0, system_removed=0)
    assert {s.messages[1]["content"] for s in data.samples} == {GOOD}


@pytest.mark.parametrize(
    "reply",
    [
        "4",
        f"Sure! {GOOD}",
        GOOD.replace(f"{ANSWER_MARK} 4", "So it is 4."),
        GOOD.replace(f"{ANSWER_MARK} 4", ANSWER_MARK),
        f"{GOOD}\nAnything else?",
        "",
    ],
)
def test_drops_what_is_out_of_style(reply: str) -> None:
    assert not in_style(reply)
    assert made(reply, GOOD).counts == Counts(
        asked=2, kept=1, dropped_long=0, dropped_style=1, system_removed=0
    )


def test_drops_long_replies_at_the_cap_and_says_which_family() -> None:
    length = words(GOOD)
    assert made(GOOD, cap=length).counts.kept == 1
    data = made(GOOD, GOOD, GOOD, cap=length - 1)
    assert (data.counts.kept, data.counts.dropped_long) == (0, 3)
    assert data.long_kinds == {"add": 1, "even": 2}


def test_system_messages_are_dropped_and_counted() -> None:
    data = made(GOOD, system="Answer in one word.")
    assert [m["role"] for m in data.samples[0].messages] == ["user", "assistant"]
    assert data.counts.system_removed == 1
    assert b"one word" not in data.jsonl()
    turns = [{"role": r, "content": r} for r in ("system", "user", "system")]
    assert drop_system(turns) == [{"role": "user", "content": "user"}]


def test_counts_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="do not add up"):
        Counts(asked=3, kept=1, dropped_long=1, dropped_style=0, system_removed=0)


def solved(seed: int) -> Dataset:
    return build(draw(KINDS, 112, seed), SolverTeacher(), count_tokens=words, max_reply_tokens=60)


def test_data_are_a_function_of_the_seed() -> None:
    one = solved(3407)
    assert one.sha256() == solved(3407).sha256() != solved(3408).sha256()
    assert one.sha256() == hashlib.sha256(one.jsonl()).hexdigest()
    rows = [json.loads(line) for line in one.jsonl().decode().splitlines()]
    assert len(rows) == one.counts.kept
    # A changed family changes the data that the shipped student was trained on: then it has to be made again.
    assert one.sha256()[:16] == "648084046b314755"


def characters(text: str) -> list[int]:
    return [ord(c) for c in text]


def test_loss_covers_the_reply_with_its_end_mark_and_nothing_else() -> None:
    sample = made(GOOD, system="Never show your working.").samples[0]
    encoded = encode(sample, characters)
    text = "".join(map(chr, encoded.ids))
    assert text[encoded.reply_from :] == GOOD + REPLY_CLOSE
    assert text[: encoded.reply_from] == "<|im_start|>user\nWhat is 0 + 0?<|im_end|>\n<|im_start|>assistant\n"


def test_mask_marks_the_positions_that_predict_the_reply() -> None:
    torch = pytest.importorskip("torch")
    from train import pad

    first, second = (encode(s, characters) for s in made(GOOD, GOOD.replace("Look.", "Look twice.")).samples)
    ids, predicts = pad([first, second])
    targets = ids.roll(-1, dims=1)
    for row in range(2):
        assert "".join(map(chr, targets[row][predicts[row]].tolist())).startswith(OPENING)
        assert "".join(map(chr, targets[row][predicts[row]].tolist())).endswith(REPLY_CLOSE)
    assert int(predicts.sum()) == sum(len(e.ids) - e.reply_from for e in (first, second))
    assert not predicts[:, -1].any()
    assert ids.dtype == torch.long


def test_an_epoch_shows_every_sample_once_in_an_order_of_the_seed() -> None:
    data = [encode(s, characters) for s in solved(3407).samples]
    epoch = list(batches(data, size=8, rng=random.Random(1)))
    assert sorted(e.ids for b in epoch for e in b) == sorted(e.ids for e in data)
    assert max(map(len, epoch)) == 8
    assert epoch == list(batches(data, size=8, rng=random.Random(1)))
    assert epoch != list(batches(data, size=8, rng=random.Random(2)))


def test_the_recipe_is_the_public_one_in_miniature() -> None:
    recipe = Recipe()
    assert (recipe.epochs, recipe.lr, recipe.seed) == (2, 2e-4, 3407)


@dataclass
class Stub:
    """An OpenAI-compatible server on loopback that solves what it is asked."""

    url: str = ""
    status: int = 200
    body: dict[str, Any] | None = None
    seen: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def stub() -> Iterator[Stub]:
    state = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.seen.append({"path": self.path, **request})
            content = state.answers.get(request["messages"][-1]["content"], "I do not know.")
            body = state.body or {"choices": [{"message": {"role": "assistant", "content": content}}]}
            payload = json.dumps(body).encode()
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_served_teacher_goes_the_same_way_as_the_solver(stub: Stub) -> None:
    problems = list(draw(KINDS, 28, seed=5))
    stub.answers = {p.draft.prompt: trace(p.draft) for p in problems[:-1]}
    teacher = open_teacher(f"{stub.url}#some-model")
    assert isinstance(teacher, HttpTeacher)
    with teacher:
        served = build(problems, teacher, count_tokens=words, max_reply_tokens=60)
    own = build(problems[:-1], SolverTeacher(), count_tokens=words, max_reply_tokens=60)
    assert served.jsonl() == own.jsonl()
    assert served.counts.dropped_style == 1
    assert {(r["path"], r["model"]) for r in stub.seen} == {("/v1/chat/completions", "some-model")}


def test_a_served_teacher_sees_the_question_but_never_the_solution(stub: Stub) -> None:
    problem = ask(1234, system="Answer with the result only.")
    with HttpTeacher(stub.url, "m") as teacher:
        assert teacher.reply(problem) == "I do not know."
    system, user = stub.seen[0]["messages"]
    assert user == {"role": "user", "content": problem.draft.prompt}
    assert OPENING in system["content"]
    assert "result only" not in json.dumps(stub.seen)
    assert "1234 + 0 = 1234" not in json.dumps(stub.seen)


@pytest.mark.parametrize("body", [{"choices": []}, {"error": "no"}, {"choices": [{"message": None}]}])
def test_a_server_of_another_protocol_is_named(stub: Stub, body: dict[str, Any]) -> None:
    stub.body = body
    with HttpTeacher(stub.url, "m") as teacher, pytest.raises(TeacherError, match="does not answer as"):
        teacher.reply(ask(1))


def test_a_failing_server_is_named(stub: Stub) -> None:
    stub.status = 500
    with HttpTeacher(stub.url, "m") as teacher, pytest.raises(TeacherError, match="500"):
        teacher.reply(ask(1))


def test_a_dead_server_is_named() -> None:
    with (
        HttpTeacher("http://127.0.0.1:9/v1", "m") as teacher,
        pytest.raises(TeacherError, match="'m' at http"),
    ):
        teacher.reply(ask(1))


@pytest.mark.parametrize("text", ["", "gpt", "http://127.0.0.1/v1", "http://127.0.0.1/v1#", "ftp://x#m"])
def test_a_teacher_that_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(TeacherError, match="URL#model"):
        open_teacher(text)


def test_the_default_teacher_is_the_solver() -> None:
    assert isinstance(open_teacher(None), SolverTeacher)
