"""The lab is a folder of scripts, not a package: its modules are found the way `python lab/distill.py` finds them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "lab"))
