"""The document of report.json follows the types, and its check notices when it does not."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "make_schema_doc.py"

if not TOOL.exists():
    pytest.skip("runs in the source tree only", allow_module_level=True)


def tool():
    spec = importlib.util.spec_from_file_location("make_schema_doc", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_document_is_up_to_date_and_the_check_can_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tool()
    monkeypatch.setattr("sys.argv", ["make_schema_doc.py", "--check"])
    assert made.main() == 0
    stale = tmp_path / "report-schema.md"
    stale.write_text(
        made.DOCUMENT.read_text(encoding="utf-8").replace("number", "string", 1), encoding="utf-8"
    )
    monkeypatch.setattr(made, "DOCUMENT", stale)
    assert made.main() == 1


def test_every_type_has_its_part() -> None:
    text = tool().document()
    for name in (
        "AuditResult",
        "CapabilityResult",
        "Estimate",
        "ItemResult",
        "Reply",
        "ModelIdentity",
        "Message",
    ):
        assert f"\n## {name}\n" in text
    assert "| `value` | number or null |" in text
