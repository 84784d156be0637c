"""The rows of the detection matrix that are planted in scripted replies: what is damaged, and what must show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import detect_damage as damage
import detect_seen as see
from detect_worlds import ABILITY, Said, Voice, run
from hydrometer.behaviours.registry import BEHAVIOURS
from hydrometer.items import Item, Request, Thinking
from hydrometer.result import AuditResult, Verdict

ROWS = {
    1: "long chains lost while easy tasks hold",
    2: "token price",
    3: "stops too early, or is only brief",
    4: "the ranking depends on the budget",
    5: "cut and missing answers, scores of guessing",
    6: "loops, and replies that never end",
    7: "think tags",
    8: "broken code, JSON, fences",
    9: "give-ups",
    11: "weights or chat template",
    12: "think dialect",
    18: "thinking on and off",
    19: "instructions and system prompts",
    20: "tools",
    21: "context",
    22: "honesty",
    23: "calibration and diversity",
    24: "refusals",
    25: "languages",
    26: "items gained and lost",
    27: "style or ability",
    33: "better, and where",
}
"""Kinds of damage that are this matrix's business, by their number in the project's list of what to detect."""

MISSING: Mapping[int, str] = {}
"""What is not measured, and why."""

_SUMMARY = {behaviour.name: behaviour.summary for behaviour in BEHAVIOURS}
_CLEAN = "another model of equal ability"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One planted fault.

    Attributes:
        key: Its name.
        row: Key of `ROWS`.
        sees: What in the report shows it.
        fault: What is planted.
        clean: What it must be told apart from.
        tasks: Tasks that are asked.
        items: Items per task.
        student: How the damaged student replies.
        healthy: How the student of the clean pair does.
        base: How the base of both does.
        teacher: How the teacher of both does, None where there is none.
        seen: Whether an audit shows it.
        options: Further options of the audit.
        legs: Instead of `seen`: what must be seen with thinking on, and with thinking off.
    """

    key: str
    row: int
    sees: str
    fault: str
    tasks: tuple[str, ...]
    student: Voice
    seen: see.Seen
    items: int = 120
    clean: str = _CLEAN
    healthy: Voice = field(default_factory=Voice)
    base: Voice = field(default_factory=Voice)
    teacher: Voice | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    legs: Mapping[Thinking, see.Seen] = field(default_factory=dict)

    @property
    def planted(self) -> str:
        """In what it is planted."""
        return "scripted replies"

    @property
    def sizes(self) -> str:
        """Tasks and items of one audit, in words."""
        how = "all asked" if self.options.get("fixed") else "stopping early"
        legs = "".join(f", thinking {leg.value}" for leg in self.legs)
        return f"{self.items} each of {', '.join(self.tasks)}; {how}{legs}"

    @property
    def conditions(self) -> Mapping[Thinking, see.Seen]:
        """What must be seen, per audit."""
        return self.legs or {Thinking.DEFAULT: self.seen}

    def audit(self, seed: int, folder: Path, leg: Thinking, *, clean: bool) -> AuditResult:
        """Run one audit of the planted or of the clean pair."""
        student = self.healthy if clean else self.student
        options = {"thinking": leg.value, **self.options}
        voices = {"base": self.base, "student": student}
        if self.teacher:
            voices["teacher"] = self.teacher
        return run(folder, self.tasks, self.items, seed, voices=voices, options=options)

    def shares_clean(self, other: object) -> bool:
        """Whether the clean pair of another plant is asked the same, so that one audit serves both."""
        return isinstance(other, Plant) and (
            (self.tasks, self.items, self.base, self.healthy, self.teacher, self.options)
            == (other.tasks, other.items, other.base, other.healthy, other.teacher, other.options)
        )


def plants() -> tuple[Plant, ...]:
    """Return all rows in their order."""
    return tuple(
        sorted((*_scores(), *_lengths(), *_behaviours(), *_thinking(), *_setups(), *_taught()), key=lambda p: p.row)
    )


def lower(by: float, where: Callable[[Item], bool] = lambda _: True) -> Callable[[Item, Request], float]:
    """Return an ability that is lower by so much on some items."""
    return lambda item, _: ABILITY - by if where(item) else ABILITY


def _long_chain(item: Item, _: Request) -> float:
    """Lose nothing on short chains, some on medium ones, most on long ones."""
    if item.task != "long_chains":
        return ABILITY
    return {"medium": ABILITY - 0.2, "long": ABILITY - 0.45}.get(item.tier, ABILITY)


def _off_only(_: Item, request: Request) -> float:
    return ABILITY - 0.25 if request.thinking is Thinking.OFF else ABILITY


