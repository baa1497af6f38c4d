"""Golden files never change: each file below tests/golden is listed with its SHA-256, and each listed file is there."""

from hashlib import sha256
from pathlib import Path

import pytest
import second_reader
from bitstream_cases import EXAMPLES, outcome

GOLDEN = Path(__file__).parent / "golden"
LISTED = dict(reversed(line.split("  ", 1)) for line in (GOLDEN / "SHA256SUMS").read_text().splitlines())


def test_no_golden_file_changed():
    found = {
        str(path.relative_to(GOLDEN)): sha256(path.read_bytes()).hexdigest()
        for path in GOLDEN.rglob("*")
        if path.is_file() and path.name not in ("SHA256SUMS", "README.md")
    }
    assert found == LISTED, "A golden file changed, is missing or is not listed in tests/golden/SHA256SUMS."


@pytest.mark.parametrize("name", EXAMPLES)
def test_container_files_are_still_read(name):
    data = (GOLDEN / "v1" / "container" / f"{name}.trip").read_bytes()
    assert data == EXAMPLES[name](), "The writer's bytes changed."
    tracks, items, _ = outcome(data)
    assert len(second_reader.read(data)["items"]) == len(items) and tracks
