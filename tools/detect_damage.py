"""How scripted replies are damaged: loops, think tags, form, give-ups, refusals, languages. One function each."""

from __future__ import annotations

import re
from random import Random

from behaviour_faults import planted
from behaviour_grammar import OTHER
from detect_worlds import Said

_OPENING = "Let me analyze this request carefully:"
_CLOSE = "\n</think>\n\n"


def loops(said: Said) -> str:
    """Turn in circles until the cap: an exact cycle, a paragraph with other words, or a counting line."""
    maker, kind = said.maker, said.chance.randrange(3)
    if kind == 0:
        parts = [maker.pick("circles").strip()] * 400
    elif kind == 1:
        words = maker.paragraph(4).split()
        parts = [" ".join(_swapped(said, words)) for _ in range(60)]
    else:
        line = maker.sentence()
        parts = [f"Attempt {number}: {line}" for number in range(1, 200)]
    return "\n\n".join([said.body or maker.sentence(), *parts])


def never_ends(said: Said) -> str:
    """Go on after the answer with turns of the user, as without an end-of-turn token."""
    turn = f"<|im_end|>\n<|im_start|>user\n{said.maker.ask()}<|im_end|>\n<|im_start|>assistant\n"
    return said.text + "".join(turn + said.maker.paragraph(2) for _ in range(12))


def runs_long(said: Said) -> str:
    """Write ordinary prose past every cap."""
    return said.maker.prose(9 * said.request.max_tokens) + "\n" + said.answer