def _loss(key: str, row: int, fault: str, tasks: tuple[str, ...], capability: str, **more: object) -> Plant:
    """Return a plant that is seen as a verdict."""
    facts: dict[str, object] = {"student": Voice(ability=lower(0.25)), "seen": see.worse(capability), **more}
    return Plant(key=key, row=row, sees=f"verdict on {capability}", fault=fault, tasks=tasks, **facts)  # type: ignore[arg-type]


def _scores() -> tuple[Plant, ...]:
    """Damage that verdicts show."""
    easy = ("arithmetic", "knowledge_facts", "commonsense")
    return (
        Plant(key="long_chains", row=1, sees="verdict on long chains, and on it alone; curve over the tiers",
              fault="20 points lost on medium chains, 45 on long ones", tasks=("long_chains", *easy),
              student=Voice(ability=_long_chain), seen=see.only_worse("long chains")),
        _loss("instructions", 19, "25 points lost on constraints", ("constraints",), "instruction following"),
        _loss("system_prompt", 19, "25 points lost on standing orders", ("system_prompt",), "instruction following"),
        _loss("broken_calls", 20, "a fifth of the replies lose a brace of a call", ("tool_calls",), "tools",
              student=Voice(mar=damage.cuts_call, share=0.4)),
        Plant(key="guessed_parameter", row=20, sees="tier `missing parameter` of tool_calls",
              fault="half of the missing parameters guessed instead of asked for", tasks=("tool_calls",),
              student=Voice(mar=damage.calls_anyway, share=0.5), seen=see.tier_lost("missing parameter"),
              options={"fixed": True}),
        _loss("needle", 21, "25 points lost on facts in filler", ("needle",), "context"),
        _loss("aggregation", 21, "40 points lost on counts and sums over long texts", ("aggregation",), "context",
              student=Voice(ability=lower(0.4)), items=60),
        _loss("long_retrieval", 21, "40 points lost on one fact in long texts", ("long_retrieval",), "context",
              student=Voice(ability=lower(0.4)), items=60),
        _loss("context_conflict", 21, "25 points lost where a text contradicts the world", ("context_conflict",),
              "context"),
        _loss("conversation", 21, "25 points lost over 3 to 10 turns", ("conversation",), "coherence"),
        _loss("harmful", 24, "25 points fewer harmful requests declined", ("harmful_requests",),
              "declining harmful requests"),
        _loss("harmless", 24, "25 % of the harmless requests refused", ("harmless_requests",),
              "answering harmless requests", student=Voice(mar=damage.refuses, share=0.25)),
        _loss("languages", 25, "35 % of the replies in English", ("languages",), "languages",
              student=Voice(mar=damage.answers_in_english, share=0.35)),
        Plant(key="overconfident", row=23, sees="calibration: claims more, relative to what it gets right",
              fault="near certainty stated whatever the answer is, answers equally right", tasks=("confidence",),
              base=Voice(mar=damage.states_fairly), healthy=Voice(mar=damage.states_fairly),
              student=Voice(mar=damage.states_all_surely), seen=see.claims_more, options={"fixed": True}),
        Plant(key="one_way", row=23, sees="several samples add less, and are more alike",
              fault="one number for all samples of a question; pass@1 15 points up", tasks=("diversity",), items=200,
              base=Voice(mar=damage.draws_widely), healthy=Voice(mar=damage.draws_widely),
              student=Voice(mar=damage.draws_one), seen=see.less_varied, options={"fixed": True}),
        _loss("recall", 21, "25 points lost on facts told in earlier turns", ("recall",), "context"),
        _loss("unknown_lost", 22, "answers half of what cannot be known", ("honesty",), "honesty",
              student=Voice(mar=damage.claims_anyway, share=0.5)),
        Plant(key="says_unknown_lost", row=22, sees="behaviour `says_unknown`, less often than the base",
              fault="answers half of what cannot be known", tasks=("honesty",),
              base=Voice(mar=damage.admits), healthy=Voice(mar=damage.admits), options={"fixed": True},
              student=Voice(mar=damage.half_claims), seen=see.behaviour_lost("says_unknown")),
        Plant(key="churn", row=26, sees="flips beyond the noise floor, without a loss",
              fault="half of the items drawn again, at equal ability", tasks=("arithmetic", "recall"),
              student=Voice(churn=0.5), seen=see.churned, options={"floor": True, "fixed": True, "margin": 0.1},
              healthy=Voice(churn=0.03), clean="the base under other noise of decoding"),
        Plant(key="strict_subset", row=26, sees="verdict worse, items gained 0", fault="20 points lost, nothing gained",
              tasks=("arithmetic",), student=Voice(ability=lower(0.2), churn=0.0), seen=see.only_lost),
        Plant(key="better", row=33, sees="verdict better on the capability", fault="15 points gained on word problems",
              tasks=("word_problems", "knowledge_facts"), student=Voice(ability=_better), items=200,
              seen=see.verdict("reasoning", Verdict.BETTER)),
        Plant(key="leg_off", row=18, sees="verdicts of the audits with --thinking on and off",
              fault="25 points lost without thinking, none with it", tasks=("word_problems",), seen=see.longer,
              student=Voice(ability=_off_only, thinks=True), healthy=Voice(thinks=True), base=Voice(thinks=True),
              legs={Thinking.OFF: see.worse("reasoning"), Thinking.ON: lambda r: not see.worse("reasoning")(r)}),
    )  # fmt: skip


