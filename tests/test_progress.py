"""The live display: bars go on under their name, intervals are drawn to scale, nothing breaks without Unicode."""

import io

import pytest
from rich.console import Console

from hydrometer.cli import progress
from hydrometer.cli.progress import TerminalProgress
from hydrometer.progress import Sight

CLOSED = Sight("text_editing", 40, 400, -0.30, -0.45, -0.15, "worse")
OPEN = Sight("recall", 40, 400, 0.0, -0.10, 0.10, "open")


def shown(console: Console, bars: TerminalProgress) -> str:
    with console.capture() as captured:
        for part in bars._bars.get_renderables():
            console.print(part)
    return captured.get()


def test_a_label_that_comes_back_goes_on_with_its_bar() -> None:
    bars = TerminalProgress()
    bars.start("ask base", 10)
    bars.advance(3)
    bars.start("ask student", 10)
    bars.advance()
    bars.start("ask base", 12)
    bars.advance(2)
    assert [(t.description, t.completed, t.total) for t in bars._bars.tasks] == [
        ("ask base", 5, 12),
        ("ask student", 1, 10),
    ]


def test_what_stopped_early_does_not_look_unfinished() -> None:
    bars = TerminalProgress(Console(file=io.StringIO()))
    with bars:
        bars.start("ask base", 400)
        bars.advance(40)
        bars.look([OPEN])
    assert (bars._bars.tasks[0].completed, bars._bars.tasks[0].total) == (40, 40)
    assert bars._bars.sights == ()


@pytest.mark.parametrize(("encoding", "point", "rule"), [("utf-8", "●", "─"), ("ascii", "o", "-")])
def test_intervals_are_drawn_to_scale(encoding: str, point: str, rule: str) -> None:
    console = Console(width=120, file=io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    bars = TerminalProgress(console)
    bars.look([CLOSED, OPEN])
    lines = shown(console, bars).splitlines()
    closed, still = (next(line for line in lines if name in line) for name in ("text editing", "recall"))
    assert "-30.0 [-45.0, -15.0]" in closed
    assert closed.rstrip(" |").endswith("worse")
    assert closed.index(point) < still.index(point)
    # 20 of 60 points on 31 cells, around the point.
    assert 5 * rule + point + 5 * rule in still
    assert 6 * rule + point not in still
    assert "40/400" in still


def test_an_interval_beyond_the_scale_ends_at_its_edge() -> None:
    drawn = progress._draw(Sight("x", 1, 1, 0.0, -1.0, 1.0, "open"), plain=True)
    assert len(drawn) == progress._CELLS
    assert drawn == "-" * 15 + "o" + "-" * 15
