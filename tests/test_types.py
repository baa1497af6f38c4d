"""The public interface of bitstream and entropy is typed: pyright finds nothing, as strict as pyproject.toml says."""

import importlib.util
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_pyright_is_strict_where_it_should_be():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]
    assert table["typeCheckingMode"] == "strict" and set(table["include"]) == {"bitstream", "entropy"}
    assert {name for name, value in table.items() if value is False} <= {
        "reportMissingTypeArgument",
        "reportMissingTypeStubs",
        *(f"reportUnknown{kind}Type" for kind in ("Argument", "Lambda", "Member", "Parameter", "Variable")),
    }


def test_pyright_finds_nothing():
    if importlib.util.find_spec("pyright") is None or shutil.which("node") is None:
        pytest.skip("pyright or node is not installed")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    if not done.stdout.startswith("{"):
        pytest.skip("pyright could not be fetched")
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] > 20
    assert [f"{row['file']}: {row['message']}" for row in found["generalDiagnostics"]] == []
