"""Share of files that break when they are decoded under other settings than those of their encoding.

    python benchmarks/exactness.py TRAIN_PICTURES EVAL_PICTURES [--steps 1000] [--most 24] [--out TABLE.md]

image/patch with the weights that ship stands beside CompressAI's mean-scale hyperprior (mbt2018-mean, a small one that this
script trains first on crops of the pictures in the folder TRAIN_PICTURES, for lambda 0.013). Each picture of EVAL_PICTURES is
encoded once; every setting decodes all files, some in processes of their own. A file is broken when the integers that the
decoder derives are not those that were encoded, which a check over all of them in the file tells. It needs compressai.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from triptych.bitstream import Reader, TripError
from triptych.codecs.base import Options
from triptych.codecs.image.compressai import from_compressai
from triptych.codecs.signals import Picture
from triptych.tools import machine, models, pipeline
from triptych.tools.checking.settings import ELSEWHERE, HERE, Setting, UnsupportedError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import standin

LAMBDA, CROP, WIDTH = 0.013, 128, (48, 64)


def crops(folder: Path, count: int, generator: torch.Generator) -> torch.Tensor:
    """Random crops of the pictures in a folder: uint8 [count, 3, CROP, CROP]."""
    paths, found = sorted(p for p in folder.rglob("*") if p.suffix in (".png", ".webp", ".jpg")), []
    for number in torch.randperm(len(paths), generator=generator)[: max(count // 16, 1)].tolist():
        pixels = np.asarray(Image.open(paths[number]).convert("RGB"))
        for _ in range(16):
            y, x = (int(torch.randint(0, side - CROP + 1, (1,), generator=generator)) for side in pixels.shape[:2])
            found.append(pixels[y : y + CROP, x : x + CROP])
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)


def trained(folder: Path, steps: int) -> torch.nn.Module:
    """A small mean-scale hyperprior, trained for a while."""
    from compressai.registry import MODELS

    torch.manual_seed(0)
    generator, net = torch.Generator().manual_seed(0), MODELS["mbt2018-mean"](*WIDTH)
    data = crops(folder, 800, generator)
    main = [p for name, p in net.named_parameters() if not name.endswith(".quantiles")]
    optimisers = torch.optim.Adam(main, 1e-3), torch.optim.Adam([net.entropy_bottleneck.quantiles], 1e-2)
    for step in range(steps):
        x = data[torch.randint(0, len(data), (8,), generator=generator)].float() / 255
        out = net(x)
        bits = sum(-torch.log2(part).sum() for part in out["likelihoods"].values()) / (x.numel() / 3)
        loss = bits + LAMBDA * 255**2 * (out["x_hat"] - x).square().mean()
        for optimiser, value in zip(optimisers, (loss, net.aux_loss()), strict=True):
            optimiser.param_groups[0]["lr"] *= 0.1 if step == steps * 4 // 5 else 1
            optimiser.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(main, 1.0)
            optimiser.step()
        if step % 100 == 0:
            print(
                f"training: step {step}, {float(bits.detach()):.3f} bpp, loss {float(loss.detach()):.3f}",
                file=sys.stderr,
            )
    net.update(force=True)
    return net.eval()


def broken(setting: Setting, folder: Path, name: str) -> tuple[int, int] | str:
    """Files that break and files in all, or why the codec cannot be decoded so."""
    files = sorted((folder / name.replace("/", "-")).glob("*.trip"))
    weights, count = folder / f"{name.replace('/', '-')}.safetensors", 0
    codec = models.from_file(weights) if weights.exists() else models.load(name)
    for file in files:
        reader = Reader(file.read_bytes())
        try:
            with setting.apply(codec):
                codec.decode(reader.tracks[0], list(reader))
        except UnsupportedError as error:
            return str(error)
        except (TripError, ValueError, RuntimeError) as error:
            if setting.optional and not isinstance(error, TripError):
                return f"not supported: {error}".splitlines()[0][:60]
            count += 1
    return count, len(files)


def elsewhere(setting: Setting, folder: Path, name: str) -> tuple[int, int] | str:
    """`broken` in a process with the environment of the setting."""
    line = [sys.executable, __file__, "--decode", str(folder), name]
    done = subprocess.run(line, env=os.environ | setting.environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def encode(name: str, pictures: list[Path], folder: Path) -> float:
    """Encode pictures into a folder; mean bits per pixel."""
    into, rate = folder / name.replace("/", "-"), []
    into.mkdir()
    for path in pictures:
        picture, out = Picture(np.asarray(Image.open(path).convert("RGB"))), BytesIO()
        weights = folder / f"{name.replace('/', '-')}.safetensors"
        pipeline.encode(picture, out, name, Options(40, 0), weights if weights.exists() else None)
        (into / f"{path.stem}.trip").write_bytes(out.getvalue())
        rate.append(len(out.getvalue()) * 8 / picture.pixels[..., 0].size)
    return float(np.mean(rate))


def main() -> None:
    """Train, encode, decode under every setting, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs=2)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--most", type=int, default=24, help="pictures")
    parser.add_argument("--out", type=Path, help="Markdown table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names, lines = ("image/patch", "compressai/mbt2018-mean"), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        models.save(
            _identified(trained(options.folders[0], options.steps)), folder / "compressai-mbt2018-mean.safetensors"
        )
        pictures = sorted(options.folders[1].glob("*.png"))[: options.most]
        rates = [encode(name, pictures, folder) for name in names]
        lines.append(f"Machine: {machine.name()}, torch {torch.__version__}; {len(pictures)} pictures.\n")
        lines.append("| decoded | " + " | ".join(f"{n}, {r:.2f} bpp" for n, r in zip(names, rates, strict=True)) + " |")
        lines.append("|---|--:|--:|")
        for setting in (*HERE, *ELSEWHERE):
            run = elsewhere if setting.environment else broken
            cells = [run(setting, folder, name) for name in names]
            texts = [cell if isinstance(cell, str) else f"{cell[0]} of {cell[1]}" for cell in cells]
            lines.append(f"| {setting.name} | " + " | ".join(texts) + " |")
            print(lines[-1], file=sys.stderr)
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


def _identified(net: torch.nn.Module) -> torch.nn.Module:
    codec = from_compressai(net)
    models.identify(codec)
    return codec


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as stand, standin.importable(Path(stand)) as environment:
        os.environ.update(environment)
        if sys.argv[1:2] == ["--decode"]:
            torch.set_num_threads(1)
            print(json.dumps(broken(Setting("here"), Path(sys.argv[2]), sys.argv[3])))
        else:
            main()
