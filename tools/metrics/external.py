"""Metrics that other packages compute: LPIPS, VMAF, PESQ, STOI and ViSQOL, each where its package is installed."""

import contextlib
import importlib
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError
from .sounds import at_rate

NEEDED = {"lpips": "lpips", "pesq_wb": "pesq", "pesq_nb": "pesq", "stoi": "pystoi"}
NEEDED |= {"visqol_speech": "visqol", "visqol_audio": "visqol"}
SCORE = re.compile(r"VMAF score: ([-\d.]+)")


def absent(metric: str, extra: str) -> str:
    """Why a metric cannot be computed here, as a sentence, or nothing."""
    try:
        if metric == "vmaf":
            ffmpeg()
        elif metric in NEEDED:
            importlib.import_module(NEEDED[metric])
            if metric == "visqol_speech":
                importlib.import_module("ai_edge_litert")
            if metric == "lpips":
                _lpips()
    except UsageError as error:
        return str(error)
    except ModuleNotFoundError:
        return f"{metric} needs the extra {extra}: pip install 'triptych[{extra}]'"
    except Exception as error:  # packages fail to import in many ways
        return f"{metric} cannot be computed here: {str(error).partition(chr(10))[0] or type(error).__name__}"
    return ""


@lru_cache(maxsize=1)
def ffmpeg() -> str:
    """A program ffmpeg that has libvmaf: of the package imageio-ffmpeg, or the one installed; raises UsageError."""
    programs = [shutil.which("ffmpeg")]
    with contextlib.suppress(ImportError, RuntimeError):
        programs.insert(0, importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    for program in filter(None, programs):
        shown = subprocess.run([program, "-hide_banner", "-filters"], capture_output=True, text=True, timeout=60)
        if " libvmaf " in shown.stdout:
            return program
    raise UsageError("vmaf needs the extra vmaf, or a program ffmpeg with libvmaf: pip install 'triptych[vmaf]'")


def vmaf(original: np.ndarray, decoded: np.ndarray) -> float:
    """VMAF v0.6.1 (Li et al. 2016), mean over frames, of uint8 [frames, height, width, 3], brought to 4:2:0."""
    frames, height, width, _ = original.shape
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
        command = [ffmpeg(), "-hide_banner", "-nostdin"]
        for name, pixels in (("decoded", decoded), ("original", original)):
            path = Path(folder) / name
            np.ascontiguousarray(pixels).tofile(path)
            command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25", "-i", str(path)]
        graph = "[0:v]format=yuv420p[a];[1:v]format=yuv420p[b];[a][b]libvmaf=n_threads=1"
        done = subprocess.run([*command, "-lavfi", graph, "-f", "null", "-"], capture_output=True, text=True)
    score = SCORE.search(done.stderr)
    if done.returncode or not score:
        raise UsageError(f"vmaf failed on {frames} frames of {width} x {height}")
    return float(score[1])


@lru_cache(maxsize=1)
def _lpips() -> Any:
    """The network of LPIPS with its pretrained backbone; fails where that cannot be downloaded."""
    package = importlib.import_module("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return package.LPIPS(net="alex", verbose=False).eval()


def lpips(original: np.ndarray, decoded: np.ndarray) -> float:
    """LPIPS with AlexNet (Zhang et al. 2018), mean over frames, of uint8 [frames, height, width, 3]."""
    import torch

    values = []
    with torch.inference_mode():
        for pair in zip(original, decoded, strict=True):
            a, b = (torch.from_numpy(x.transpose(2, 0, 1).copy())[None] / 127.5 - 1 for x in pair)
            values.append(float(_lpips()(a, b)))
    return float(np.mean(values))


def heard(names: Sequence[str], original: np.ndarray, decoded: np.ndarray, rate: int) -> dict[str, float]:
    """Those of PESQ, STOI and ViSQOL that are asked for, of aligned float32 [channels, n].

    PESQ resamples to 16 kHz (wide band) or 8 kHz (narrow band), STOI to 10 kHz, each channel by itself and averaged;
    ViSQOL takes the mean of the channels at 16 kHz (speech mode, lattice model) or 48 kHz (audio mode). A metric that
    has nothing to say, as PESQ of silence, is left out.
    """
    found = {}
    for name in names:
        value = JUDGES[name](original, decoded, rate)
        if value is not None and np.isfinite(value):
            found[name] = float(value)
    return found


def _pesq(original: np.ndarray, decoded: np.ndarray, rate: int, wanted: int, mode: str) -> float | None:
    package = importlib.import_module("pesq")
    a, b = at_rate(original, rate, wanted), at_rate(decoded, rate, wanted)
    try:
        with np.errstate(invalid="ignore"):  # of silence
            return float(np.mean([package.pesq(wanted, x, y, mode) for x, y in zip(a, b, strict=True)]))
    except package.PesqError:
        return None


def _stoi(original: np.ndarray, decoded: np.ndarray, rate: int) -> float | None:
    package = importlib.import_module("pystoi")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # of sounds that are silent or too short
        try:
            return float(np.mean([package.stoi(x, y, rate) for x, y in zip(original, decoded, strict=True)]))
        except (RuntimeWarning, ValueError):
            return None


@lru_cache(maxsize=2)
def _visqol_api(mode: str) -> Any:
    api = importlib.import_module("visqol").VisqolApi()
    api.create(mode=mode, use_lattice_model=True if mode == "speech" else None)
    return api


def _visqol(original: np.ndarray, decoded: np.ndarray, rate: int, wanted: int, mode: str) -> float | None:
    a, b = (at_rate(x.mean(axis=0, keepdims=True), rate, wanted)[0].astype(np.float64) for x in (original, decoded))
    try:
        return _visqol_api(mode).measure_from_arrays(a, b, wanted).moslqo
    except (ValueError, IndexError):  # too short, or silence
        return None


JUDGES = {
    "pesq_wb": lambda a, b, rate: _pesq(a, b, rate, 16000, "wb"),
    "pesq_nb": lambda a, b, rate: _pesq(a, b, rate, 8000, "nb"),
    "stoi": _stoi,
    "visqol_speech": lambda a, b, rate: _visqol(a, b, rate, 16000, "speech"),
    "visqol_audio": lambda a, b, rate: _visqol(a, b, rate, 48000, "audio"),
}
