"""A realistic result of every verdict, with hostile text wherever a model or a file can put text."""

from __future__ import annotations

from dataclasses import replace

from hydrometer.items import Decoding, Message
from hydrometer.outcomes import Status
from hydrometer.provenance import Environment, ModelIdentity
from hydrometer.result import (
    SCHEMA_VERSION,
    AuditResult,
    CapabilityResult,
    Finding,
    ItemResult,
    Reply,
    Side,
    Standing,
    TaskResult,
    TokenPrice,
    Verdict,
)
from hydrometer.spec import AuditSpec, ModelRef
from hydrometer.stats.estimate import Estimate

HOSTILE = (
    "<script>alert(1)</script>",
    "</textarea></pre></style></title><img src=x onerror=alert(2)>",
    "\u202eright to left override, then \u0645\u0631\u062d\u0628\u0627",
    "emoji \U0001f9ea\U0001f468\u200d\U0001f52c, bell \x07, escape \x1b[31mred\x1b[0m, nul \x00",
    "unbroken" * 900,
    "{{ 7 * 7 }} {% raw %} [bold red]markup[/bold red] & \"quotes\" 'single'",
)


def estimate(base: float, student: float, low: float, high: float, n: int = 120, **more: object) -> Estimate:
    values: dict[str, object] = {
        "gained": 6,
        "lost": 17,
        "missing_base": 1,
        "missing_student": 4,
        "missing_both": 2,
        "p_value": 0.0123,
        **more,
    }
    return Estimate(
        base=base,
        student=student,
        difference=student - base,
        low=low,
        high=high,
        level=0.95,
        n=n,
        method="Tango score interval, exact McNemar test",
        **values,  # type: ignore[arg-type]
    )


def capability(name: str, verdict: Verdict, found: Estimate, **more: object) -> CapabilityResult:
    values: dict[str, object] = {
        "material": False,
        "reason": "neither a difference nor equivalence within the margin is shown",
        "strict": replace(found, n=found.n + 7),
        "adjusted_p": 0.049,
        "items_needed": None,
        "detectable": 0.087,
        "chance": 0.0,
        "tasks": (name.replace(" ", "_"),),
        **more,
    }
    return CapabilityResult(capability=name, verdict=verdict, estimate=found, **values)  # type: ignore[arg-type]


WORSE = capability(
    "instruction following",
    Verdict.WORSE,
    estimate(0.71, 0.62, -0.141, -0.039),
    material=True,
    reason="worse, by more than the margin",
)
WORSE_SMALL = capability("arithmetic", Verdict.WORSE, estimate(0.50, 0.455, -0.084, -0.004))
BETTER = capability(
    "reasoning",
    Verdict.BETTER,
    estimate(0.40, 0.52, 0.05, 0.19, gained=21, lost=5, p_value=0.0004),
    material=True,
    adjusted_p=0.0016,
    reason="better, by more than the margin",
)
EQUIVALENT = capability(
    "text editing",
    Verdict.EQUIVALENT,
    estimate(0.88, 0.882, -0.018, 0.021, n=600, p_value=1.0),
    reason="no difference beyond the margin",
    adjusted_p=1.0,
)
NOT_ENOUGH = capability(
    "general knowledge",
    Verdict.NOT_ENOUGH,
    estimate(0.55, 0.525, -0.11, 0.06, n=80),
    items_needed=1810,
    chance=0.25,
)
DEPENDS = capability(
    "tool use",
    Verdict.NOT_ENOUGH,
    estimate(0.55, 0.45, -0.17, -0.03, n=80),
    reason="depends on how the 7 unanswered items count",
)
EMPTY = capability(
    "long context",
    Verdict.NOT_ENOUGH,
    estimate(0.0, 0.0, -1.0, 1.0, n=0, gained=0, lost=0, p_value=1.0),
    reason="no item was answered by both models",
)
CAPABILITIES = (WORSE, WORSE_SMALL, BETTER, EQUIVALENT, NOT_ENOUGH, DEPENDS, EMPTY)


