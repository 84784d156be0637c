"""An audit of two scripted models, its bundle, and bundles that somebody changed."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from many import rewritten

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
        return rewritten(bundle, tmp_path / "forged.zip", changes, fitting=fitting)

    return make
