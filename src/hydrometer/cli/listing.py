"""The list of tasks and suites, for people and for machines."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from hydrometer.catalog import TASKS, load_task
from hydrometer.tasks.suites import SUITES


def list_tasks(*, as_json: bool) -> None:
    """Print every task with its capability, chance level and size per suite."""
    found = [load_task(name) for name in TASKS]
    if as_json:
        facts = [
            {
                "task": t.name,
                "capability": t.capability,
                "summary": t.summary,
                "version": t.version,
                "kind": t.kind.value,
                "chance": t.chance,
                "suites": {s.name: s.items.get(t.name, 0) for s in SUITES.values()},
            }
            for t in found
        ]
        Console(soft_wrap=True, highlight=False).print(json.dumps(facts), markup=False)
        return
    table = Table("task", "capability", "what is asked", "chance", *SUITES)
    for task in found:
        sizes = [str(s.items.get(task.name, 0)) for s in SUITES.values()]
        table.add_row(task.name, task.capability, task.summary, f"{task.chance:.0%}", *sizes)
    Console().print(table)
