"""Rate, distortion and speed of image/patch over a folder of pictures, beside JPEG and WebP in the same run.

    python benchmarks/pictures.py FOLDER [--points 8] [--limit N]

Every picture is encoded to a file, whose size is the rate, and decoded from that file. PSNR is that of RGB, averaged over
pictures; rates are averages of bits per pixel.
"""

import argparse
import io
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import machine, psnr, table, trip
from PIL import Image

import triptych

JPEG = [{"format": "JPEG", "quality": q, "optimize": True} for q in (5, 10, 20, 30, 50, 70, 85, 92)]
WEBP = [{"format": "WEBP", "quality": q, "method": 6} for q in (0, 10, 25, 40, 60, 75, 85, 93)]


def classical(pixels: np.ndarray, settings: dict) -> tuple[int, float, float, float]:
    """Bytes, PSNR and seconds of one of Pillow's encoders."""
    file = io.BytesIO()
    begin = time.perf_counter()
    Image.fromarray(pixels).save(file, **settings)
    middle = time.perf_counter()
    decoded = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))
    return len(file.getvalue()), psnr(pixels, decoded), middle - begin, time.perf_counter() - middle


def saved(ours: np.ndarray, theirs: np.ndarray) -> list[str]:
    """Share of the other codec's bits that we save at each of our PSNRs, its log rate interpolated; "-" outside its range."""
    shares = []
    for rate, figure in ours:
        inside = theirs[0, 1] <= figure <= theirs[-1, 1]
        other = np.exp(np.interp(figure, theirs[:, 1], np.log(theirs[:, 0])))
        shares.append(f"{100 * (1 - rate / other):.0f} %" if inside else "-")
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int, default=8, help="rate points of image/patch")
    parser.add_argument("--limit", type=int, help="only the first pictures")
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.png"))[: options.limit]
    triptych.load("image/patch")  # so that no timing includes it
    results: dict[str, list[tuple[float, float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            pixels = np.asarray(Image.open(path).convert("RGB"))
            area = pixels.shape[0] * pixels.shape[1]
            for point in range(options.points):
                quality = 100 * point / (options.points - 1)
                done = trip(path, Path(folder) / "file.trip", "image/patch", quality)
                row = (done.size * 8 / area, psnr(pixels, done.signal.pixels), done.encode, done.decode)
                results.setdefault(f"image/patch {quality:.1f}", []).append(row)
            for name, choices in (("JPEG", JPEG), ("WebP", WEBP)):
                for settings in choices:
                    size, figure, encode, decode = classical(pixels, settings)
                    row = (size * 8 / area, figure, encode, decode)
                    results.setdefault(f"{name} {settings['quality']}", []).append(row)
    header = ["codec, quality", "bpp", "PSNR dB", "encode s", "decode s"]
    rows = [[name, *(f"{value:.3f}" for value in np.mean(found, axis=0))] for name, found in results.items()]
    print(f"{len(paths)} pictures of {options.folder.name}, {machine()}\n\n{table(header, rows)}\n")
    curves = {
        codec: np.array([np.mean(found, axis=0)[:2] for name, found in results.items() if name.startswith(codec)])
        for codec in ("image/patch", "JPEG", "WebP")
    }
    lines = [[codec, *saved(curves["image/patch"], curves[codec])] for codec in ("JPEG", "WebP")]
    rates = [f"{rate:.3f} bpp" for rate in curves["image/patch"][:, 0]]
    print(table(["bits saved at equal PSNR against", *rates], lines))


if __name__ == "__main__":
    main()
