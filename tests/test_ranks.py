"""Training by two processes under torchrun: codebooks stay equal, losses are those of one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import ranks_worker
import soundfile
from makers import speech

from triptych.tools.train import main

TESTS = Path(__file__).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    """Folder of two processes: a small quantiser, then a recipe with codebooks and adversaries, which is in `pair`."""
    folder = tmp_path_factory.mktemp("pair")
    sounds = folder / "train" / "speech"
    sounds.mkdir(parents=True)
    for number in range(6):
        soundfile.write(sounds / f"{number}.flac", speech(40000, seed=number)[0], 16000)
    command = [*TORCHRUN, TESTS / "ranks_worker.py", folder, *recipe(folder, "pair")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def recipe(folder: Path, name: str) -> list[str]:
    """Arguments of a short training."""
    fixed = ["audio_systems.seanet_rvq_smoke", "--device", "cpu", "--precision", "float32", "--steps", "8"]
    return [*fixed, "--data", str(folder), "--out", str(folder / name)]


def test_two_processes_train_as_one_does(pair):
    ranks_worker.main(pair)
    alone, *two = (np.load(pair / name) for name in ("1-0.npz", "2-0.npz", "2-1.npz"))
    for name in alone.files:
        np.testing.assert_array_equal(two[0][name], two[1][name], name)
    for name in ("losses", *(name for name in alone.files if name.startswith("codec."))):
        np.testing.assert_allclose(two[0][name], alone[name], 1e-3, 1e-4, err_msg=name)
    assert alone["losses"][-1] < 0.6 * alone["losses"][0]
    assert {"codec.quantiser.stack.0.codewords", "codec.quantiser.stack.1.codewords"} <= set(alone.files)


def test_a_recipe_with_adversaries_comes_to_the_same(pair):
    assert main(recipe(pair, "alone")) == 0
    rows = [json.loads((pair / name / "log.jsonl").read_text().splitlines()[-1]) for name in ("alone", "pair")]
    assert [row["step"] for row in rows] == [8, 8] and (pair / "pair" / "checkpoint.safetensors").exists()
    for name in [name for name in rows[0] if name.startswith("mel")]:
        assert rows[1][name] == pytest.approx(rows[0][name], rel=0.1), name


def test_batches_that_cannot_be_shared_are_refused(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(SystemExit):
        main(["audio_systems.seanet_rvq_smoke", "--data", "x", "--out", "y"])
    assert "batches of 4 cannot be shared evenly by 3 processes" in capsys.readouterr().err
