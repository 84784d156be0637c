"""How many calls may be in flight at an address."""

from __future__ import annotations

import asyncio

from hydrometer.engines.http_client import _Gate


async def _in_flight(gate: _Gate, wanted: int) -> int:
    """Calls that get in while nobody leaves."""
    calls = [asyncio.create_task(gate.enter()) for _ in range(wanted)]
    await asyncio.sleep(0.01)
    inside = [call for call in calls if call.done()]
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    return len(inside)


def test_the_gate_opens_at_the_users_number_and_no_further() -> None:
    async def run() -> int:
        return await _in_flight(_Gate(6), 20)

    assert asyncio.run(run()) == 6


def test_a_crowd_halves_it_once_however_many_calls_tell_of_it() -> None:
    async def run() -> int:
        gate = _Gate(16)
        epoch = gate.epoch
        for _ in range(5):
            gate.adapt("crowded", epoch)
        return await _in_flight(gate, 20)

    assert asyncio.run(run()) == 8


def test_a_second_crowd_halves_it_again_and_one_call_always_passes() -> None:
    async def run() -> list[float]:
        found = []
        gate = _Gate(4)
        for _ in range(4):
            gate.adapt("crowded", gate.epoch)
            found.append(gate._room.total_tokens)
        return found

    assert asyncio.run(run()) == [2, 1, 1, 1]


def test_answers_widen_it_by_one_a_round_up_to_the_users_number() -> None:
    async def run() -> list[float]:
        gate, found = _Gate(8), []
        gate.adapt("crowded", gate.epoch)
        for _ in range(12):
            for _ in range(8):
                gate.adapt("answered", gate.epoch)
            found.append(gate._room.total_tokens)
        return found

    widths = asyncio.run(run())
    assert widths == sorted(widths)
    assert 5 <= widths[0] <= 6
    assert widths[-1] == 8
