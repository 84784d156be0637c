"""Fetch the chart library that reports embed, and its licences: `python tools/vendor_charts.py`.

The files are the published ones, each checked against the digest below. Only the interpreter is changed: it is
published as a module, and a page that opens from a disk cannot load modules, so its import and its export are replaced
by lines that take from and put into the global `vega`. Needs npm; `--check` needs nothing and compares what is there.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "src" / "hydrometer" / "report" / "vendor"
PINS = {
    "vega.min.js": (
        "vega",
        "6.4.0",
        "build/vega.min.js",
        "8f6a3587cf8d4f42c7e08120e3eb05d067e746d554e39d2dcf52acc0bd5ba28f",
    ),
    "vega-interpreter.js": (
        "vega-interpreter",
        "2.3.2",
        "build/vega-interpreter.js",
        "c0bdb735a63f9276f136e8d90d7fdf5d8e9df8031eb069048fc9975c876fd7f9",
    ),
}
"""File here: package, version, file in the package, sha256 of that file as published."""

CHANGED = (
    (
        "import { ascending, isString, DisallowedObjectProperties } from 'vega-util';\n",
        "(() => {\nconst { ascending, isString, DisallowedObjectProperties } = vega;\n",
    ),
    (
        "export { expression as expressionInterpreter };\n//# sourceMappingURL=vega-interpreter.js.map\n",
        "vega.expressionInterpreter = expression;\n})();\n",
    ),
)
"""What is replaced in the interpreter, each once."""

LICENCES = "LICENSES.txt"
_UNUSED = {"commander", "iconv-lite", "rw", "safer-buffer"}
"""Packages of command lines beside the library; nothing of them is in the file."""


def main() -> int:
    """Fetch or check; print what was found."""
    if "--check" in sys.argv:
        wrong = [name for name in PINS if digest(as_published(name)) != PINS[name][3]]
        print(f"not as published: {', '.join(wrong)}" if wrong else "chart library: as published")
        return 1 if wrong else 0
    with tempfile.TemporaryDirectory() as folder:
        wanted = [f"{package}@{version}" for package, version, _, _ in PINS.values()]
        subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder, *wanted], check=True
        )
        modules = Path(folder) / "node_modules"
        VENDOR.mkdir(exist_ok=True)
        for name, (package, _, path, pinned) in PINS.items():
            text = (modules / package / path).read_text(encoding="utf-8")
            if digest(text) != pinned:
                print(f"{package}: {path} has digest {digest(text)}, expected {pinned}")
                return 1
            (VENDOR / name).write_text(changed(name, text), encoding="utf-8")
        (VENDOR / LICENCES).write_text(licences(modules), encoding="utf-8")
    return 0


def digest(text: str) -> str:
    """Return the sha256 of a text."""
    return sha256(text.encode()).hexdigest()


def changed(name: str, text: str) -> str:
    """Return a published file as it is kept here."""
    for old, new in CHANGED if name == "vega-interpreter.js" else ():
        if text.count(old) != 1:
            msg = f"{name} is built in another way than expected: {old.strip()!r} is not in it once"
            raise SystemExit(msg)
        text = text.replace(old, new)
    return text


def as_published(name: str) -> str:
    """Return a file that is kept here as it was published."""
    text = (VENDOR / name).read_text(encoding="utf-8")
    for old, new in CHANGED if name == "vega-interpreter.js" else ():
        text = text.replace(new, old)
    return text


def licences(modules: Path) -> str:
    """Return the licences of all packages in the library: each text once, below whose it is."""
    texts: dict[str, list[str]] = {}
    for place in sorted(modules.glob("*/package.json")):
        about = json.loads(place.read_text(encoding="utf-8"))
        if about["name"] in _UNUSED:
            continue
        text = (place.parent / "LICENSE").read_text(encoding="utf-8").strip()
        # Only what stands first is taken out: notices further down belong to the text around them.
        notice = re.match(r"(?:Copyright[^\n]*\n+)*", text)
        owners = notice[0].split("\n") if notice else []
        body = text[notice.end() if notice else 0 :].strip()
        # The same text is broken into lines in several ways.
        known = next((one for one in texts if one.split() == body.split()), body)
        named = f"{about['name']} {about['version']} ({about['license']})"
        texts.setdefault(known, []).append(": ".join([named, *(line.strip() for line in owners if line.strip())]))
    parts = ["\n".join(names) + "\n\n" + body for body, names in texts.items()]
    return ("\n\n" + "-" * 80 + "\n\n").join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
