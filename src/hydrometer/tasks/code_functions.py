"""Code: write one function; it is called in a sandbox, and every call must return what the reference returns.

Constants, names and twists are drawn afresh, so that a remembered solution of a known exercise fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random

from hydrometer.graders.code import RUNNER, find_code, grade_calls, write_job
from hydrometer.graders.text import strip_echo
from hydrometer.items import Item
from hydrometer.outcomes import Grade, Status
from hydrometer.sandbox import Ran, SandboxError, find_sandbox
from hydrometer.tasks.base import GraderCase
from hydrometer.tasks.code_problems import PROBLEMS, TIERS, draw_problem
from hydrometer.tasks.common import RepliedTask, case, user


class CodeFunctions(RepliedTask):
    """A Python function from its description."""

    name = "code_functions"
    capability = "code"
    summary = "a Python function from its description, run in a sandbox against a reference"

    def unavailable(self) -> str:
        """Return why no code can be run here."""
        return super().unavailable() or find_sandbox().reason

    def make(self, rng: Random, index: int) -> Item:
        """Make item `index`; tiers take turns, and so do the problems of a tier."""
        tier = TIERS[index % len(TIERS)]
        family = PROBLEMS[tier][index // len(TIERS) % len(PROBLEMS[tier])]
        drawn = draw_problem(family, rng)
        shown = ", ".join(map(repr, drawn.example))
        text = (
            f"Write a Python function `{drawn.function}({', '.join(drawn.arguments)})`. {drawn.statement}\n"
            f"For example, {drawn.function}({shown}) returns {drawn.shown!r}.\n"
            "Reply with only the function, in one Python code block."
        )
        return Item(
            task=self.name,
            messages=user(text),
            answer={
                "function": drawn.function,
                "calls": drawn.calls,
                "results": drawn.results,
                "reference": drawn.source,
            },
            max_tokens=640 if tier == TIERS[-1] else 384,
            tier=tier,
        )

    def grade(self, item: Item, reply: str) -> Grade:
        """Run the function that the reply defines. A sandbox that fails is never the reply's fault."""
        wanted = item.answer
        found = find_code(strip_echo(reply, item.messages[-1].content), wanted["function"])
        if not found.code.strip():
            return Grade.unparsed("no code in the reply")
        if not found.defines:
            return Grade.wrong("", f"the code defines no {wanted['function']}")
        try:
            ran = _run(write_job(found.code, wanted["function"], wanted["calls"]))
        except SandboxError as error:
            return Grade(status=Status.ITEM_INVALID, reason=str(error))
        return grade_calls(ran, wanted["function"], wanted["calls"], wanted["results"])

    def gold_reply(self, item: Item) -> str:
        """Return the reference in a fence."""
        return f"Here it is:\n```python\n{item.answer['reference']}\n```\nIt is called as asked."

    def wrong_reply(self) -> str:
        """Return a function that always gives the same."""
        return f"```python\ndef {self.case_item().answer['function']}(*given):\n    return None\n```"

    def traps(self) -> Sequence[GraderCase]:
        """Return ways to hand in code, right and wrong."""
        item = self.case_item()
        name, code = item.answer["function"], item.answer["reference"]
        fenced = f"```python\n{code}\n```"
        return (
            case("bare", item, code, 1.0),
            case("bare_with_prose", item, f"Sure, this does it:\n\n{code}\n\nHope that helps!", 1.0),
            case("unclosed_fence", item, f"```python\n{code}", 1.0),
            case("tried_out", item, f"```python\n{code}\nprint({name}())\n```", 1.0),
            case("main_block", item, f"```python\n{code}\nif __name__ == '__main__':\n    input()\n```", 1.0),
            case("second_try", item, f"```python\ndef {name}(*x):\n    return 0\n```\nBetter:\n{fenced}", 1.0),
            case("output_behind", item, f"{fenced}\nOutput:\n```text\n1\n```", 1.0),
            case("noisy", item, f"```python\nprint('[1]')\n{code}\nprint('[2]')\n```", 1.0),
            case("other_name", item, fenced.replace(name, "solve"), 0.0),
            case("broken", item, f"```python\n{code}\n)\n```", 0.0),
            case("raises", item, f"```python\ndef {name}(*x):\n    raise ValueError\n```", 0.0),
            case("exits", item, f"```python\ndef {name}(*x):\n    raise SystemExit(0)\n```", 0.0),
            case("prints_only", item, f"```python\ndef {name}(*x):\n    print(1)\n```", 0.0),
            case("prose", item, f"I would loop over the values in {name} and return the result.", None),
        )


@lru_cache(maxsize=4096)
def _run(job: str) -> Ran:
    """Run once per reply: audits grade the same reply again at every look."""
    found = find_sandbox()
    if found.sandbox is None:
        raise SandboxError(found.reason)
    return found.sandbox.run(RUNNER, job)
