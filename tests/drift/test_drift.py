"""Drift on tiny models of the real classes: damage that was planted is measured, and nothing else is."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hydrometer.api import audit, environment
from hydrometer.catalog import open_reader
from hydrometer.drift.replies import StoredReply, as_passages, stored_replies
from hydrometer.drift.result import DriftResult, to_json
from hydrometer.drift.rows import make_rows
from hydrometer.drift.run import drift
from hydrometer.drift.summary import heat, mean
from hydrometer.drift.texts import NEUTRAL, Passage, from_file, neutral, texts_digest
from hydrometer.engines.base import EngineSettings
from hydrometer.engines.reading import Tokens
from hydrometer.errors import EngineError, ModelError, UsageError
from hydrometer.items import Message, Thinking
from hydrometer.outcomes import Completion
from hydrometer.refs import parse_ref
from hydrometer.report.drift_text import print_drift
from hydrometer.stats.tokens import BETAS
from hydrometer.store import Store
from hydrometer.templates.render import ChatTemplate
from hydrometer.verify import evidence_of, find_reports, load_report
from tiny_models import build_tiny

pytest.importorskip("torch")
TEXTS = tuple(Passage(name=f"t{i}", group="even" if i % 2 == 0 else "odd", text=t.text[:150]) for i, t in enumerate(neutral()[:6]))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("llama", tmp_path_factory.mktemp("base"), 1)


def changed(base: Path, folder: Path, name: str, *, noise: float = 0.0, factor: float = 1.0) -> Path:
    """A copy of a model with one group of weights changed."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, folder)
    path = folder / "model.safetensors"
    weights = load_file(str(path))
    rng = np.random.default_rng(5)
    for key, value in weights.items():
        if name in key and value.ndim >= (1 if factor != 1.0 else 2):
            added = rng.normal(0.0, 1.0, tuple(value.shape)) * noise * float(value.std() if noise else 0.0)
            weights[key] = value * factor + value.new_tensor(added)
    save_file(weights, str(path), metadata={"format": "pt"})
    return folder


def run(base: Path, student: Path) -> DriftResult:
    return drift(
        str(base), str(student), passages=TEXTS, settings=EngineSettings(threads=1), environment=environment()
    )


def test_noise_raises_the_distance_and_the_base_stays_at_its_floor(tiny: Path, tmp_path: Path) -> None:
    same = run(tiny, tiny)
    little = run(tiny, changed(tiny, tmp_path / "little", "layers.2.", noise=0.05))
    much = run(tiny, changed(tiny, tmp_path / "much", "layers.2.", noise=0.5))
    assert same.whole
    assert little.whole
    assert much.whole
    assert same.floor
    assert same.whole.kl.value < 1e-5
    assert same.floor.kl.value < 1e-5
    assert same.whole.same.value == 1.0
    assert same.heat
    assert "no distance" in same.heat.words
    assert 10 * same.whole.quantiles[4] < little.whole.kl.value < much.whole.kl.value
    assert little.whole.same.value > much.whole.same.value
    assert {group.name for group in much.groups} == {"even", "odd"}
    assert sum(group.tokens for group in much.groups) == much.whole.tokens
    assert much.whole.documents == len(TEXTS)
    assert much.places[0].kl == much.whole.quantiles[4]
    assert all(place.token in TEXTS[int(place.document[1:])].text for place in much.places)


def test_sharpening_is_told_apart_from_another_order(tiny: Path, tmp_path: Path) -> None:
    # A larger last norm multiplies all logits: the same order, more sharply told.
    sharp = run(tiny, changed(tiny, tmp_path / "sharp", "model.norm", factor=1.35))
    flat = run(tiny, changed(tiny, tmp_path / "flat", "model.norm", factor=0.7))
    noisy = run(tiny, changed(tiny, tmp_path / "noisy", "layers.2.", noise=0.5))
    assert sharp.heat
    assert flat.heat
    assert noisy.heat
    assert sharp.whole
    assert sharp.whole.same.value == 1.0
    assert sharp.heat.temperature == pytest.approx(1.35, rel=0.02)
    assert sharp.heat.explained > 0.98
    assert "sharper" in sharp.heat.words
    assert "flatter" in flat.heat.words
    assert noisy.heat.explained < 0.5
    assert "another order" in noisy.heat.words


