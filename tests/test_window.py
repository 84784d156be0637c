"""The window is the plan's: large enough for its items, the same for both models, and said where it is too small."""

from pathlib import Path
from random import Random

import pytest

from doubles import REF, Adding, Scripted, World, adder
from hydrometer.asking import Respondent
from hydrometer.engines.base import EngineSettings
from hydrometer.items import Item, Message
from hydrometer.progress import Silent
from hydrometer.provenance import Environment
from hydrometer.result import AuditResult
from hydrometer.run import Runner
from hydrometer.spec import AuditSpec, ModelRef
from hydrometer.store import Store
from hydrometer.window import needed, tokens

HERE = Environment(hydrometer="0", python="3", platform="test", packages={})
TRAINED = {"base": 32_768, "student": 8_192}


class Long(Adding):
    """Sums behind 3,000 or 60,000 bytes of blanks."""

    name = "long"

    def make(self, rng: Random, index: int) -> Item:
        text = " " * (60_000 if index % 2 else 3_000) + f"{index}+{index}"
        return Item(task=self.name, messages=(Message("user", text),), answer=2 * index, max_tokens=100)


class Heavy(Scripted):
    """A model that is known to hold memory until it is closed."""

    open_now: list[Scripted]

    def close(self) -> None:
        if self in self.open_now:
            self.open_now.remove(self)


class Windowed(World):
    """Two models that open the window they are told to, as far as they were trained for."""

    def __init__(self, engine: str, **trained: int) -> None:
        super().__init__()
        self.engine, self.trained = engine, TRAINED | trained
        self.settings: list[EngineSettings] = []
        self.open_now: list[Scripted] = []
        self.most_open = 0

    def open(self, ref: ModelRef, settings: EngineSettings) -> Scripted:
        self.settings.append(settings)
        window = min(settings.context or max(2048, settings.window), self.trained[ref.target])
        opened = Heavy(
            ref.target, adder, self.asked[ref.target], engine=self.engine, context_length=window, settings={"context": window}
        )
        opened.open_now = self.open_now
        self.open_now.append(opened)
        self.most_open = max(self.most_open, len(self.open_now))
        return opened


def run(world: Windowed, folder: Path, context: int = 0, **spec: object) -> AuditResult:
    with Store(folder / "evidence.sqlite") as store:
        return Runner(
            AuditSpec(base=REF["base"], student=REF["student"], fixed=True, **spec),  # type: ignore[arg-type]
            {Long(): 10},
            store,
            opener=world.open,
            settings=EngineSettings(context=context),
            progress=Silent(),
        ).run(HERE)


def test_the_plan_says_the_window_and_the_smaller_model_bounds_it_for_both(tmp_path: Path) -> None:
    result = run(Windowed("llamacpp"), tmp_path)
    assert [side.identity.context_length for side in (result.base, result.student)] == [8_192, 8_192]
    (note,) = [f for f in result.findings if f.aspect == "task long"]
    assert "5 of 10 items take more than the window of 8,192 tokens, up to some 13,4" in note.message


def test_a_window_that_is_trained_for_is_opened_whole_and_nothing_is_said(tmp_path: Path) -> None:
    result = run(Windowed("llamacpp", student=32_768), tmp_path)
    assert [side.identity.context_length for side in (result.base, result.student)] == [32_768, 32_768]
    assert not [f for f in result.findings if f.aspect.startswith("task")]


@pytest.mark.parametrize("trained", [{}, {"base": 4_096}, {"student": 32_768}])
def test_the_two_are_never_in_memory_together(trained: dict[str, int], tmp_path: Path) -> None:
    world = Windowed("llamacpp", **trained)
    result = run(world, tmp_path)
    assert result.base.identity.context_length == result.student.identity.context_length
    assert world.most_open == 1


def test_a_window_that_the_user_chose_stays_for_both(tmp_path: Path) -> None:
    world = Windowed("llamacpp")
    result = run(world, tmp_path, context=4_096)
    assert {side.identity.context_length for side in (result.base, result.student)} == {4_096}
    assert {settings.context for settings in world.settings} == {4_096}


def test_other_engines_keep_their_windows(tmp_path: Path) -> None:
    world = Windowed("hf")
    run(world, tmp_path, allow=("context",))
    assert {settings.context for settings in world.settings} == {0}


def test_a_larger_cap_takes_a_larger_window() -> None:
    items = Adding().items(4, 1)
    assert needed(items, 0) == 256
    assert needed(items, 4_096) == 8_192
    assert needed((), 0) == 0


@pytest.mark.parametrize(("text", "least"), [("a" * 300, 100), ("今" * 100, 100), ("é" * 150, 100)])
def test_tokens_are_reckoned_from_bytes(text: str, least: int) -> None:
    item = Item(task="x", messages=(Message("user", text),), answer="", max_tokens=50)
    assert tokens(item, 0) == least + 16 + 50
    assert tokens(item, 7) == least + 16 + 7


def test_a_smaller_window_reopens_both_models_that_share_weights(tmp_path: Path) -> None:
    world = Windowed("hf")
    with Store(tmp_path / "evidence.sqlite") as store:
        base, student = (
            Respondent(side, REF[side], EngineSettings(), opener=world.open, store=store, progress=Silent())  # type: ignore[arg-type]
            for side in ("base", "student")
        )
        student.share(base)
        for one in (base, student):
            base.open()
            student.open()
            one.narrow(1024)
            assert not base.opened
            assert not student.opened
            assert not world.open_now
