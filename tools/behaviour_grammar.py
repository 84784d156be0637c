"""Ordinary replies and planted faults, made from a bank of phrases and a seed. All of it is synthetic."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from behaviour_phrases import Bank

Record = dict[str, Any]

OTHER = {
    "de": "Der Müller ging am frühen Morgen zum Fluss, weil das Rad seit Tagen stillstand. Dort fand er einen Ast, der zwischen "
    "den Schaufeln klemmte, und zog ihn mit viel Mühe heraus. Danach lief die Mühle wieder, und am Abend gab es frisches Brot.",
    "fr": "Le meunier se rendit tôt le matin à la rivière, car la roue ne tournait plus depuis plusieurs jours. Il y trouva une "
    "branche coincée entre les pales et la retira avec peine. Ensuite le moulin se remit en marche, et le soir il y eut du pain.",
    "es": "El molinero fue temprano por la mañana al río, porque la rueda llevaba días parada. Allí encontró una rama atrapada "
    "entre las palas y la sacó con mucho esfuerzo. Después el molino volvió a funcionar y por la noche hubo pan fresco.",
    "ru": "Рано утром мельник пошёл к реке, потому что колесо уже несколько дней стояло. Там он нашёл ветку, застрявшую между "
    "лопастями, и с трудом вытащил её. Потом мельница снова заработала, и вечером был свежий хлеб.",
    "zh": "磨坊主一大早就去了河边，因为水轮已经停了好几天。他在那里发现一根树枝卡在叶片之间，费了很大力气才把它拔出来。之后磨坊又转了起来，晚上大家吃到了新鲜的面包。",
    "ja": "粉屋は朝早く川へ行きました。水車が何日も止まっていたからです。そこで羽根の間に挟まった枝を見つけ、苦労して引き抜きました。そのあと水車はまた回り、夜には焼きたてのパンがありました。",
}
ASKED_IN = {
    "de": "Erzähle mir bitte eine kurze Geschichte über einen Müller.", "fr": "Raconte-moi une courte histoire sur un meunier, s'il te plaît.",
    "es": "Cuéntame por favor una historia corta sobre un molinero.", "ru": "Расскажи мне, пожалуйста, короткую историю о мельнике.",
    "zh": "请给我讲一个关于磨坊主的小故事。", "ja": "粉屋についての短い話をしてください。",
}  # fmt: skip

TAGS = {
    "qwen": ("<think>\n", "\n</think>\n\n"), "gemma": ("<|channel>thought\n", "<channel|>"), "mistral": ("[THINK]", "[/THINK]"),
}  # fmt: skip
CALLS = {
    "qwen": "<tool_call>\n<function=find_NOUN>\n<parameter=id>\n3\n</parameter>\n</function>\n</tool_call>",
    "gemma": '<|tool_call>call:find_NOUN{id:3,name:<|"|>NOUN<|"|>}<tool_call|>',
    "mistral": '[TOOL_CALLS]find_NOUN[ARGS]{"id": 3}',
}
UNCOUNTED = ("List every entry of the register.", "Write out the whole register.", "Give me all names in the register.")


class Maker:
    """Makes replies from one bank and one stream of chance."""

    def __init__(self, bank: Bank, chance: random.Random) -> None:
        self.bank = bank
        self.chance = chance
        self.nouns, self.verbs = bank.words("nouns"), bank.words("verbs")
        self.adjectives, self.topics = bank.words("adjectives"), bank.lines("topics")

    def pick(self, field: str) -> str:
        """Return one phrase of a field."""
        return self.chance.choice(self.bank.lines(field))

    def thing(self) -> str:
        """Return a noun with an adjective or without."""
        noun = self.chance.choice(self.nouns)
        return f"{self.chance.choice(self.adjectives)} {noun}" if self.chance.random() < 0.6 else noun

    def sentence(self) -> str:
        """Return one sentence of prose."""
        c = self.chance
        core = f"the {self.thing()} {c.choice(self.verbs)} the {self.thing()}"
        if c.random() < 0.6:
            core += f" {c.choice(('near', 'behind', 'without', 'after', 'beside', 'because of', 'thanks to'))} a {self.thing()}"
        if c.random() < 0.4:
            core += f", {c.choice(('and', 'but', 'while', 'so', 'although'))} nobody {c.choice(self.verbs)} its {c.choice(self.nouns)}"
        if c.random() < 0.3:
            return f"{self.pick('links')} {core}."
        return core[0].upper() + core[1:] + "."

    def paragraph(self, sentences: int) -> str:
        """Return sentences in a row."""
        return " ".join(self.sentence() for _ in range(sentences))

    def prose(self, characters: int) -> str:
        """Return paragraphs of at least so many characters."""
        parts: list[str] = []
        while sum(map(len, parts)) < characters:
            parts.append(self.paragraph(self.chance.randint(2, 6)))
        return "\n\n".join(parts)

    def ask(self) -> str:
        """Return an ordinary request."""
        return f"{self.chance.choice(('Tell me about', 'Write about', 'Explain'))} {self.chance.choice(self.topics)}."

    def python(self, functions: int, *, unit: str = "    ") -> str:
        """Return Python code with the given indentation."""
        c, lines = self.chance, ["import math", ""]
        for _ in range(functions):
            a, b = c.sample(self.nouns, 2)
            lines += [
                f"def {a}_{b}({a}, {b}=0):", f'{unit}"""Return what the {a} and the {b} make."""', f"{unit}total = {c.randint(0, 99)}",
                f"{unit}for value in {a}:", f"{unit * 2}if value > {c.randint(1, 99)}:", f"{unit * 3}total += value * {b}",
                f"{unit * 2}else:", f"{unit * 3}total -= math.floor(value)", f"{unit}return total", "",
            ]  # fmt: skip
        return "\n".join(lines)

    def thinking(self, steps: int) -> tuple[str, int]:
        """Return a trace with the natural coming back to what was said, and its result."""
        c, lines, total = self.chance, ["Okay, so I need to add up what was sold."], 0
        for number in range(1, steps + 1):
            price, count = c.randint(2, 40), c.randint(2, 40)
            total += price * count
            lines.append(
                f"Item {number}: {count} of the {self.thing()} at {price} each, {count} * {price} = {count * price}, so the sum is {total}."
            )
            if c.random() < 0.35:
                lines.append(
                    f"{self.pick('doubts')} {count} times {price} is {count * price}. Yes, the sum so far is {total}."
                )
            if c.random() < 0.2:
                lines.append(self.sentence())
        lines.append(f"So the final answer is {total}.")
        return "\n".join(lines), total


def record(
    text: str, asked: str, *must: str, may: tuple[str, ...] = (), kind: str = "", **fields: Any
) -> Record:
    """Return one labelled reply: `must` shows, `may` can show too."""
    return {"text": text, "asked": asked, "must": sorted(must), "may": sorted(may), "kind": kind, **fields}


def with_thinking(
    thinking: str, answer: str, asked: str, *must: str, state: str = "closed", **fields: Any
) -> Record:
    """Return a reply that thinks first."""
    dialect = fields.pop("dialect", "qwen")
    opening, closing = TAGS[dialect]
    text = (
        (opening if state != "orphan" else "") + thinking + ("" if state == "unclosed" else closing) + answer
    )
    fields = {"expected_dialect": "qwen", **fields}
    return record(
        text, asked, *must, thinking=thinking, answer=answer, think_state=state, dialect=dialect, **fields
    )


def ordinary(maker: Maker) -> Record:
    """Return one reply without a fault, in one of many styles; most are long."""
    style = maker.chance.choice(tuple(ORDINARY))
    made = ORDINARY[style](maker)
    # A reply is ordinary if it thinks exactly where it was told to.
    return {**made, "kind": style, "mode": "on" if made.get("thinking") else "off"}


def _prose(m: Maker) -> Record:
    return record(m.prose(m.chance.choice((300, 2000, 6000, 20000))), m.ask())


def _essay(m: Maker) -> Record:
    parts = [f"## {m.thing().title()}\n\n{m.prose(700)}" for _ in range(m.chance.randint(3, 7))]
    return record("\n\n".join([*parts, "## Conclusion", m.paragraph(3)]), m.ask())


def _table(m: Maker) -> Record:
    rows = [
        f"| {m.thing()} | {m.chance.randint(1, 99)} | {m.chance.choice(('yes', 'no', 'n/a'))} | 0 | 0 |"
        for _ in range(m.chance.randint(5, 60))
    ]
    return record(
        "Here is the table.\n\n| name | count | sold | left | right |\n| --- | --- | --- | --- | --- |\n"
        + "\n".join(rows),
        "Make a table.",
    )


def _bullets(m: Maker) -> Record:
    return record(
        "\n".join(f"- **{m.thing().title()}**: {m.sentence()}" for _ in range(m.chance.randint(5, 40))),
        m.ask(),
    )


def _numbered(m: Maker) -> Record:
    items = [f"{i}. The {m.thing()} is part of the set." for i in range(1, m.chance.randint(10, 60))]
    return record("\n".join(items), "List the parts.")


def _code(m: Maker) -> Record:
    text = f"Here is the code.\n\n```python\n{m.python(m.chance.randint(1, 8))}```\n\n{m.paragraph(2)}"
    return record(text, "Write some functions.")


def _script(m: Maker) -> Record:
    body = "\n".join(
        f'  <li class="{m.chance.choice(m.nouns)}"><a href="#">{m.thing()}</a></li>' for _ in range(30)
    )
    return record(f"```html\n<ul>\n{body}\n</ul>\n```", "Write a menu in HTML.")


def _matrix(_: Maker) -> Record:
    rows = ",\n".join("    [" + ", ".join("0" for _ in range(20)) + "]" for _ in range(20))
    return record(
        f"```python\nboard = [\n{rows},\n]\n```\n\nEach cell starts at zero.", "Give me an empty board."
    )


def _json(m: Maker) -> Record:
    rows = [
        {"name": m.thing(), "count": m.chance.randint(1, 99), "tags": [], "note": None, "ok": True}
        for _ in range(m.chance.randint(1, 40))
    ]
    text = json.dumps(rows, indent=m.chance.choice((None, 2)))
    return record(m.chance.choice((text, f"```json\n{text}\n```")), "Answer in JSON only.")


def _poem(m: Maker) -> Record:
    refrain = f"Oh, {m.thing()}, come home with me,\nthe {m.thing()} waits beside the sea."
    verses = [
        f"The {m.thing()} {m.chance.choice(m.verbs)} the {m.thing()},\nand every {m.thing()} sings.\n{refrain}"
        for _ in range(m.chance.randint(3, 7))
    ]
    return record("\n\n".join(verses), "Write a poem.")


def _log(m: Maker) -> Record:
    lines = [
        f"2024-03-0{m.chance.randint(1, 9)} 10:{i % 60:02d}:{m.chance.randint(10, 59)} INFO {m.chance.choice(m.nouns)} request handled in {m.chance.randint(1, 90)} ms"
        for i in range(80)
    ]
    return record("\n".join(lines), "Show a sample of the log.")


def _math(m: Maker) -> Record:
    lines, value = [], m.chance.randint(2, 9)
    for step in range(1, m.chance.randint(5, 40)):
        other = m.chance.randint(2, 9)
        lines.append(
            f"Step {step}: {value} + {other} = {value + other}, and $x_{{{step}}} = \\frac{{{value}}}{{{other}}}$."
        )
        value += other
    return record(
        "\n".join([*lines, f"The answer is \\boxed{{{value}}}."]), "Add these numbers step by step."
    )


def _count(m: Maker) -> Record:
    start = m.chance.randint(1, 50)
    return record(", ".join(str(start + i) for i in range(m.chance.randint(50, 600))), "Count up.")


def _times(m: Maker) -> Record:
    a = m.chance.randint(2, 12)
    return record(
        "\n".join(f"{a} x {i} = {a * i}" for i in range(1, m.chance.randint(11, 100))),
        f"Show products of {a}.",
    )


def _wanted(m: Maker) -> Record:
    number, line = m.chance.choice((10, 20, 50, 100)), m.sentence()
    return record("\n".join([line] * number), f"Write this sentence {number} times: {line}")


def _copied(m: Maker) -> Record:
    text = "\n".join([m.sentence()] * 6 + [m.sentence()])
    return record(text, f"Give this back as it is:\n{text}")


def _dialogue(m: Maker) -> Record:
    turns = [f"{('User', 'Assistant')[i % 2]}: {m.sentence()}" for i in range(m.chance.randint(6, 30))]
    return record("\n\n".join(["Here it is.", *turns]), "Write a dialogue between a user and an assistant.")


def _quiz(m: Maker) -> Record:
    items = [f"Question {i}: What does the {m.thing()} do?\nAnswer: {m.sentence()}" for i in range(1, 9)]
    return record(
        "\n\n".join(["Here are the questions.", *items]), "Write eight quiz questions with answers."
    )


def _thought(m: Maker) -> Record:
    thinking, total = m.thinking(m.chance.randint(3, 60))
    return with_thinking(thinking, f"{m.sentence()} The answer is **{total}**.", "What was sold in all?")


def _families(m: Maker) -> Record:
    thinking, total = m.thinking(m.chance.randint(3, 20))
    family = m.chance.choice(("gemma", "mistral"))
    return with_thinking(
        thinking, f"The total is {total}.", "What was sold in all?", dialect=family, expected_dialect=family
    )


def _calls(m: Maker) -> Record:
    """A tool called in a family's own form, behind thinking that only speaks of it."""
    noun, family = m.chance.choice(m.nouns), m.chance.choice(tuple(TAGS))
    thinking = f"{m.paragraph(2)} I need find_{noun} for this, with the id 3."
    call = CALLS[family].replace("NOUN", noun)
    return with_thinking(thinking, call, m.ask(), dialect=family, expected_dialect=family, tools=True)


