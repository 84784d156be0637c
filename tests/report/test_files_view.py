"""What the files say, on the page: every text escaped, what was not read said in one line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sample

from hydrometer.checkpoint.weightmap import WeightCell
from hydrometer.files import FilesFound, Question
from hydrometer.report.html import render_html
from hydrometer.report.weightmap_view import build_map


def test_names_in_files_stay_text() -> None:
    question = Question(name="<b>odd", answer="contradicted", text="<script>x</script>")
    page = render_html(replace(sample.sample(), files=FilesFound(questions=(question,), notes=("<i>n</i>",))))
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page
    assert "<i>n" not in page
    skipped = render_html(replace(sample.sample(), files=FilesFound(skipped="<u>no</u>")))
    assert "Not read: &lt;u&gt;no" in skipped


def cell(role: str, layer: int, relative: float, **more: Any) -> WeightCell:
    plain: dict[str, Any] = {"group": "text", "weights": 1, "moved": int(relative > 0), "changed": 0.5}
    plain |= {"share": relative, "size": 0.1, "rank": None}
    return WeightCell(layer=layer, role=role, relative=relative, **(plain | more))


def test_the_map_has_a_row_per_role_and_a_digit_per_layer() -> None:
    cells = [cell("mlp.up_proj", layer, (0.0, 5e-5, 5e-4, 5e-3, 5e-2, 0.5)[layer]) for layer in range(6)]
    cells += [cell("embed_tokens", -1, 0.0), cell("attn.qkv", 1, 0.2, group="vision", rank=4)]
    found = build_map(cells)
    assert found is not None
    assert [row.name for row in found.rows] == ["embed_tokens", "mlp.up_proj", "vision: attn.qkv"]
    assert [c.symbol for c in found.rows[1].cells] == ["", "·", "1", "2", "3", "4", "5"]
    assert [c.level for c in found.rows[0].cells] == [0, *[-1] * 6]
    assert (found.rows[1].moved, found.rows[1].rank) == ("5/6", "–")
    assert (found.rows[2].rank, found.rows[2].cells[2].title) == ("4", "distance 0.2, rank 4")
    assert found.sentence.startswith("6 of 8 weights that were compared moved.")
    assert [c.symbol for c in found.legend] == ["·", "1", "2", "3", "4", "5"]


def test_the_map_says_what_it_leaves_out() -> None:
    cells = [cell(f"role{n:02}", 0, 0.1) for n in range(70)]
    found = build_map([*cells, cell("x", -1, 0.1, group="")])
    assert found is not None
    assert len(found.rows) == 60
    assert found.note == "10 further roles are in the JSON; 1 tensors of unknown meaning are left out"
    assert build_map([]) is None


def test_the_map_stands_in_the_report_with_its_words() -> None:
    files = FilesFound(cells=(cell("<b>", 0, 5e-3), cell("mlp.up_proj", 0, 0.0)), kind="changed", compared=9)
    page = render_html(replace(sample.sample(), files=files))
    assert "Where the weights moved" in page
    assert '<td class="w w3" title="distance 0.005">3</td>' in page
    assert '<td class="w w0" title="identical">' in page
    assert "&lt;b&gt;</th>" in page
    assert "no model was run" not in page
