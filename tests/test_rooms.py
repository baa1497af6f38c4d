"""The rooms know each other in one direction only: tools > codecs > entropy > bitstream."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = sys.stdlib_module_names
ENTROPY = {"numpy", "constriction"}
MAY_IMPORT = {  # rooms a room may import from, and packages that it must not know
    "bitstream": (set(), None),
    "entropy": ({"bitstream"}, {"torch"}),
    "weights": ({"bitstream"}, {"torch"}),
    "codecs": ({"bitstream", "entropy", "weights"}, set()),
    "tools": ({"bitstream", "entropy", "weights", "codecs"}, set()),
}


def modules(room):
    """Files of a room."""
    return sorted((ROOT / room).rglob("*.py"))


def imported(path):
    """Absolute dotted names of what a file imports, `triptych.` written out; function bodies included."""
    package = ("triptych", *path.relative_to(ROOT).with_suffix("").parts)[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*stem, *((node.module,) if node.module else ())))
            yield from (f"{base}.{alias.name}" for alias in node.names) if base == "triptych" else (base,)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_downwards(room):
    rooms, forbidden = MAY_IMPORT[room]
    assert modules(room)
    for path in modules(room):
        for name in imported(path):
            top, *rest = name.split(".")
            where = f"{path.relative_to(ROOT)} imports {name}"
            if top == "triptych":
                assert rest and (rest[0] in rooms | {room} or rest[0] not in MAY_IMPORT), where
            elif forbidden is None:
                assert top in LIBRARY, where
            else:
                assert top not in forbidden, where


def test_entropy_knows_numpy_and_constriction_only():
    for path in modules("entropy"):
        outside = {name.split(".")[0] for name in imported(path)} - set(LIBRARY) - {"triptych"}
        assert outside <= ENTROPY, f"{path.relative_to(ROOT)} imports {outside - ENTROPY}"


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_import_each_other_relatively(room):
    for path in modules(room):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not any(name.split(".")[0] == "triptych" for name in names), path.relative_to(ROOT)


def loaded(statement):
    """Names of the modules in memory after a statement in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_container_loads_neither_numpy_nor_torch():
    names = loaded("import triptych.bitstream")
    assert "triptych.bitstream.reader" in names
    assert not names & {"numpy", "torch", "constriction", "triptych.codecs", "triptych.entropy"}


def test_the_entropy_layer_does_not_load_torch():
    names = loaded("import triptych.entropy")
    assert "numpy" in names and not names & {"torch", "triptych.codecs", "triptych.tools"}


def test_the_rules_would_notice(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    for room, line in (
        ("bitstream", "import numpy"),
        ("entropy", "from ..codecs import base"),
        ("codecs", "from .. import tools"),
    ):
        (tmp_path / room).mkdir()
        (tmp_path / room / "wrong.py").write_text(line)
        with pytest.raises(AssertionError):
            test_imports_point_downwards(room)
