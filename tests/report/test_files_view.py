"""What the files say, on the page: every text escaped, what was not read said in one line."""

from __future__ import annotations

from dataclasses import replace

import sample

from hydrometer.files import FilesFound, Question
from hydrometer.report.html import render_html


def test_names_in_files_stay_text() -> None:
    question = Question(name="<b>odd", answer="contradicted", text="<script>x</script>")
    page = render_html(replace(sample.sample(), files=FilesFound(questions=(question,), notes=("<i>n</i>",))))
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page
    assert "<i>n" not in page
    skipped = render_html(replace(sample.sample(), files=FilesFound(skipped="<u>no</u>")))
    assert "Not read: &lt;u&gt;no" in skipped
