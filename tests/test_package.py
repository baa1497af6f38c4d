"""The package as a whole: what the wheel holds, who imports whom, and what runs without the extras."""

import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("codecs", "entropy", "bitstream", "tools", "weights")
CORE = ("numpy", "torch", "constriction", "PIL", "soundfile", "av", "safetensors", "soxr", "tqdm")
IMPORT_NAMES = {
    "scikit-image": "skimage",
    "scikit-video": None,
    "visqol-python": "visqol",
    "pillow-jxl-plugin": "pillow_jxl",
    "build": "build",
}
CUDA_ONLY = re.compile(r"lib(cudart|c10_cuda|torch_cuda)[\w.]*: cannot open shared object file")


def tracked() -> list[Path]:
    """The tracked files that exist, relative to the root."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def installed_name(path: Path) -> str | None:
    """Where a tracked file stands in the wheel; None for files that do not belong into it."""
    if path.parts[0] in FOLDERS:
        name = Path("triptych", path)
    elif path.parts[:2] == ("src", "triptych"):
        name = path.relative_to("src")
    else:
        return None
    data = path.suffix in (".toml", ".safetensors", ".md") and path.parts[0] == "weights"
    data = data or (path.suffix == ".json" and path.parts[:2] == ("tools", "anchors"))
    data = data or path.parts[:3] == ("tools", "reporting", "assets")
    return name.as_posix() if path.suffix == ".py" or data or path.name in ("py.typed", "FORMAT.md") else None


def test_the_wheel_holds_every_tracked_module_and_nothing_else(tmp_path):
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    source = tmp_path / "source"
    files = tracked()
    for path in files:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, source / path)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    done = subprocess.run([*command, "-w", tmp_path, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    found = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("triptych/")}
    wanted = {name for name in map(installed_name, files) if name}
    assert found == wanted
    assert {"triptych/__init__.py", "triptych/py.typed", "triptych/weights/registry.toml"} <= wanted
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_codecs_refuses_to_hide_the_standard_library():
    spec = importlib.util.spec_from_file_location("codecs", ROOT / "codecs" / "__init__.py")
    with pytest.raises(ImportError, match="PYTHONPATH"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def run(program: str, *arguments: str) -> str:
    """Run a program text in a new interpreter; its standard output."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_is_cheap():
    loaded = set(json.loads(run("import triptych, sys, json; print(json.dumps(list(sys.modules)))")))
    assert not loaded & set(CORE)
    assert {name for name in loaded if name.startswith("triptych")} == {"triptych"}


BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
"""


def test_info_needs_the_standard_library_only(tmp_path):
    from triptych.bitstream import ImageMedia, SampleFormat, Track, Unit, Writer

    path = tmp_path / "a.trip"
    with path.open("wb") as stream:
        media = ImageMedia(17, 12, SampleFormat(8, 3, False), None)
        writer = Writer(stream, [Track("image/patch", 1, True, b"12345678", media, b"")])
        writer.unit(Unit(0, (b"data",), None, True))
        writer.finish()
    program = (
        f"BLOCKED = {set(CORE)!r}{BLOCK}"
        "from triptych.tools import cli\nimport triptych\n"
        "assert triptych.open(sys.argv[1]).tracks\nsys.exit(cli.main(['info', sys.argv[1]]))"
    )
    assert "picture of 17 x 12" in run(program, str(path))


def extras() -> dict[str, list[str]]:
    """Distribution names by extra."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return {name: [re.split(r"[\[<>=]", entry)[0] for entry in rows] for name, rows in table.items()}


def optional_modules() -> dict[str, str]:
    """Import name by distribution name, for everything in the extra `all` that is not a tool for tests."""
    names = {dist for rows in extras().values() for dist in rows} - {"triptych", "setuptools"}
    names = {name: IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names}
    return {dist: module for dist, module in names.items() if module}


def test_all_names_every_extra():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (everything,) = table.pop("all")
    assert set(everything.removeprefix("triptych[").removesuffix("]").split(",")) == set(table)


def test_every_dependency_is_pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {line.partition("==")[0].lower().replace("_", "-") for line in lines if not line.startswith("#")}
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = [re.split(r"[<>=]", entry)[0] for entry in table["dependencies"]]
    wanted = {name.lower() for name in [*core, *(dist for rows in extras().values() for dist in rows)]}
    assert wanted - {"triptych"} <= pins


def test_the_core_runs_without_any_extra(tmp_path):
    blocked = set(optional_modules().values()) - {"pytest", "hypothesis", "ruff", "build"} | {"scipy", "pandas"}
    program = f"""BLOCKED = {blocked!r}{BLOCK}
sys.path.append({str(Path(__file__).parent)!r})
import importlib, io, pkgutil
import numpy as np
import triptych
for module in pkgutil.walk_packages(triptych.__path__, "triptych."):
    importlib.import_module(module.name)
import toys
from triptych.tools import media, models
models.load, models.load_for = toys.load, toys.load_for
for name, signal in (("a.png", toys.picture()), ("a.wav", toys.sound()), ("a.mp4", toys.clip(with_sound=True))):
    media.write(sys.argv[1] + "/" + name, signal)
    found = triptych.decode(triptych.encode(sys.argv[1] + "/" + name))
    assert type(found) is type(signal)
assert not BLOCKED & {{name.partition(".")[0] for name in sys.modules}}
print("ran")
"""
    assert run(program, str(tmp_path)) == "ran\n"


def installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def test_everything_installed_imports_together():
    import torch

    modules = {dist: module for dist, module in optional_modules().items() if installed(dist)}
    modules.pop("ruff", None)
    if not set(modules) - {"pytest", "hypothesis"}:
        pytest.skip("no optional package is installed")
    program = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        causes = []
        while error is not None:
            causes.append(repr(error))
            error = error.__cause__
        failed[name] = "; ".join(causes)
print(json.dumps(failed))
"""
    failed = json.loads(run(program, *sorted([*modules.values(), *CORE])).splitlines()[-1])
    if failed and torch.version.cuda is None:
        excused = cuda_built(failed)
        if set(failed) == excused:
            names = ", ".join(sorted(excused))
            pytest.skip(f"torch is built for the CPU only, and for CUDA: {names}; all others import together")
    assert not failed


def cuda_built(failed: dict[str, str]) -> set[str]:
    """Those that cannot be imported because their own library, or that of torchvision below them, wants CUDA's torch."""
    excused = {"torchaudio"} if CUDA_ONLY.search(failed.get("torchaudio", "")) else set()
    spec = importlib.util.find_spec("torchvision")
    if spec is not None:
        library = Path(spec.origin).with_name("_C.so")
        if library.is_file() and b"libtorch_cuda.so" in library.read_bytes():
            excused |= {name for name, cause in failed.items() if "operator torchvision::nms does not exist" in cause}
    return excused
