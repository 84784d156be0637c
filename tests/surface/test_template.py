"""Chat templates compared by what they render: each loss planted once, and clean pairs that raise nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from commands import environment
from hydrometer.surface.answers import Topic
from hydrometer.surface.fixtures import FIXTURES
from hydrometer.surface.rendering import LARGEST, render_fixtures
from hydrometer.surface.template import TemplateSide, compare_templates, turn_end
from tiny_models import GEMMA_TEMPLATE, LLAMA_TEMPLATE, QWEN_TEMPLATE

TOOLS = (
    "{%- if tools -%}{{- '<|im_start|>system\\n' -}}{%- for tool in tools -%}{{- tool | tojson -}}{%- endfor -%}"
    "{{- '<|im_end|>\\n' -}}{%- endif -%}\n"
)
FULL = TOOLS + (
    "{%- if reasoning_effort == 'low' -%}{{- '<|im_start|>system\\nThink briefly.<|im_end|>\\n' -}}{%- endif -%}\n"
    "{%- for m in messages -%}\n"
    "{%- set text = m.content if m.content is string else '' -%}\n"
    "{%- if m.role not in ('system', 'user', 'assistant', 'tool') -%}{{- raise_exception('no such role') -}}{%- endif -%}\n"
    "{{- '<|im_start|>' + m.role + '\\n' -}}\n"
    "{%- if m.reasoning_content and preserve_thinking -%}"
    "{{- '<think>\\n' + m.reasoning_content + '\\n</think>\\n\\n' -}}{%- endif -%}\n"
    "{%- for call in m.tool_calls or [] -%}{{- '<tool_call>' -}}{{- call.function | tojson -}}{{- '</tool_call>' -}}{%- endfor -%}\n"
    "{{- text + '<|im_end|>\\n' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n{{- '<|im_start|>assistant\\n' -}}\n"
    "{%- if enable_thinking is defined and enable_thinking is false -%}\n"
    "{{- '<think>\\n\\n</think>\\n\\n' -}}\n{%- else -%}\n{{- '<think>\\n' -}}\n{%- endif -%}\n{%- endif -%}"
)
"""A template in the manner of Qwen 3.6 and 3.8, with every knob."""


def side(source: str, family: str = "qwen3_5", bos: str = "", *, begins: bool = False) -> TemplateSide:
    rendered = render_fixtures(source, {"bos_token": bos} if bos else {}, "model") if source else None
    return TemplateSide(source=source, rendered=rendered, family=family, bos=bos, begins=begins, owner=True)


def found(topic: Topic, answer: str) -> dict[str, str]:
    return {finding.name: finding.text for finding in topic.findings if finding.answer == answer}


def faults(base: TemplateSide, student: TemplateSide) -> dict[str, str]:
    return found(compare_templates(base, student), "contradicted")


@pytest.fixture(scope="module")
def full() -> TemplateSide:
    return side(FULL)


def test_there_are_sixteen_and_each_has_its_own_name(full: TemplateSide) -> None:
    assert len({fixture.name for fixture in FIXTURES}) == 16
    assert full.rendered is not None
    assert set(full.rendered.texts) | set(full.rendered.errors) == {fixture.name for fixture in FIXTURES}
    assert set(full.rendered.errors) == {"developer"}
    assert turn_end(full.rendered) == "<|im_end|>\n"


@pytest.mark.parametrize(("source", "family"), [(FULL, "qwen3_5"), (QWEN_TEMPLATE, "qwen35"), (LLAMA_TEMPLATE, "llama")])
def test_the_same_meaning_in_another_text_raises_nothing(source: str, family: str) -> None:
    other = "{#- written again -#}\n" + source.replace("message", "turn").replace("turns", "messages")
    topic = compare_templates(side(source, family), side(other, family))
    assert topic.answer == "confirmed"
    assert not found(topic, "contradicted")


def test_gemma_against_itself_begins_once() -> None:
    topic = compare_templates(side(GEMMA_TEMPLATE, "gemma4", "<bos>"), side(GEMMA_TEMPLATE + " ", "gemma4", "<bos>"))
    assert topic.answer == "confirmed", topic


LOSSES = {
    "thinking switch": FULL.replace("enable_thinking is defined and enable_thinking is false", "false"),
    "kept thoughts switch": FULL.replace("m.reasoning_content and preserve_thinking", "m.reasoning_content"),
    "effort switch": FULL.replace("reasoning_effort == 'low'", "false"),
    "think prefill": FULL.replace("{{- '<think>\\n' -}}", ""),
    "tools": FULL.replace(TOOLS, ""),
    "system prompt": FULL.replace("'system', 'user'", "'user'"),
    "default system prompt": "{{- '<|im_start|>system\\nYou are Claude.<|im_end|>\\n' -}}" + FULL,
    "think dialect": FULL.replace("<think>", "<|channel>thought").replace("</think>", "<channel|>"),
    "rendering": FULL.replace("'<think>\\n'", "'<think>'"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_is_named(name: str, full: TemplateSide) -> None:
    changed = faults(full, side(LOSSES[name]))
    assert name in changed
    assert "rendering" in changed


def test_blanks_alone_are_said_to_be_blanks(full: TemplateSide) -> None:
    assert "in blanks alone" in faults(full, side(LOSSES["rendering"]))["rendering"]
    assert "in blanks alone" not in faults(full, side(LOSSES["tools"]))["rendering"]


def test_a_system_prompt_may_be_left_out_or_merged(full: TemplateSide) -> None:
    skip = FULL.replace("{%- for m in messages -%}", "{%- for m in messages if m.role != 'system' -%}")
    assert "left out" in faults(full, side(skip))["system prompt"]
    merged = (
        "{%- set s = (messages | selectattr('role', 'equalto', 'system') | map(attribute='content') | join) -%}"
        "{%- for m in messages if m.role != 'system' -%}{{- '<|im_start|>' + m.role + '\\n' -}}"
        "{%- if loop.first and s -%}{{- s + '\\n\\n' -}}{%- endif -%}{{- (m.content or '') | string + '<|im_end|>\\n' -}}{%- endfor -%}"
    )
    assert "merged" in faults(full, side(merged))["system prompt"]


def test_a_student_that_renders_more_loses_nothing(full: TemplateSide) -> None:
    topic = compare_templates(full, side(FULL.replace("'system', 'user'", "'system', 'developer', 'user'")))
    assert topic.answer == "confirmed"
    assert "developer too" in found(topic, "confirmed")["rendering"]


def test_the_beginning_is_written_twice() -> None:
    base = side(GEMMA_TEMPLATE, "gemma4", "<bos>")
    assert "2 times" in faults(base, side("{{- bos_token -}}" + GEMMA_TEMPLATE, "gemma4", "<bos>"))["beginning of text"]
    assert "tokenizer" in faults(base, side(GEMMA_TEMPLATE, "gemma4", "<bos>", begins=True))["beginning of text"]
    again = side(GEMMA_TEMPLATE, "gemma4", "<bos>", begins=True)
    assert "beginning of text" not in faults(again, again)


def test_qwen_tags_in_gemma() -> None:
    theirs = GEMMA_TEMPLATE.replace("<|channel>thought\\n<channel|>", "<think>\\n</think>")
    assert "<think>" in faults(side(GEMMA_TEMPLATE, "gemma4"), side(theirs, "gemma4"))["think dialect"]


def test_a_lost_template_and_none_at_all(full: TemplateSide) -> None:
    assert "the student has none" in faults(full, side(""))["rendering"]
    assert compare_templates(side(""), side("")).answer == "not testable from files"
    broken = compare_templates(full, side("{% if %}"))
    assert "refused" in next(f.student for f in broken.findings if f.name == "rendering")


def test_hidden_behaviour_is_c4narys_finding() -> None:
    pytest.importorskip("c4nary")
    gadget = FULL + "{% if false %}{{ ''|attr('x') }}{% endif %}"
    assert "TPL004" in faults(side(FULL), side(gadget))["hidden behaviour"]
    assert "hidden behaviour" not in faults(side(FULL), side(FULL))


BOMBS = {
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "range": "{% for i in range(10**9) %}{% endfor %}",
    "power": "{{ 10**(10**8) }}",
    "doubling": "{% set n=namespace(x='aaaaaaaaaa') %}{% for i in range(40) %}{% set n.x=n.x~n.x %}{% endfor %}{{n.x}}",
    "repeat": "{{ 'a'*10**10 }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "output": "{% for i in range(99999) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}",
    "reach": "{{ ''.__class__.__mro__ }}",
    "brackets": "{{ " + "(" * 200_000 + " }}",
    "nesting": "{% if a %}" * 20_000,
    "format": "{{ '%1000000000d'|format(1) }}",
    "wrap": "{{ ('a '*50000)|wordwrap(1) }}",
    "size": "x" * (LARGEST + 1),
}


_MEASURED = """
import json, resource, sys
from hydrometer.errors import ModelError
from hydrometer.surface.rendering import render_fixtures
try:
    render_fixtures(json.load(sys.stdin), {}, "model")
    text = ""
except ModelError as error:
    text = str(error)
# A process counts the memory of the one that started it as its own in `ru_maxrss`, so its own is read elsewhere.
own = next(int(row.split()[1]) for row in open("/proc/self/status") if row.startswith("VmHWM"))
inner = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([text, own + inner.ru_maxrss, inner.ru_utime + inner.ru_stime]))
"""


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_end_in_one_line_within_bounds(name: str) -> None:
    """In a process of its own, whose children are the renderer alone."""
    given = json.dumps(BOMBS[name])
    done = subprocess.run([sys.executable, "-c", _MEASURED], input=given, capture_output=True, text=True, check=True, env=environment())
    text, kilobytes, seconds = json.loads(done.stdout)
    assert text.endswith("do not use this model")
    assert "\n" not in text
    assert len(text) < 300
    assert kilobytes < 200_000
    # Computing time, since a clock on a busy machine shows the others too.
    assert seconds < 1.0