@pytest.mark.parametrize("kind", ["llama", "qwen3_5", "qwen3_5_moe", "gemma4"])
def test_pieces_equal_the_model_s_own_logits(kind: str, tmp_path: Path) -> None:
    import torch

    folder = build_tiny(kind, tmp_path / kind, 2)  # type: ignore[arg-type]
    with open_reader(parse_ref(str(folder)), EngineSettings()) as reader:
        rows = [reader.tokens(text.text).ids[:n] for text, n in zip(TEXTS, (40, 7, 21), strict=False)]
        found = np.concatenate(list(reader.read(rows, 10)))
        model = reader._loaded.model  # type: ignore[attr-defined]
        with torch.inference_mode():
            own = [model(input_ids=torch.tensor([row])).logits[0, :-1].numpy() for row in rows]
        np.testing.assert_allclose(found, np.concatenate(own), atol=2e-3)
        reader._padding = False  # type: ignore[attr-defined]
        np.testing.assert_allclose(np.concatenate(list(reader.read(rows, 10))), found, atol=2e-3)
        assert max(len(piece) for piece in reader.read(rows, 10)) == (10 if reader._finish else 65)  # type: ignore[attr-defined]


def test_other_tokenizers_are_compared_in_bits_per_byte_alone(tiny: Path, tmp_path: Path) -> None:
    other = run(tiny, build_tiny("qwen3_5", tmp_path / "other", 3))
    assert other.whole is None
    assert other.floor is None
    assert other.groups == ()
    assert other.bits[0] == pytest.approx(run(tiny, tiny).bits[0], rel=1e-4)
    assert all(bits > 0.0 for bits in other.bits)


def test_weights_that_are_no_numbers_are_one_line(tiny: Path, tmp_path: Path) -> None:
    broken = changed(tiny, tmp_path / "nan", "layers.1.", factor=float("nan"))
    for pair in ((tiny, broken), (broken, tiny)):
        with pytest.raises(EngineError, match="NaN"):
            run(*pair)


def test_a_context_longer_than_the_models_is_the_models_own(tiny: Path) -> None:
    found = drift(
        str(tiny),
        str(tiny),
        passages=[Passage(name="long", group="g", text=" ".join(text.text for text in neutral()[:13]))],
        settings=EngineSettings(threads=1, context=1 << 20),
        environment=environment(),
    )
    with open_reader(parse_ref(str(tiny)), EngineSettings()) as reader:
        assert found.window == reader.context
    assert found.cut == 1
    assert found.texts.startswith("s2:")


def test_the_neutral_texts_are_the_ones_that_were_measured() -> None:
    texts = neutral()
    assert texts_digest(texts) == NEUTRAL
    assert len({text.name for text in texts}) == len(texts)


def test_the_result_is_plain_json(tiny: Path) -> None:
    plain = json.loads(json.dumps(to_json(run(tiny, tiny)), allow_nan=False))
    assert plain["kind"] == "drift"
    assert plain["whole"]["tokens"] > 100


