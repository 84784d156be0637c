import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydrometer.canon import canonical_json, digest, digest_pair
from hydrometer.items import Decoding, Item, Message, Request


def test_golden_digests_never_change() -> None:
    """A change here orphans every stored answer: raise canon.TAG and migrate instead."""
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'
    assert digest({"a": 1}) == "s2:015abd7f5cc57a2dd94b7590f04ad808"


def test_not_a_number_has_no_identity() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest({"x": math.nan})


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_order_of_keys_does_not_matter(value: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


def test_every_field_of_a_request_is_part_of_its_identity() -> None:
    base = {"kind": "generate", "messages": (Message("user", "hi"),)}
    changes = [
        {"messages": (Message("user", "ho"),)},
        {"max_tokens": 7},
        {"decoding": Decoding(temperature=0.5)},
        {"thinking": "on"},
        {"seed": 1},
        {"method": "letters"},
        {"choices": ("a", "b")},
    ]
    digests = {Request(**{**base, **change}).digest for change in [{}, *changes]}  # type: ignore[arg-type]
    assert len(digests) == len(changes) + 1


def test_an_item_is_identified_by_content() -> None:
    first = Item(task="t", messages=(Message("user", "hi"),), answer=1)
    assert first.id == Item(task="t", messages=(Message("user", "hi"),), answer=1).id
    assert first.id != Item(task="t", messages=(Message("user", "hi"),), answer=2).id


def test_a_pair_of_digests_has_the_digest_of_their_list() -> None:
    one, other = digest("one"), digest("other")
    assert digest_pair(one, other) == digest([one, other])