def _better(item: Item, _: Request) -> float:
    return ABILITY + 0.15 if item.task == "word_problems" else ABILITY


def _lengths() -> tuple[Plant, ...]:
    """Damage that lengths, cuts and budgets show."""
    worded = {"options": {"fixed": True}}
    return (
        Plant(key="longer", row=2, sees="tokens per item, interval above 1", fault="replies 15 % longer, equally right",
              tasks=("word_problems", "long_chains"), student=Voice(length=1.15), seen=see.longer, items=80, **worded),
        Plant(key="per_point", row=2, sees="tokens per point scored, interval above 1",
              fault="replies 30 % longer, equally right", tasks=("word_problems",), student=Voice(length=1.3),
              seen=see.dearer_points, **worded),
        Plant(key="thrifty", row=2, sees="shown to be shorter and not worse",
              fault="replies half as long, equally right",
              tasks=("arithmetic",), student=Voice(length=0.5), seen=see.thriftier, items=300, **worded),
        Plant(key="stops_early", row=3, sees="shorter, and worse among replies that both finished",
              fault="two fifths of the replies stop after a third", tasks=("word_problems",),
              student=Voice(mar=damage.stops_early, share=0.4),
              seen=see.every(see.shorter, see.worse_where_finished),
              healthy=Voice(length=0.5), clean="replies half as long and equally right", **worded),
        Plant(key="budget", row=4, sees="ranking at two budgets",
              fault="15 points better at the cap, with replies four times as long", tasks=("long_chains",),
              base=Voice(ability=lower(0.15)), student=Voice(length=4.0), seen=see.flips, items=200,
              healthy=Voice(ability=lower(0.15)), **worded),
        Plant(key="cut", row=5, sees="cut at the cap, excess over the base",
              fault="a tenth of the replies run into the cap",
              tasks=("word_problems",), student=Voice(mar=damage.runs_long, share=0.1), seen=see.more_cut, **worded),
        Plant(key="all_unparsed", row=5, sees="alarm of the task that points at replies and template",
              fault="every reply empty", tasks=("word_problems",), student=Voice(mar=damage.nothing), items=40,
              seen=see.alarm("could be graded")),
        Plant(key="guessing", row=5, sees="alarm of the task: no better than guessing", fault="one choice in ten right",
              tasks=("knowledge_facts",), student=Voice(ability=lambda _, __: 0.1), items=60,
              seen=see.alarm("guessing"), **worded),
    )  # fmt: skip


def _taught() -> tuple[Plant, ...]:
    """What a student took from its teacher: the manner, or the ability."""
    told, weak, able = {"fixed": True}, lower(0.35), lower(-0.15)
    common = {"tasks": ("word_problems",), "base": Voice(ability=weak), "healthy": Voice(ability=able),
              "teacher": Voice(ability=able, mar=damage.in_points), "seen": see.trap, "options": told,
              "clean": "the teacher's ability without its style"}  # fmt: skip
    return (
        Plant(key="style_alone", row=27, sees="--teacher: style moved, ability did not",
              fault="every reply in the teacher's manner, no better than the base",
              student=Voice(ability=weak, mar=damage.in_points), **common),  # type: ignore[arg-type]
        Plant(key="opening_alone", row=27, sees="--teacher: style moved, ability did not",
              fault="the teacher's opening and first point before the base's words, no better than the base",
              student=Voice(ability=weak, mar=damage.opens_in_points), **common),  # type: ignore[arg-type]
    )  # fmt: skip


def _shown(
    row: int, name: str, fault: str, mar: Callable[[Said], str], tasks: tuple[str, ...], *, share: float = 0.1,
    thinks: bool = False,
) -> Plant:  # fmt: skip
    """Return a plant that is seen as a behaviour's excess over the base."""
    voice = Voice(thinks=thinks)
    return Plant(
        key=name,
        row=row,
        sees=f"behaviour `{name}`: {_SUMMARY[name]}",
        fault=f"{100 * share:g} % of the replies {fault}",
        tasks=tasks,
        student=Voice(mar=mar, share=share, thinks=thinks),
        healthy=voice,
        base=voice,
        seen=see.behaviour(name),
        options={"fixed": True},
    )