def test_a_terminal_obeys_nothing_that_stands_in_a_text(tiny: Path) -> None:
    text = "one \x1b[31mtwo\x1b]0;three\x07 four \u202efive, and so on to the end of it"
    found = drift(
        str(tiny),
        str(tiny),
        passages=[Passage(name="\x1b[2J", group=f"\x1b[{n}m", text=text) for n in range(2)],
        settings=EngineSettings(threads=1),
        environment=environment(),
    )
    console = Console(file=io.StringIO(), width=200)
    print_drift(found, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "where they part most" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_errors_are_by_document() -> None:
    values, documents = np.repeat([1.0, 2.0, 6.0], 100), np.repeat([0, 1, 2], 100)
    found = mean(values, documents)
    assert found.value == pytest.approx(3.0)
    assert found.low is not None
    assert found.high is not None
    # Ratio estimator with G/(G-1), t with two degrees of freedom: sqrt(1.5 * (4 + 1 + 9) * 1e4) / 300.
    assert (found.high - found.low) / 2 == pytest.approx(4.302653 * np.sqrt(1.5 * 14e4) / 300, rel=1e-6)
    assert mean(values, documents * 0).low is None


def test_nothing_tried_has_no_temperature() -> None:
    assert heat(np.full((5, len(BETAS)), np.nan)) is None


def test_bad_texts_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n\n\n ")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 caf\xe9")
    (tmp_path / "bad.jsonl").write_text('{"text": "a b"}\n{"texts": 1}\n')
    (tmp_path / "good.jsonl").write_text('{"text": "a b", "group": "g"}\n\n{"text": "c"}\n')
    for name, word in (("missing.txt", "No such"), ("empty.txt", "no text"), ("latin.txt", "UTF-8"), ("bad.jsonl", "line 2")):
        with pytest.raises(UsageError, match=word):
            from_file(tmp_path / name)
    assert [p.group for p in from_file(tmp_path / "good.jsonl")] == ["g", "good.jsonl"]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("[" * 200_000, "line 1: not an object"),
        (r'{"text": "half \ud83d of a pair"}', "line 1: holds half of a surrogate pair"),
        (r'{"text": "a b", "group": "\ud83d"}', "line 1: holds half of a surrogate pair"),
        ('{"text": 5}', "line 1: `text` must be"),
        ('{"text": " "}', "line 1: `text` must be"),
    ],
)
def test_lines_that_hold_no_text_are_one_line(line: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(UsageError, match=word):
        from_file(tmp_path / "bad.jsonl")


def test_lines_end_where_json_lines_do(tmp_path: Path) -> None:
    lines = '\ufeff{"text": "one\u2028two", "group": null}\r\n{"text": "three"}\r\n'
    (tmp_path / "texts.jsonl").write_text(lines, encoding="utf-8", newline="")
    found = from_file(tmp_path / "texts.jsonl")
    assert [(p.text, p.group) for p in found] == [("one\u2028two", "texts.jsonl"), ("three", "texts.jsonl")]


def test_engines_that_cannot_read_say_so() -> None:
    with pytest.raises(ModelError, match="given text"):
        open_reader(parse_ref("fake:echo"), EngineSettings())


def test_spans_of_a_reply() -> None:
    reply = Passage(name="r", group="g", text="ask<think>hm</think>yes", prompt=3, thinking=(3, 20))
    assert [reply.span(at) for at in (0, 3, 19, 20)] == ["prompt", "thinking", "thinking", "answer"]
    assert TEXTS[0].span(5) == "text"


def test_replies_of_an_audit_are_read_by_side_capability_and_span(tiny: Path, tmp_path: Path) -> None:
    student = changed(tiny, tmp_path / "student", "layers.2.", noise=0.5)
    # Tiny models say anything: the cap ends each reply.
    audit(str(tiny), str(student), tasks=["arithmetic"], items=3, max_tokens=12, fixed=True, out=tmp_path / "out")
    report = find_reports(tmp_path / "out")[0]
    with Store(evidence_of(report), read_only=True) as store:
        replies = stored_replies(load_report(report), store)
    assert {reply.side for reply in replies} == {"base", "student"}
    found = drift(
        str(tiny), str(student), replies=replies, settings=EngineSettings(threads=1), environment=environment()
    )
    assert found.whole
    assert [group.name for group in found.groups] == [replies[0].capability]
    spans = {span.name: span for span in found.spans}
    assert set(spans) == {"prompt", "answer"}
    sources = {source.name: source for source in found.sources}
    assert set(sources) == {"replies of the base", "replies of the student"}
    # Greedy replies are what their own model finds most probable.
    assert sources["replies of the base"].tokens + sources["replies of the student"].tokens == found.whole.tokens


def test_where_a_reply_thinks_is_marked() -> None:
    template = ChatTemplate(source="{% for m in messages %}{{ m.content }}{% endfor %}|", special={})

    def passage(text: str) -> Passage:
        reply = StoredReply(
            side="student",
            item="i",
            capability="c",
            name="n",
            messages=(Message("user", "2+2?"),),
            thinking=Thinking.DEFAULT,
            completion=Completion(text=text),
        )
        return as_passages([reply], template)[0]

    closed = passage("<think>easy</think>\n\nIt is 4.")
    assert closed.text[slice(*closed.thinking)] == "<think>easy</think>\n\n"
    assert closed.text[closed.thinking[1] :] == "It is 4."
    cut = passage("<think>easy")
    assert cut.thinking == (5, len(cut.text))
    plain = passage("4")
    assert [plain.span(at) for at in (0, 4, 5)] == ["prompt", "prompt", "answer"]
    with pytest.raises(ModelError, match="chat template"):
        as_passages([], None)


def test_bits_are_per_byte_that_is_predicted_whatever_the_window() -> None:
    class Letters:
        """Reads a letter at a time, with nothing before a text."""

        begin = ()
        vocabulary = 256

        def tokens(self, text: str) -> Tokens:
            return Tokens(tuple(text.encode()), tuple(range(len(text))))

    text = Passage(name="t", group="g", text="abcdefghi")
    for window in (1, 2, 4, 8, 9):
        rows = make_rows(Letters(), [text, text], window)  # type: ignore[arg-type]
        predicted = [text.text[row.starts[0] : row.end] for row in rows]
        assert [len(part) for part in predicted] == [len(row.starts) for row in rows]


def test_a_tokenizer_larger_than_the_model_is_one_line(tiny: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = tmp_path / "larger"
    shutil.copytree(tiny, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"zz{n}zz" for n in range(2000)])
    tokenizer.save_pretrained(folder)
    for base, student in ((tiny, folder), (folder, folder)):
        with pytest.raises(ModelError, match="outside of"):
            drift(
                str(base),
                str(student),
                passages=[Passage(name="t", group="g", text="so zz1999zz it is")],
                settings=EngineSettings(threads=1),
                environment=environment(),
            )
