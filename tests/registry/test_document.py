"""The commands of docs/registry.md are run as they stand, but for the servers and what needs one."""

import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

from commands import hydrometer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "registry.md"
KINDS = ["bundle", "unbundle", "registry key", "bundle", "unbundle", "registry build", *["registry token"] * 2]
SERVED = (["registry", "serve"], ["registry", "push"])


def test_commands_of_the_page_do_what_it_says(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder.parent, tmp_path / "hydrometer-out")
    (tmp_path / "DIR").mkdir()
    (tmp_path / "AUDITS").symlink_to("hydrometer-out")
    lines = [shlex.split(line, comments=True) for line in re.findall(r"^hydrometer (.+)$", PAGE.read_text(), re.MULTILINE)]
    quick = [words for words in lines if words[:2] not in SERVED]
    assert [" ".join(words[: 2 if words[0] == "registry" else 1]) for words in quick] == KINDS
    public = ""
    for words in quick:
        if ("--sign" in words or "--verify-key" in words or words[:2] == ["registry", "key"]) and not find_spec("cryptography"):
            continue
        if words[:2] == ["registry", "token"] and not find_spec("sqlalchemy"):
            continue
        answer = hydrometer(*(public if word == "ed25519:..." else word for word in words), cwd=tmp_path)
        assert answer.returncode == 0, f"{' '.join(words)}: {answer.stderr}"
        public = public or (answer.stdout.strip() if words[:2] == ["registry", "key"] else "")
    assert (tmp_path / "audit.hydrometer.zip").is_file()
    assert len(list((tmp_path / "taken-in").glob("*/report.json"))) == 1
    assert 'href="https://example.org/audits/models/' in (tmp_path / "site" / "feed.xml").read_text()