def reply(value: float | None, answer: str, **more: object) -> Reply:
    values: dict[str, object] = {
        "key": "s2:" + "a" * 32,
        "status": Status.GRADED if value is not None else Status.TRUNCATED,
        "thinking": "",
        "think_state": "none",
        "extracted": answer[:20],
        "reason": "compared with the expected answer",
        "tokens": 42,
        **more,
    }
    return Reply(value=value, answer=answer, **values)  # type: ignore[arg-type]


def item(number: int, base: Reply, student: Reply, **more: object) -> ItemResult:
    values: dict[str, object] = {
        "task": "instruction_following",
        "capability": "instruction following",
        "tier": "easy",
        "choices": (),
        "expected": "Paris",
        "messages": (Message("system", "Answer briefly."), Message("user", f"Question {number}?")),
        **more,
    }
    return ItemResult(item_id=f"s2:{number:032x}", base=base, student=student, **values)  # type: ignore[arg-type]


def items() -> tuple[ItemResult, ...]:
    right, wrong = reply(1.0, "Paris"), reply(0.0, "It is Lyon, the second city of France.")
    thought = reply(
        0.0,
        "The capital is Lyon.",
        thinking="Let me think. " * 40 + "<b>bold</b>",
        think_state="closed",
        tokens=312,
    )
    cut = reply(
        None, "", thinking="wait, " * 300, think_state="unclosed", tokens=None, extracted="", reason="cut"
    )
    options = ("Paris", "Lyon </option>", "Nice")
    chosen = [reply(v, options[i], tokens=None, scores=(-1.25, -0.5, -7.0)) for v, i in ((1.0, 0), (0.0, 1))]
    hostile = [
        item(
            100 + i,
            reply(1.0, text),
            reply(0.0, text, thinking=text, think_state="closed"),
            expected={"text": text},
            messages=(Message("user", text),),
        )
        for i, text in enumerate(HOSTILE)
    ]
    return (
        item(1, right, right),
        item(2, right, thought),
        item(3, wrong, right),
        item(4, right, cut),
        item(
            5,
            chosen[0],
            chosen[1],
            choices=options,
            expected=0,
            task="knowledge",
            capability="general knowledge",
        ),
        item(6, reply(0.5, "half"), reply(0.25, "quarter"), expected=None, tier=""),
        *hostile,
        *(item(n, right if n % 3 else wrong, thought if n % 4 else right) for n in range(10, 40)),
    )


def side(label: str, **more: object) -> Side:
    return Side(
        reference=f"models/{label}.gguf",
        identity=ModelIdentity(
            label=label,
            weights="sha256:" + label[:4].encode().hex() * 8,
            tokenizer="s2:" + "1" * 32,
            template="s2:" + "2" * 32,
            engine="llamacpp",
            engine_version="2026.10",
            precision="Q4_1",
            architecture="llama",
            context_length=4096,
            settings={"threads": 2},
            **more,  # type: ignore[arg-type]
        ),
        decoding=Decoding(),
        sampling_source="greedy",
        asked=310,
        reused=12,
        seconds=312.5,
    )


def findings() -> tuple[Finding, ...]:
    return (
        Finding(
            aspect="identity",
            base="sha256:abc",
            student="sha256:def",
            standing=Standing.EQUAL,
            message="two different models, as they should be",
        ),
        Finding(
            aspect="engine", base="llamacpp 2026.10", student="llamacpp 2026.10", standing=Standing.EQUAL
        ),
        Finding(
            aspect="precision",
            base="Q8_0",
            student="Q4_1",
            standing=Standing.DECLARED,
            message="a difference could come from the quantisation: compare files of one type, or --allow precision",
        ),
        Finding(aspect="adapter", base="none", student="sha256:" + "9f" * 32, standing=Standing.NOTE),
        Finding(aspect="context", base="4096", student="4096", standing=Standing.EQUAL),
    )