def _about_tags(m: Maker) -> Record:
    text = f"Models open a block with `<think>` and close it with `</think>`; the turn ends with `<|im_end|>`. {m.paragraph(4)}\n\n```\n<|im_start|>user\nHello<|im_end|>\n```"
    return record(text, "How do chat templates mark turns?")


def _language(m: Maker) -> Record:
    code = m.chance.choice(tuple(OTHER))
    return record(OTHER[code], ASKED_IN[code])


def _translated(m: Maker) -> Record:
    code, name = m.chance.choice(
        (
            ("de", "German"),
            ("fr", "French"),
            ("es", "Spanish"),
            ("ru", "Russian"),
            ("zh", "Chinese"),
            ("ja", "Japanese"),
        )
    )
    return record(OTHER[code], f"Tell me a short story about a miller, in {name}.")


def _quoted(m: Maker) -> Record:
    text = f'{m.paragraph(3)} The sign says "Der Müller ist heute nicht zu Hause" (in German), and the older one reads 「水車小屋」. {m.paragraph(4)}'
    return record(text, m.ask())


def _names(m: Maker) -> Record:
    names = "Wolfgang Amadeus Mozart, Johann Sebastian Bach, Giuseppe Verdi, Claude Debussy, Dmitri Shostakovich, Antonín Dvořák, Jean Sibelius"
    return record(
        f"{m.paragraph(2)}\n\n{names}\n\n" + "\n".join(f"- {n}" for n in names.split(", ")), "Name composers."
    )


