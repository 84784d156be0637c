"""Texts that tokenizers split in different ways: blanks, digits, cases, scripts, marks, code."""

from __future__ import annotations

from itertools import product

_WORDS = ("hello", "Hello", "HELLO", "naïve", "don't", "we'LL", "co-operate", "x86_64", "你好世界", "こんにちは")
_MORE = (
    "안녕하세요", "Привет", "مرحبا", "שלום", "नमस्ते", "สวัสดี", "Straße", "ﬁn", "e\u0301", "é", "🙂", "👩‍👩‍👧", "𝔘𝔫𝔦",
    "½", "²",
)  # fmt: skip
_NUMBERS = ("7", "42", "123", "1234", "12345678", "3.14159", "1,000,000", "1e-9", "0x1F", "٣٤٥", "2026-11-24", "50%")
_FRAMES = ("{}", " {}", "  {}", "{} ", "\n{}", "\t{}", "({})", "{0} {0}", "{}\n\n")
_LINES = (
    "", " ", "  ", "   \n", "\n\n\n", "\r\n", "\t\t", "\u00a0", "\u200b", "\ufeff",
    "def f(x):\n    return x ** 2\n", "if (a != b) { c[0] += 1; }", "SELECT * FROM t WHERE a='b';",
    "http://example.org/a?b=c&d=%20e#f", "name@example.org", "<b>bold</b>", "{\"a\": [1, 2.5, null]}",
    "$\\frac{a}{b} \\leq \\sum_{i=1}^{n} x_i$", "a\\nb", "...", "!!!???", "--- *** ___", "“quoted” ‘so’ — yes…",
    "<think>", "</think>", "<|im_start|>user", "[INST] hi [/INST]", "<0x0A>", "▁low▁line", "Ġblank",
    "THE QUICK BROWN FOX", "camelCaseAndPascalCase", "snake_case_and-kebab-case", "aaaaaaaaaaaaaaaaaaaa",
)  # fmt: skip

PROBES: tuple[str, ...] = tuple(
    dict.fromkeys(
        [frame.format(word) for word, frame in product((*_WORDS, *_MORE), _FRAMES[:6])]
        + [frame.format(number) for number, frame in product(_NUMBERS, _FRAMES[::4])]
        + list(_LINES)
    )
)
"""Some 220 texts."""