def tasks() -> tuple[TaskResult, ...]:
    counts = {Status.GRADED: 113, Status.TRUNCATED: 6, Status.REFUSED: 1}
    return (
        TaskResult(
            task="instruction_following",
            capability="instruction following",
            summary="format constraints",
            version=2,
            items=120,
            chance=0.0,
            method="",
            estimate=WORSE.estimate,
            base_counts={Status.GRADED: 120},
            student_counts=counts,
            alarms=("13 of 120 replies of the student were cut: a larger --max-tokens may change this",),
        ),
        TaskResult(
            task="knowledge",
            capability="general knowledge",
            summary="four options, one right",
            version=1,
            items=80,
            chance=0.25,
            method="continuation",
            estimate=NOT_ENOUGH.estimate,
            base_counts={Status.GRADED: 80},
            student_counts={Status.GRADED: 80},
        ),
        TaskResult(
            task="needle",
            capability="long context",
            summary=HOSTILE[0],
            version=1,
            items=8,
            chance=0.0,
            method="",
            estimate=None,
            base_counts={Status.UNPARSED: 8},
            student_counts={Status.ENGINE_ERROR: 8},
            alarms=(
                "no reply of the base could be graded: look at the replies and the template first",
                HOSTILE[1],
            ),
        ),
    )


def tokens() -> tuple[TokenPrice, ...]:
    return (
        TokenPrice(
            capability="",
            base=74.2,
            student=120.4,
            ratio=1.62,
            low=1.4,
            high=1.9,
            n=160,
            base_per_correct=98.0,
            student_per_correct=210.0,
        ),
        TokenPrice(
            capability="instruction following",
            base=12.0,
            student=11.0,
            ratio=0.94,
            low=0.90,
            high=0.98,
            n=100,
            base_per_correct=17.1,
            student_per_correct=None,
        ),
        TokenPrice(
            capability="long context",
            base=5.0,
            student=9.0,
            ratio=1.8,
            low=0.0,
            high=1e6,
            n=1,
            base_per_correct=None,
            student_per_correct=None,
        ),
    )


def sample(**more: object) -> AuditResult:
    base, student = (
        ModelRef(text=f"models/{name}.gguf", engine="llamacpp", target=f"models/{name}.gguf")
        for name in ("base", "it's")
    )
    values: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "created": "2026-10-08T09:30:00+00:00",
        "spec": AuditSpec(
            base=base, student=student, suite="standard", margin=0.03, allow=("precision",), seed=7
        ),
        "verdict": Verdict.WORSE,
        "headline": "SmolLM2-135M-traces is worse than SmolLM2-135M-Instruct in instruction following and arithmetic; "
        "better in reasoning; equivalent within the margin in text editing; not enough evidence yet in 3 of 7 capabilities.",
        "base": side("SmolLM2-135M-Instruct"),
        "student": side("SmolLM2-135M-traces", adapter="sha256:" + "9f" * 32),
        "findings": findings(),
        "capabilities": CAPABILITIES,
        "tasks": tasks(),
        "tokens": tokens(),
        "items": items(),
        "environment": Environment(
            hydrometer="0.1.0",
            python="3.11.9",
            platform="linux x86_64",
            packages={"numpy": "2.3.1", "xllamacpp": "2026.10"},
            command="hydrometer audit models/base.gguf models/student.gguf",
        ),
        "evidence": "evidence.sqlite",
        "seconds": 754.2,
        **more,
    }
    return AuditResult(**values)  # type: ignore[arg-type]


def invalid() -> AuditResult:
    cause = "the two models would be asked in different formats: --template base renders both with the base's, --allow template audits each as it is downloaded"
    return sample(
        verdict=Verdict.INVALID,
        headline=f"Not comparable: template ({cause})",
        capabilities=(),
        tasks=(),
        tokens=(),
        items=(),
        findings=(
            *findings(),
            Finding(
                aspect="template",
                base="s2:aaaa",
                student="s2:bbbb",
                standing=Standing.UNDECLARED,
                message=cause,
            ),
        ),
    )