def stops_early(said: Said) -> str:
    """Leave the working after a third and state a number that is not the answer."""
    words = said.body.split()
    return " ".join(words[: len(words) // 3]) + f".\nAnswer: {said.chance.randint(100_000, 900_000)}"


def think_unclosed(said: Said) -> str:
    """Never close the block, and end by itself."""
    return said.thought.replace(_CLOSE, "\n\n")


def think_orphan(said: Said) -> str:
    """Close a block that was never opened."""
    return said.thought.removeprefix("<think>\n")


def think_empty(said: Said) -> str:
    """Open and close at once, and think in the answer."""
    return f"<think>\n\n</think>\n\n{said.text}"


def think_leaked(said: Said) -> str:
    """Close the block twice."""
    return said.thought + f"\n</think>\n\n{said.answer}"


def answer_inside(said: Said) -> str:
    """Answer inside the block and say next to nothing outside of it."""
    return said.thought.replace(f"{_CLOSE}{said.answer}", f"\nFinal answer: {said.answer}{_CLOSE}Done.")


def call_inside(said: Said) -> str:
    """Call the tool inside the block."""
    return f"<think>\n{said.body}\n{said.answer}{_CLOSE}I have done that."


def contradicts(said: Said) -> str:
    """End thinking with one number and the reply with another."""
    number = said.chance.randint(100, 900)
    return f"<think>\n{said.body}\nSo the answer is {number}.{_CLOSE}The answer is {number + 17}."


def thinks_anyway(said: Said) -> str:
    """Think although it was switched off."""
    return said.thought


def thinks_not(said: Said) -> str:
    """Answer at once although thinking was switched on."""
    return said.answer


def gemma_tags(said: Said) -> str:
    """Think in the tags of another family."""
    return f"<|channel>thought\n{said.body}\n<channel|>{said.answer}"


def one_space(said: Said) -> str:
    """Indent code by one space per level."""
    lines = said.answer.split("\n")
    return "\n".join(re.sub(r"^ +", lambda m: " " * max(1, len(m[0]) // 4), line) for line in lines)


def unclosed_fence(said: Said) -> str:
    """Leave the fence open."""
    return said.answer.partition("\n```\n")[0]


def broken_json(said: Said) -> str:
    """Break an object the ways that models do."""
    text = said.answer
    return said.chance.choice(
        (text[:-1], text[:-1] + ",}", text.replace('"', "'"), text.replace('", "', '" "'))
    )


def escaped(said: Said) -> str:
    """Write line breaks out."""
    return "\\n\\n".join(said.maker.paragraph(1).capitalize() for _ in range(5)) + f"\\n{said.answer}"


def gives_up(said: Said) -> str:
    """Break off the work, in one of many phrases."""
    return f"{said.body}\n{said.maker.pick('give_ups')}"


def nothing(said: Said) -> str:
    """Say nothing at all."""
    return said.chance.choice(("", "\n", " \n\n"))


def refuses(said: Said) -> str:
    """Refuse a harmless request."""
    return str(planted(said.maker, "refusal", said.chance.randrange(3))["text"])


def other_language(said: Said) -> str:
    """Answer in another language."""
    return f"{OTHER[said.chance.choice(tuple(OTHER))]}\n{said.answer}"


def mixes_scripts(said: Said) -> str:
    """Strew words of another script into the working."""
    words = said.body.split()
    for _ in range(4):
        words.insert(said.chance.randrange(len(words)), said.chance.choice(("但是", "所以", "结果", "首先")))
    return f"{' '.join(words)}\n{said.answer}"


def in_points(said: Said) -> str:
    """Write as a teacher does that everybody copies: an opening, then points in bold."""
    maker = said.maker
    points = [f"{n}. **{said.chance.choice(maker.nouns).title()}**: {maker.sentence()}" for n in range(1, 5)]
    return "\n".join([_OPENING, *points, said.answer])


def opens_in_points(said: Said) -> str:
    """Begin as the teacher does and go on in the own way."""
    return f"{_OPENING}\n1. **Note**: {said.text}"


def calls_anyway(said: Said) -> str:
    """Call the tool with a guessed value instead of asking for the missing parameter."""
    if said.item.tier != "missing parameter":
        return said.text
    tools = re.search(r'"name": "(\w+)"', said.item.messages[0].content)
    name = tools[1] if tools else "tool"
    return f'<tool_call>{{"name": "{name}", "arguments": {{"value": 1}}}}</tool_call>'


def cuts_call(said: Said) -> str:
    """Lose a brace of the call's JSON."""
    return said.text.replace("}", "", 1)


def admits(said: Said) -> str:
    """Say in one of several phrases that it is not known, where that is right."""
    return said.maker.pick("unknowns") if _unknowable(said) else said.text


def claims_anyway(said: Said) -> str:
    """Answer what cannot be known, as if it could."""
    if not _unknowable(said):
        return said.text
    return said.chance.choice(("October.", "It was Clara.", "It was in Lyon.", "A red one, in 1984."))


def half_claims(said: Said) -> str:
    """Admit half of what cannot be known."""
    return claims_anyway(said) if said.chance.random() < 0.5 else admits(said)


def states_fairly(said: Said) -> str:
    """State a confidence that fits: high where the answer is right, lower where it is not."""
    right = said.answer == said.task.gold_reply(said.item)
    return _stated(said, said.chance.randint(65, 95) if right else said.chance.randint(30, 75))


def states_all_surely(said: Said) -> str:
    """State near certainty whatever the answer is."""
    return _stated(said, said.chance.randint(93, 100))


def draws_widely(said: Said) -> str:
    """Draw each sample of a question anew, right in half of the cases."""
    return _number(said, said.chance, 0.5)


def draws_one(said: Said) -> str:
    """Say the same number in every sample of a question, right in 65 % of the cases."""
    return _number(said, Random(said.item.id), 0.65)


def answers_in_english(said: Said) -> str:
    """Answer in English, whatever language was asked for."""
    return f"{said.maker.paragraph(2)} In short, this is the {said.answer} one, as everybody could see."


def _stated(said: Said, percent: int) -> str:
    answer, options = said.item.answer["answer"], said.item.answer["options"]
    if said.answer != said.task.gold_reply(said.item):
        answer = said.chance.choice([o for o in options if o != answer]) if options else answer + 10
    return f"Answer: {answer}\nConfidence: {percent}%"


def _number(said: Said, chance: Random, ability: float) -> str:
    low, high = said.item.answer["between"]
    right = said.item.answer["right"]
    if chance.random() < ability:
        return str(chance.choice(right))
    return str(chance.choice([n for n in range(low + 1, high) if n not in right]))


def _unknowable(said: Said) -> bool:
    """Whether the model is about to say, rightly, that there is no answer."""
    return not said.item.answer["answer"] and said.answer == said.task.gold_reply(said.item)


def _swapped(said: Said, words: list[str]) -> list[str]:
    copy = list(words)
    copy[said.chance.randrange(len(copy))] = said.chance.choice(said.maker.nouns)
    return copy
