"""A base and the same with an adapter, open at once with one set of weights: each answers as if it stood alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
pytest.importorskip("transformers")
peft = pytest.importorskip("peft")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::FutureWarning")]

import torch  # noqa: E402
import transformers  # noqa: E402

import hydrometer  # noqa: E402
from hydrometer.engines import hf  # noqa: E402
from hydrometer.engines.base import EngineSettings, SharingEngine  # noqa: E402
from hydrometer.engines.hf import HfEngine, open_model  # noqa: E402
from hydrometer.items import Kind, Message, Request  # noqa: E402
from hydrometer.spec import ModelRef  # noqa: E402
from tiny_models import build_tiny  # noqa: E402

SETTINGS = EngineSettings(threads=1)
TEXTS = ("What is 2 + 2?", "hi", "the quick brown fox jumps over the lazy dog", "Paris is the capital")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    build_tiny("llama", folder / "model", 1)
    for seed, name in ((3, "adapter"), (4, "other")):
        plain = transformers.LlamaForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
        torch.manual_seed(seed)
        config = peft.LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
        peft.get_peft_model(plain, config).save_pretrained(folder / name)
    return folder


def ref(place: Path, adapter: str = "") -> ModelRef:
    more = str(place / adapter) if adapter else ""
    return ModelRef(text=f"tiny{adapter}", engine="hf", target=str(place / "model"), adapter=more)


@pytest.fixture(scope="module")
def alone(place: Path) -> tuple[Any, Any]:
    found = []
    for adapter in ("", "adapter"):
        with open_model(ref(place, adapter), SETTINGS) as engine:
            found.append((said(engine), engine.identity()))
    return found[0], found[1]


def said(engine: HfEngine) -> list[Any]:
    asked = [Request(kind=Kind.GENERATE, messages=(Message("user", t),), max_tokens=10) for t in TEXTS]
    scored = [
        Request(kind=Kind.CHOICES, messages=(Message("user", t),), choices=("Paris", "4 and 5"), max_tokens=0)
        for t in TEXTS
    ]
    replies = {a.request.digest: a.completion.token_ids for a in engine.generate(asked)}
    scores = {a.request.digest: [c.logprob for c in a.completion.choices] for a in engine.score(scored, "continuation")}
    return [replies[r.digest] for r in asked] + [scores[r.digest] for r in scored]


def test_each_answers_as_if_it_stood_alone(place: Path, alone: tuple[Any, Any]) -> None:
    with open_model(ref(place), SETTINGS) as base:
        assert isinstance(base, SharingEngine)
        student = base.beside(ref(place, "adapter"), SETTINGS)
        assert student is not None
        for _ in range(2):
            # To the last bit, and in turns.
            assert said(base) == alone[0][0]
            assert said(student) == alone[1][0]
        assert (base.identity(), student.identity()) == (alone[0][1], alone[1][1])
        assert alone[0][0] != alone[1][0]
        assert student._opened()[0].model is base._opened()[0].model
        student.close()
        again = base.beside(ref(place, "adapter"), SETTINGS)
        assert again is not None
        assert said(again) == alone[1][0]
        assert said(base) == alone[0][0]


def test_an_adapter_that_stays_on_is_seen(
    place: Path, alone: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_model(ref(place), SETTINGS) as base:
        assert base.beside(ref(place, "adapter"), SETTINGS) is not None
        monkeypatch.setattr(base, "_active", hf.nullcontext)
        assert said(base) != alone[0][0]


def test_what_does_not_share_is_opened_by_itself(place: Path) -> None:
    with open_model(ref(place), SETTINGS) as base:
        assert base.beside(ref(place), SETTINGS) is None
        assert base.beside(ref(place, "adapter"), EngineSettings(dtype="bfloat16")) is None
        elsewhere = ModelRef(text="x", engine="hf", target="elsewhere", adapter=str(place / "adapter"))
        assert base.beside(elsewhere, SETTINGS) is None
        assert base.beside(ref(place, "adapter"), SETTINGS) is not None
        assert base.beside(ref(place, "other"), SETTINGS) is None


def test_an_audit_loads_the_weights_once(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load = hf.load

    def counted(which: ModelRef, settings: EngineSettings) -> Any:
        loaded.append(which.adapter)
        return load(which, settings)

    def audited(name: str) -> Sequence[Any]:
        found = hydrometer.audit(
            ref(place), ref(place, "adapter"), tasks=("copying", "commonsense"), items=4, max_tokens=8, fixed=True,
            inspect=False, out=tmp_path / name, settings=SETTINGS,
        )  # fmt: skip
        assert found.base.asked == found.student.asked == 8
        return [(i.item_id, i.base.answer, i.student.answer, i.base.grade, i.student.grade) for i in found.items]

    monkeypatch.setattr(hf, "load", counted)
    together = audited("together")
    assert loaded == [""]
    monkeypatch.setattr(HfEngine, "beside", lambda *_: None)
    assert audited("apart") == together
    assert len(loaded) > 2
