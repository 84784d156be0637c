import hydrometer


def test_public_names_are_sorted_documented_and_there() -> None:
    assert hydrometer.__all__ == sorted(hydrometer.__all__)
    for name in hydrometer.__all__:
        assert getattr(hydrometer, name) is not None
        if name != "__version__":
            assert getattr(hydrometer, name).__doc__, name


def test_the_list_of_public_names_is_a_promise() -> None:
    assert hydrometer.__all__ == [
        "AuditResult",
        "EngineSettings",
        "HydrometerError",
        "Verdict",
        "__version__",
        "audit",
        "load_report",
        "rows",
        "to_pandas",
        "to_polars",
        "verify_folder",
    ]


def test_layers_hold() -> None:
    import subprocess
    import sys
    from pathlib import Path

    tool = Path(__file__).resolve().parent.parent / "tools" / "check_layers.py"
    done = subprocess.run([sys.executable, str(tool)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_layer_check_can_fail(tmp_path) -> None:
    import importlib.util
    from pathlib import Path

    tool = Path(__file__).resolve().parent.parent / "tools" / "check_layers.py"
    spec = importlib.util.spec_from_file_location("check_layers", tool)
    assert spec is not None
    assert spec.loader is not None
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    check.ROOT = tmp_path
    (tmp_path / "stats").mkdir()
    upward = tmp_path / "stats" / "bad.py"
    upward.write_text(
        "from hydrometer.report.view import x\n\n\ndef f():\n    import json\n    return json\n"
    )
    faults = check.check_file(upward)
    assert any("upwards" in fault for fault in faults)
    assert any("inside a function" in fault for fault in faults)
