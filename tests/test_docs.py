"""The documents are run: sessions in the README give what they say, links lead somewhere, options exist."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_python_sessions_of_the_readme(tmp_path: Path) -> None:
    failed, attempted = doctest.testfile(
        str(ROOT / "README.md"),
        module_relative=False,
        globs={"folder": tmp_path},
        optionflags=doctest.ELLIPSIS,
    )
    assert attempted >= 4
    assert failed == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_commands_in_the_readme_exist() -> None:
    from hydrometer.cli.main import app

    known = {(c.name or c.callback.__name__) for c in app.registered_commands if c.callback}
    known |= {group.name or group.typer_instance.info.name for group in app.registered_groups}
    used = set(re.findall(r"^hydrometer (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert used
    assert used <= known
