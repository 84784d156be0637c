"""Settings of the test run: numpy must not start threads of its own, since the tests already fill the cores."""

from __future__ import annotations

import os

# Before numpy is imported anywhere. With more processes than cores its threads wait for each other, at 50 times the time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
