"""What an audit is asked to do: the two models, the tasks, the margin, the policies. No I/O here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from hydrometer.errors import UsageError
from hydrometer.items import Thinking


class SamplingPolicy(StrEnum):
    """Where decoding settings come from.

    `AUTO`: the vendor's settings if either model has any, else greedy. `VENDOR`: insist on them.
    """

    AUTO = "auto"
    GREEDY = "greedy"
    VENDOR = "vendor"


_MOST_ITEMS, _MOST_TOKENS = 1_000_000, 2**31 - 1


class TemplatePolicy(StrEnum):
    """Whose chat template renders the requests: each model's own, or one model's for both.

    `CROSSED` audits each under its own, and asks a panel of items of both under both templates besides.
    """

    OWN = "own"
    BASE = "base"
    STUDENT = "student"
    CROSSED = "2x2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What an audit may cost at most.

    Attributes:
        amount: How much of it.
        unit: `items` (each asked of both models), `tokens` (of the replies of both, kept ones included, so that a
            resumed audit ends where an undisturbed one does) or `minutes` of wall time.
    """

    amount: float
    unit: Literal["items", "tokens", "minutes"]

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read a budget such as `600 items`, `2Mtokens`, `30min`.

        Raises:
            UsageError: It is none, or not above 0.
        """
        found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kKmM]?)\s*(items?|tokens?|min(?:utes?)?|h(?:ours?)?)\s*", text)
        amount = float(found[1]) * {"": 1, "k": 1e3, "m": 1e6}[found[2].lower()] if found else 0.0
        if not found or amount <= 0.0:
            msg = f"budget {text!r}: give a number above 0 and a unit, such as 600items, 2Mtokens or 30min"
            raise UsageError(msg)
        if found[3].startswith(("item", "token")):
            return cls(amount=amount, unit="items" if found[3].startswith("item") else "tokens")
        return cls(amount=amount * (60.0 if found[3].startswith("h") else 1.0), unit="minutes")


ALLOWABLE = (
    "adapter",
    "context",
    "engine",
    "identity",
    "lineage",
    "precision",
    "sampling",
    "template",
    "tokenizer",
)
"""Differences in the setup that a user may declare with `--allow`; everything else must be equal."""


FILE_ENGINES = ("hf", "llamacpp", "llama-server", "vllm")
"""Engines whose models are files here or on the hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A model as a user names it, taken apart.

    Attributes:
        text: The reference as written.
        engine: Name of the engine that opens it, a key of `catalog.ENGINES`.
        target: Path, hub id, URL or script that the engine opens.
        adapter: Path of a LoRA adapter, `""` without one.
        model: Model name on a server, `""` where the target says it all.
    """

    text: str
    engine: str
    target: str
    adapter: str = ""
    model: str = ""

    @property
    def has_files(self) -> bool:
        """Whether it names files that can be read, and not only something that answers."""
        return self.engine in FILE_ENGINES


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSpec:
    """Everything that decides what is asked and how it is judged.

    Attributes:
        base: The plain model.
        student: The distillation made from it.
        suite: Named size of the audit, see `tasks.suites`.
        tasks: Task names; empty means all of the suite.
        margin: Largest loss that still counts as equivalent, in score units (0.03 is 3 points).
        alpha: Two-sided error rate of `better` and `worse`, one-sided of each equivalence test.
        seed: Seed of items and of sampled replies.
        sampling: Where decoding settings come from.
        template: Whose chat template renders the requests.
        thinking: What is asked of templates that can switch thinking.
        allow: Differences in the setup that the user declared.
        items: Items per task, 0 for the suite's own number.
        max_tokens: Cap of reply tokens for every item, 0 for the task's own.
        fixed: Whether all items are asked, whatever comes out, instead of stopping where the verdict stands.
        budget: What it may cost at most, None without a limit.
        floor: Whether the base is asked a second time, to measure the noise of decoding.
        teacher: The model whose outputs the student was trained on, or a file of its replies; None if not given.
        inspect: Whether the files of both models are read first, where they have any.
    """

    base: ModelRef
    student: ModelRef
    suite: str = "quick"
    tasks: tuple[str, ...] = ()
    margin: float = 0.03
    alpha: float = 0.05
    seed: int = 0
    sampling: SamplingPolicy = SamplingPolicy.AUTO
    template: TemplatePolicy = TemplatePolicy.OWN
    thinking: Thinking = Thinking.DEFAULT
    allow: tuple[str, ...] = ()
    items: int = 0
    max_tokens: int = 0
    fixed: bool = False
    budget: Budget | None = None
    floor: bool = False
    teacher: ModelRef | None = None
    inspect: bool = True

    def __post_init__(self) -> None:
        """Refuse values that no audit can be run with.

        Raises:
            UsageError: A number out of its range or an unknown name in `allow`.
        """
        if not 0.0 < self.margin < 1.0:
            msg = f"margin == {self.margin}, must lie between 0 and 1 (0.03 is 3 points)"
            raise UsageError(msg)
        if not 0.0 < self.alpha <= 0.5:
            msg = f"alpha == {self.alpha}, must lie in (0, 0.5]"
            raise UsageError(msg)
        for name, most in (("items", _MOST_ITEMS), ("max_tokens", _MOST_TOKENS)):
            if not 0 <= getattr(self, name) <= most:
                msg = f"{name} == {getattr(self, name)}, must lie from 0 (the task's own) to {most:,}"
                raise UsageError(msg)
        unknown = sorted(set(self.allow) - set(ALLOWABLE))
        if unknown:
            msg = f"cannot allow {', '.join(unknown)}: known differences are {', '.join(ALLOWABLE)}"
            raise UsageError(msg)
