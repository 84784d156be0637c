"""Write docs/report-schema.md and docs/schema/report.schema.json from the types behind `report.json`.

`--check` only compares.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from hydrometer.report.json_report import json_schema  # noqa: E402
from hydrometer.result import SCHEMA_VERSION, AuditResult  # noqa: E402

DOCUMENT = ROOT / "docs" / "report-schema.md"
SCHEMA = ROOT / "docs" / "schema" / "report.schema.json"
_INTRO = f"""# report.json

Made by `python tools/make_schema_doc.py`; do not edit.

Every audit writes `report.json` beside `report.html`. It is one JSON object in UTF-8, the `AuditResult` below, and
holds every number and every reply that the page shows, uncut. Numbers are finite: there is no NaN and no infinity.
Scores and differences are in score units (0.03 is 3 points); differences are student minus base.

The schema version is {SCHEMA_VERSION}. It is raised whenever a field changes its meaning or goes away. A file with a
newer version or with an unknown key is refused. The same as JSON Schema:
[report.schema.json](schema/report.schema.json).

```python
from pathlib import Path
from hydrometer.report.json_report import from_json, json_schema

result = from_json(Path("report.json").read_text(encoding="utf-8"))   # an AuditResult
schema = json_schema()                                                # JSON Schema, draft 2020-12
```
"""
_PLAIN = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    Any: "any value",
}


def main() -> int:
    """Write or check the document."""
    status = 0
    for path, text in ((DOCUMENT, document()), (SCHEMA, json.dumps(json_schema(), indent=1) + "\n")):
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"stale: {name}: run python tools/make_schema_doc.py")
            status = 1
        else:
            print(f"{name}: up to date")
    return status


def document() -> str:
    """Return the whole document."""
    found: dict[type, None] = {}
    _collect(AuditResult, found)
    parts = [_INTRO, *(_section(kind) for kind in found if dataclasses.is_dataclass(kind))]
    tuples = [kind for kind in found if not dataclasses.is_dataclass(kind) and not issubclass(kind, Enum)]
    parts += [_tuple_section(kind) for kind in tuples]
    enums = "\n".join(
        f"| `{kind.__name__}` | {', '.join(f'`{member.value}`' for member in kind)} |"
        for kind in found
        if issubclass(kind, Enum)
    )
    return "\n".join([*parts, f"## Words\n\n| type | values |\n| --- | --- |\n{enums}\n"])


def _collect(kind: Any, found: dict[type, None]) -> None:
    """Gather the types of a report in the order in which a reader meets them."""
    if not isinstance(kind, type) or get_origin(kind) is not None:
        for part in get_args(kind):
            _collect(part, found)
        return
    described = dataclasses.is_dataclass(kind) or issubclass(kind, Enum) or hasattr(kind, "_fields")
    if kind in found or not described:
        return
    found[kind] = None
    if not issubclass(kind, Enum):
        for hint in get_type_hints(kind).values():
            _collect(hint, found)


def _section(kind: type) -> str:
    summary, meanings = _described(kind)
    hints = get_type_hints(kind)
    rows = [
        f"| `{field.name}` | {_words(hints[field.name])} | {meanings.get(field.name, '')} |"
        for field in dataclasses.fields(kind)
    ]
    table = "\n".join(["| field | type | meaning |", "| --- | --- | --- |", *rows])
    return f"## {kind.__name__}\n\n{summary}\n\n{table}\n"


def _tuple_section(kind: type) -> str:
    places = ", ".join(f"{name} ({_words(hint)})" for name, hint in get_type_hints(kind).items())
    return f"## {kind.__name__}\n\n{_described(kind)[0]} An array: {places}.\n"


def _described(kind: type) -> tuple[str, dict[str, str]]:
    """Return the text of a docstring and the meanings under its `Attributes:`."""
    text, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:")
    meanings: dict[str, str] = {}
    last = ""
    for raw in inspect.cleandoc(attributes).splitlines():
        found = re.match(r"(\w+): (.*)", raw)
        if found:
            last = found[1]
            meanings[last] = found[2]
        elif last:
            meanings[last] += f" {raw.strip()}"
    return " ".join(text.split()), {name: meaning.replace("|", "\\|") for name, meaning in meanings.items()}


def _words(hint: Any) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_words(part) for part in parts)
    if origin is tuple:
        return f"array of {_words(parts[0])}"
    if origin is dict:
        return f"object, {_words(parts[0])} to {_words(parts[1])}"
    if origin is typing.Literal:
        return ", ".join(f"`{part}`" for part in parts)
    return (
        _PLAIN.get(hint)
        or f"[{hint.__name__}](#{'words' if issubclass(hint, Enum) else hint.__name__.lower()})"
    )


if __name__ == "__main__":
    sys.exit(main())
