"""Audits with models, verdicts and sizes of one's choosing, without running one, and bundles that somebody changed."""

import hashlib
import json
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from sample import BETTER, EQUIVALENT, NOT_ENOUGH, WORSE, sample

from hydrometer.canon import canonical_json, to_plain
from hydrometer.result import AuditResult, Verdict
from hydrometer.verdict import headline, overall


def made(student: str, base: str = "Qwen3.5-4B.Q4_K_M", *, verdict: Verdict = Verdict.WORSE, **more: str) -> AuditResult:
    """An audit; `size` in bytes, `parameters`, `quantisation`, `family`, `created`."""
    first = sample()
    rows = {Verdict.WORSE: WORSE, Verdict.BETTER: BETTER, Verdict.EQUIVALENT: EQUIVALENT, Verdict.NOT_ENOUGH: NOT_ENOUGH}
    capabilities = (rows[verdict], *([] if verdict is Verdict.NOT_ENOUGH else [replace(EQUIVALENT, capability="code")]))
    details = {"parameters": more.get("parameters", "4000000000"), "file size": more.get("size", "2400000000")}

    def model(label: str, old: object) -> object:
        identity = replace(
            old.identity,  # type: ignore[attr-defined]
            label=label,
            weights=f"sha256:{label}",
            family=more.get("family", "qwen3.5"),
            precision=more.get("quantisation", "Q4_K_M"),
            adapter="",
            settings={},
            details={key: value for key, value in details.items() if value},
        )
        return replace(old, identity=identity)  # type: ignore[type-var]

    return replace(
        first,
        created=more.get("created", "2026-10-01T00:00:00+00:00"),
        base=model(base, first.base),
        student=model(student, first.student),
        capabilities=capabilities,
        verdict=overall(capabilities),
        headline=headline(capabilities, base, student),
    )


def keep(audit: AuditResult, folder: Path) -> Path:
    """Write it as an audit's folder holds it."""
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(canonical_json(to_plain(audit)))
    return folder


def rewritten(bundle: Path, target: Path, changes: dict[str, Callable[[bytes], bytes]], *, fitting: bool = False) -> Path:
    """Change files of a bundle; `fitting` makes the manifest fit, as a forger would."""
    with zipfile.ZipFile(bundle) as old:
        contents = {name: old.read(name) for name in old.namelist()}
    for name, change in changes.items():
        contents[name] = change(contents[name])
    if fitting:
        manifest = json.loads(contents["manifest.json"])
        for name, entry in manifest["files"].items():
            entry["bytes"] = len(contents[name])
            entry["digest"] = "sha256:" + hashlib.sha256(contents[name]).hexdigest()
        contents["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name, body in contents.items():
            new.writestr(name, body)
    return target


@contextmanager
def served(app: Any) -> Iterator[int]:
    """Serve an application on a free port of this machine."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = server.force_exit = True
    thread.join(20)
