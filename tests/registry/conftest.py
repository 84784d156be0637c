"""An audit of two scripted models, its bundle, and bundles that somebody changed."""

import hashlib
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from hydrometer.api import audit, audit_folder
from hydrometer.registry.bundle import write_bundle

TASKS = ("knowledge_facts", "copying")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audit")
    result = audit("fake:echo", "fake:echo?seed=1", tasks=TASKS, items=8, fixed=True, out=out)
    return audit_folder(out, result)


@pytest.fixture(scope="session")
def bundle(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(folder, tmp_path_factory.mktemp("bundle") / "audit.hydrometer.zip")[0]


@pytest.fixture
def forge(bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """Change files of the bundle; `fitting` makes the manifest fit, as a forger would."""

    def make(changes: dict[str, Callable[[bytes], bytes]], *, fitting: bool = False) -> Path:
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
        target = tmp_path / "forged.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
            for name, body in contents.items():
                new.writestr(name, body)
        return target

    return make
