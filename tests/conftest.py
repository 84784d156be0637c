"""Settings of the test run: numpy must not start threads of its own, since the tests already fill the cores."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

# Before numpy is imported anywhere. With more processes than cores its threads wait for each other, at 50 times the time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


# Not for the whole session: while it lasts, a loop runs in this thread, and no other can be started.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium of this machine; tests that ask for it are skipped, with the reason, where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    path = os.environ.get("HYDROMETER_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        pytest.skip("needs Chromium on this machine, or its path in HYDROMETER_CHROMIUM")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
