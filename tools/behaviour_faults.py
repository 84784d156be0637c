"""Planted faults of each kind at several strengths, made from a bank of phrases. All of it is synthetic."""

from __future__ import annotations

from collections.abc import Callable

from behaviour_grammar import ASKED_IN, CALLS, OTHER, TAGS, UNCOUNTED, Maker, Record, record, with_thinking

STRENGTHS = (0, 1, 2)
"""Weak, middle, strong: fewer or more repetitions, shorter or longer damage."""


def planted(maker: Maker, name: str, strength: int) -> Record:
    """Return one reply with the fault of that name."""
    made = maker.chance.choice(FAULTS[name])(maker, strength)
    return {**made, "kind": f"{name} {strength}"}


def _loop_cycle(m: Maker, strength: int) -> Record:
    cycle = m.pick("circles").strip() + m.chance.choice((" ", "\n", "\n\n"))
    times = (8, 15, 60)[strength]
    text = m.prose(m.chance.choice((100, 1500, 6000))) + "\n\n" + cycle * times
    return record(
        text[: -m.chance.randint(1, 20)],
        m.ask(),
        "loop",
        finish=m.chance.choice(("length", "length", "stop")),
    )


def _loop_word(m: Maker, strength: int) -> Record:
    word = m.chance.choice((m.chance.choice(m.nouns), m.thing(), "la", "haha", m.chance.choice(m.nouns)[:2]))
    text = (
        m.paragraph(3)
        + " "
        + (word + m.chance.choice((" ", ", ", ""))) * ((300, 600, 2000)[strength] // len(word))
    )
    return record(text, m.ask(), "loop", finish="length")


def _loop_paragraph(m: Maker, strength: int) -> Record:
    block = m.paragraph((3, 6, 12)[strength]) + "\n\n"
    return record(m.prose(800) + "\n\n" + block * (4 + strength), m.ask(), "loop", finish="length")


def _loop_near(m: Maker, strength: int) -> Record:
    """The same paragraph with one word changed each time."""
    words = m.paragraph(5).split()
    parts = []
    for _ in range((6, 9, 20)[strength]):
        copy = list(words)
        copy[m.chance.randrange(len(copy))] = m.chance.choice(m.nouns)
        parts.append(" ".join(copy))
    return record(m.prose(600) + "\n\n" + "\n\n".join(parts), m.ask(), "loop", finish="length")


def _loop_stall(m: Maker, strength: int) -> Record:
    """A handful of sentences in ever new order."""
    few = [m.sentence() for _ in range(6)] + m.bank.lines("circles")[:2]
    text = " ".join(m.chance.choice(few) for _ in range((60, 90, 250)[strength]))
    return record(
        m.prose(600) + "\n\n" + text, m.ask(), "loop", finish=m.chance.choice(("length", "length", "stop"))
    )


def _loop_counter(m: Maker, strength: int) -> Record:
    """The same sentences with a number that counts on."""
    one, two = m.pick("circles").strip(), m.sentence()
    text = "\n".join(f"Attempt {i}: {one} {two}" for i in range(1, (15, 30, 100)[strength]))
    return record(text, m.ask(), "loop", finish="length")


def _loop_thinking(m: Maker, strength: int) -> Record:
    thinking, _ = m.thinking(5)
    thinking += "\n" + (m.pick("circles").strip() + "\n\n") * (8, 20, 60)[strength]
    if m.chance.random() < 0.5:
        return with_thinking(
            thinking.rstrip(), "", "What was sold in all?", "loop", state="unclosed", finish="length"
        )
    return with_thinking(thinking.rstrip(), m.sentence(), "What was sold in all?", "loop")


def _loop_script(m: Maker, strength: int) -> Record:
    line = m.chance.choice(
        (
            "让我们再检查一遍这个问题。",
            "もう一度最初から考えてみましょう。",
            "Давайте ещё раз проверим это условие. ",
        )
    )
    asked = {"让": ASKED_IN["zh"], "も": ASKED_IN["ja"], "Д": ASKED_IN["ru"]}[line[0]]
    return record(line * (20, 40, 120)[strength], asked, "loop", finish="length")


def _eos(m: Maker, strength: int) -> Record:
    answer = m.paragraph(2)
    turn = m.chance.choice((
        "<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}", "\nuser\n{}\nassistant\n{}", "\n\nHuman: {}\n\nAssistant: {}",
        "<|endoftext|>{} {}", "<end_of_turn>\n<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n{}", "</s>[INST] {} [/INST] {}",
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>{}", "\n\nQuestion: {}\n\nAnswer: {}", "<turn|>\n<|turn>user\n{}<turn|>\n{}",
    ))  # fmt: skip
    text = answer + "".join(turn.format(m.ask(), m.sentence()) for _ in range((1, 3, 12)[strength]))
    return record(text, m.ask(), "eos_wrong", finish="length" if strength else "stop")


def _eos_same(m: Maker, strength: int) -> Record:
    """The same turn again and again: the missing end token is the cause, so it is no loop."""
    made = f"<|im_end|>\n<|im_start|>user\n{m.ask()}<|im_end|>\n<|im_start|>assistant\n{m.sentence()}"
    return record(m.paragraph(2) + made * (3, 8, 30)[strength], m.ask(), "eos_wrong", finish="length")


def _unclosed(m: Maker, strength: int) -> Record:
    return with_thinking(
        m.thinking(3 + 9 * strength)[0],
        "",
        "What was sold in all?",
        "think_unclosed",
        state="unclosed",
        may=("answer_in_thinking",),
        **_family(m),
    )


def _family(m: Maker) -> dict[str, str]:
    """The dialect of a reply, which is the one its template speaks."""
    family = m.chance.choice(tuple(TAGS))
    return {"dialect": family, "expected_dialect": family}


def _empty_think(m: Maker, strength: int) -> Record:
    return with_thinking("", m.paragraph(1 + strength), m.ask(), "think_empty", state="empty", **_family(m))


def _orphan(m: Maker, strength: int) -> Record:
    return with_thinking(m.thinking(2 + strength)[0], m.sentence(), m.ask(), "think_orphan", state="orphan", **_family(m))


def _leaked(m: Maker, strength: int) -> Record:
    tag = m.chance.choice(
        (
            "</think>",
            "<think>",
            "<thinking>",
            "</thinking>",
            "<channel|>",
            "<|channel>thought",
            "</reasoning>",
            "[/THINK]",
        )
    )
    return record(f"{m.paragraph(1 + strength)}\n{tag}\n{m.paragraph(1 + strength)}", m.ask(), "think_leaked")


def _inside(m: Maker, strength: int) -> Record:
    thinking, _ = m.thinking(2 + 6 * strength)
    answer = m.chance.choice(("", "", "Done.", "See above."))
    return with_thinking(
        thinking, answer, "What was sold in all?", "answer_in_thinking", may=("empty_reply",)
    )


def _call(m: Maker, strength: int) -> Record:
    noun, family = m.chance.choice(m.nouns), m.chance.choice(tuple(TAGS))
    call = m.chance.choice((
        CALLS[family].replace("NOUN", noun), f'<tool_call>\n{{"name": "find_{noun}", "arguments": {{"id": 3}}}}\n</tool_call>',
        f'<function=find_{noun}>\n<parameter=id>3</parameter>\n</function>', f'{{"name": "find_{noun}", "arguments": {{"id": 3}}}}',
        f'<|python_tag|>{{"name": "find_{noun}", "parameters": {{"id": 3}}}}',
    ))  # fmt: skip
    thinking = f"{m.paragraph(1 + 3 * strength)}\n{call}\n{m.sentence()}"
    return with_thinking(
        thinking, m.sentence(), m.ask(), "tool_call_in_thinking", tools=True, dialect=family, expected_dialect=family
    )


def _dialect(m: Maker, strength: int) -> Record:
    mine, its = m.chance.choice((("qwen", "gemma"), ("gemma", "qwen"), ("qwen", "none"), ("mistral", "qwen"), ("qwen", "mistral")))
    return with_thinking(
        m.paragraph(2 + strength), m.sentence(), m.ask(), "wrong_dialect", dialect=mine, expected_dialect=its
    )


def _contradiction(m: Maker, strength: int) -> Record:
    thinking, total = m.thinking(2 + 4 * strength)
    said = m.chance.choice(("The answer is **{}**.", "Final answer: {}", "\\boxed{{{}}}")).format(
        total + m.chance.randint(20, 99) * (strength + 1)
    )
    return with_thinking(thinking, said, "What was sold in all?", "think_answer_contradiction")


def _nothing(m: Maker, strength: int) -> Record:
    return record(("", " \n", "\n\n\u200b\n")[strength], m.ask(), "empty_reply")


def _gave_up(m: Maker, strength: int) -> Record:
    text = "\n".join(f"{i}. {m.thing()}" for i in range(1, (30, 12, 4)[strength]))
    return record(f"{text}\n\n{m.pick('give_ups')}", m.chance.choice(UNCOUNTED), "gave_up")


def _too_few(m: Maker, strength: int) -> Record:
    text = "\n".join(f"{i}. {m.thing()}" for i in range(1, (40, 20, 8)[strength]))
    return record(f"{text}\n\n{m.pick('near_give_ups')}", "List all 100 entries of the register.", "gave_up")


def _elided(m: Maker, strength: int) -> Record:
    rest = m.chance.choice(("# ... rest of the code", "# remaining functions here", "# your code here"))
    return record(f"```python\n{m.python(3 - strength)}\n{rest}\n```", "Write the whole module.", "gave_up")


def _few_words(m: Maker, strength: int) -> Record:
    return record(m.paragraph(3 - strength), f"Write an essay of 1500 words about {m.thing()}.", "gave_up")


def _unknown(m: Maker, strength: int) -> Record:
    return record(
        f"{m.pick('unknowns')} {m.paragraph(2 - strength)}".strip(),
        "Who was the third mayor?",
        "says_unknown",
        may=("refusal",),
    )


def _refusal(m: Maker, strength: int) -> Record:
    behind = (
        "",
        " Please ask me something else.",
        " If there is another topic, I would be glad to talk about it.",
    )[strength]
    return record(m.pick("refusals") + behind, "Please do it anyway.", "refusal", may=("says_unknown",))


def _language(m: Maker, strength: int) -> Record:
    other = OTHER[m.chance.choice(tuple(OTHER))]
    head = ("", m.paragraph(2) + "\n\n", m.prose(600) + "\n\n")[2 - strength]
    return record(head + other, m.ask(), "language_switch")


def _mixed(m: Maker, strength: int) -> Record:
    words = m.paragraph(6).split()
    for _ in range(3 + 4 * strength):
        words.insert(
            m.chance.randrange(len(words)), m.chance.choice(("但是", "所以", "结果", "问题", "首先"))
        )
    return record(" ".join(words), m.ask(), "language_switch")


def _one_space(m: Maker, strength: int) -> Record:
    return record(
        f"```python\n{m.python(1 + strength, unit=' ')}```", "Write some functions.", "code_corruption"
    )


def _shifted(m: Maker, strength: int) -> Record:
    body = "\n".join(f" {line}" for line in m.python(1 + strength).splitlines())
    return record(f"```python\n{body}\n```", "Write some functions.", "code_corruption")


def _unindented(m: Maker, strength: int) -> Record:
    lines = m.python(1 + strength).splitlines()
    lines[4] = lines[4].lstrip()
    return record("```python\n" + "\n".join(lines) + "\n```", "Write some functions.", "code_corruption")


def _open_fence(m: Maker, strength: int) -> Record:
    return record(
        f"{m.sentence()}\n\n```python\n{m.python(1 + strength)}\n",
        "Write some functions.",
        "fence_corruption",
    )


def _json(m: Maker, strength: int) -> Record:
    texts = [
        f'{{"name": "{m.thing()}", "count": {m.chance.randint(1, 99)}, "tags": ["a", "b"], "ok": true}}'
        for _ in range(1 + 4 * strength)
    ]
    rows = "[\n" + ",\n".join(texts) + "\n]"
    broken = m.chance.choice(
        (
            rows[:-8],
            rows[:-1] + ",]",
            rows.replace('"', "'"),
            rows.replace("true", "True"),
            rows.replace(', "count"', ' "count"'),
        )
    )
    return record(
        m.chance.choice((broken, f"```json\n{broken}\n```")), "Answer in JSON only.", "json_corruption"
    )


def _escapes(m: Maker, strength: int) -> Record:
    return record(
        "\\n\\n".join(m.paragraph(2).capitalize() for _ in range(4 + 4 * strength)),
        m.ask(),
        "escape_corruption",
    )


def _identity(m: Maker, strength: int) -> Record:
    return record(m.pick("identities") + " " + m.paragraph(strength), "Who are you?", "identity_claim")


def _thinks_off(m: Maker, strength: int) -> Record:
    state = m.chance.choice(("closed", "closed", "orphan", "unclosed"))
    thinking, made = m.thinking(1 + 3 * strength)[0], ("think_orphan", "think_unclosed", "answer_in_thinking")
    answer = "" if state == "unclosed" else m.sentence()
    return with_thinking(thinking, answer, m.ask(), "thinks_when_off", state=state, mode="off", may=made)


def _silent_on(m: Maker, strength: int) -> Record:
    if strength == 0:
        return with_thinking(
            "", m.paragraph(2), m.ask(), "no_thinking_when_on", state="empty", mode="on", may=("think_empty",)
        )
    return record(m.prose((0, 300, 2000)[strength]), m.ask(), "no_thinking_when_on", mode="on")


FAULTS: dict[str, tuple[Callable[[Maker, int], Record], ...]] = {
    "loop": (_loop_cycle, _loop_word, _loop_paragraph, _loop_near, _loop_stall, _loop_counter, _loop_thinking, _loop_script),
    "eos_wrong": (_eos, _eos, _eos_same), "think_unclosed": (_unclosed,), "think_empty": (_empty_think,), "think_orphan": (_orphan,),
    "think_leaked": (_leaked,), "answer_in_thinking": (_inside,), "tool_call_in_thinking": (_call,), "wrong_dialect": (_dialect,),
    "think_answer_contradiction": (_contradiction,), "empty_reply": (_nothing,), "gave_up": (_gave_up, _gave_up, _too_few, _elided, _few_words),
    "says_unknown": (_unknown,), "refusal": (_refusal,), "language_switch": (_language, _mixed), "code_corruption": (_one_space, _shifted, _unindented),
    "fence_corruption": (_open_fence,), "json_corruption": (_json,), "escape_corruption": (_escapes,), "identity_claim": (_identity,),
    "thinks_when_off": (_thinks_off,), "no_thinking_when_on": (_silent_on,),
}  # fmt: skip