def _near_refusal(m: Maker) -> Record:
    return record(f"{m.pick('near_refusals')} {m.paragraph(m.chance.randint(0, 8))}", m.ask())


def _near_give_up(m: Maker) -> Record:
    """A list given whole, with a last sentence that speaks of lists, rests and limits."""
    number = m.chance.randint(8, 60)
    text = "\n".join(f"{i}. {m.thing()}" for i in range(1, number + 1))
    asked = m.chance.choice((f"List all {number} entries of the register.", *UNCOUNTED))
    return record(f"{text}\n\n{m.pick('near_give_ups')}", asked)


def _short(m: Maker) -> Record:
    return record(
        m.chance.choice(("42", "B", "Yes.", "Paris", "The answer is 7.", m.sentence())), "Answer briefly."
    )


def _cut(m: Maker) -> Record:
    text = m.prose(4000)
    return record(text[: m.chance.randint(2000, 4000)], m.ask(), finish="length")


ORDINARY: dict[str, Callable[[Maker], Record]] = {
    "prose": _prose, "essay": _essay, "table": _table, "bullets": _bullets, "numbered": _numbered, "code": _code,
    "html": _script, "matrix": _matrix, "json": _json, "poem": _poem, "log": _log, "math": _math, "counting": _count,
    "products": _times, "repetition asked": _wanted, "copy": _copied, "dialogue": _dialogue, "quiz": _quiz,
    "thinking": _thought, "thinking of others": _families, "tool calls": _calls, "about tags": _about_tags, "other language": _language,
    "language asked": _translated, "quotations": _quoted, "names": _names, "near refusal": _near_refusal,
    "near give-up": _near_give_up, "short": _short, "cut": _cut,
}  # fmt: skip