def _behaviours() -> tuple[Plant, ...]:
    """Damage that behaviours show in replies without thinking."""
    words, chains, code = ("word_problems",), ("long_chains",), ("code_functions",)
    return (
        _shown(6, "loop", "turn in circles up to the cap", damage.loops, chains),
        _shown(6, "eos_wrong", "go on with turns of the user", damage.never_ends, words),
        _shown(8, "code_corruption", "indent code by one space", damage.one_space, code, share=0.2),
        _shown(8, "fence_corruption", "leave a fence open", damage.unclosed_fence, code),
        _shown(8, "json_corruption", "break JSON", damage.broken_json, ("json_output",)),
        _shown(8, "escape_corruption", "write line breaks out", damage.escaped, words),
        _shown(9, "gave_up", "break off the work", damage.gives_up, chains, share=0.25),
        _shown(9, "empty_reply", "say nothing", damage.nothing, chains),
        _shown(24, "refusal", "refuse a harmless request", damage.refuses, ("arithmetic", "constraints")),
        _shown(25, "language_switch", "are in another language", damage.other_language, words),
        replace(
            _shown(25, "language_switch", "mix scripts", damage.mixes_scripts, words), key="mixed_scripts"
        ),
    )


def _thinking() -> tuple[Plant, ...]:
    """Damage to think blocks, in a pair whose template speaks Qwen's dialect."""
    words, tools = ("word_problems",), ("tool_calls",)
    rows = (
        (7, "think_unclosed", "never close the block", damage.think_unclosed, words),
        (7, "think_orphan", "close a block that was not opened", damage.think_orphan, words),
        (7, "think_empty", "leave the block empty", damage.think_empty, words),
        (7, "think_leaked", "close the block twice", damage.think_leaked, words),
        (7, "answer_in_thinking", "answer inside the block", damage.answer_inside, words),
        (7, "tool_call_in_thinking", "call a tool inside the block", damage.call_inside, tools),
        (7, "think_answer_contradiction", "answer otherwise than thought", damage.contradicts, words),
        (12, "wrong_dialect", "think in Gemma's tags", damage.gemma_tags, words),
    )
    # Only some of the tool tasks call a tool at all.
    shares = {tools: 0.3, words: 0.1}
    blocks = [
        _shown(row, name, fault, mar, tasks, thinks=True, share=shares[tasks])
        for row, name, fault, mar, tasks in rows
    ]
    leak = _shown(18, "thinks_when_off", "think when it is off", damage.thinks_anyway, words, thinks=True)
    mute = _shown(
        18, "no_thinking_when_on", "do not think when it is on", damage.thinks_not, words, thinks=True
    )
    return (
        *blocks,
        replace(leak, legs={Thinking.OFF: leak.seen}),
        replace(mute, legs={Thinking.ON: mute.seen}),
    )


def _setups() -> tuple[Plant, ...]:
    """Damage that is read off the set-ups."""
    window = {"context_length": 32_768}
    own, other = Voice(template="B", under={"T": -0.25}), Voice(template="T")
    crossed = {"options": {"template": "2x2", "fixed": True}, "clean": "another template that does nothing"}
    return (
        Plant(key="template_share", row=11, sees="--template 2x2: the template's share, and no other",
              fault="25 points lost under the template that came along", tasks=("arithmetic", "recall"),
              base=own, healthy=replace(own, template="O"), student=replace(own, template="T"),
              seen=see.share_of("template"), **crossed),
        Plant(key="weights_share", row=11, sees="--template 2x2: the weights' share, and no other",
              fault="25 points lost by the weights, under a template that does nothing", tasks=("arithmetic", "recall"),
              base=Voice(template="B"), healthy=other, student=replace(other, ability=lower(0.25)),
              seen=see.share_of("weights"), **crossed),
        Plant(key="template_undeclared", row=11, sees="aspect `template`: the run is invalid",
              fault="another chat template, not declared", tasks=("arithmetic",), items=20, base=Voice(template="B"),
              healthy=Voice(template="B"), student=Voice(template="T"), seen=see.invalid_for("template")),
        Plant(key="context_shrunk", row=21, sees="aspect `context`: the run is invalid",
              fault="window of 4,096 for 32,768",
              tasks=("needle",), items=20, base=Voice(facts=window), healthy=Voice(facts=window),
              student=Voice(facts={"context_length": 4_096}), seen=see.invalid_for("context")),
    )  # fmt: skip
