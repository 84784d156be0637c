"""The lab is a folder of scripts, no package: its modules are found as `python lab/distill.py` finds them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "lab"))
