"""Lower case that keeps every place, for what is found in it is cut out of the text itself."""

import sys

from hydrometer.letters import letters, lowered


def test_every_character_keeps_its_place() -> None:
    text = "".join(map(chr, range(sys.maxunicode + 1)))
    low = lowered(text)
    assert len(low) == len(text)
    assert low[ord("A") : ord("Z") + 1] == "abcdefghijklmnopqrstuvwxyz"
    assert lowered("\u0130ch kann NICHT") == "ich kann nicht"


def test_letters_are_counted_alike_in_ascii_and_elsewhere() -> None:
    assert letters("".join(map(chr, range(128)))) == 52
    assert letters("Ab 1_-zé") == 4
    assert letters("") == 0
