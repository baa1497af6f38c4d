"""Rate, quality and speed of audio/mdct-rvq over a folder of speech clips, beside Opus at about the same file size.

    python benchmarks/speech.py FOLDER [--limit N]

Clips are brought to 16 kHz first, which is the codec's own rate, so that nothing but the codec is measured. Sizes are those
of files on disk, Opus in its Ogg file. PESQ-WB needs the package pesq and is left out where it is missing.
"""

import argparse
import importlib.util
import io
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from measure import machine, si_sdr, table, trip

import triptych

RATE = 16000
QUALITIES = (0, 20, 40, 60, 80, 100)


def opus(samples: np.ndarray, bits: int) -> tuple[int, np.ndarray, float, float]:
    """Bytes of an Ogg Opus file at a bit rate, its sound at 16 kHz aligned with the original, and the seconds both ways."""
    file, begin = io.BytesIO(), time.perf_counter()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono", options={"application": "voip"})
        stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="flt", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    middle = time.perf_counter()
    decoded, rate = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")
    decoded = soxr.resample(decoded, rate, RATE) if rate != RATE else decoded
    end = time.perf_counter()
    decoded = np.pad(decoded, (0, max(0, len(samples) - len(decoded))))[: len(samples)]
    return len(file.getvalue()), decoded, middle - begin, end - middle


def figures(reference: np.ndarray, decoded: np.ndarray) -> list[float]:
    """SI-SDR, and PESQ-WB where its package is installed."""
    found = [si_sdr(reference, decoded)]
    if importlib.util.find_spec("pesq"):
        from pesq import pesq

        found.append(pesq(RATE, reference, decoded, "wb"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=10, help="number of clips")
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.flac"))[: options.limit]
    triptych.load("audio/mdct-rvq")  # so that no timing includes it
    results: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
            samples = soxr.resample(samples.mean(axis=1), rate, RATE).astype(np.float32).clip(-1, 1)
            seconds = len(samples) / RATE
            wav = Path(folder) / "clip.wav"
            soundfile.write(wav, samples, RATE, subtype="FLOAT")
            for quality in QUALITIES:
                done = trip(wav, Path(folder) / "clip.trip", "audio/mdct-rvq", quality)
                row = [done.size * 8e-3 / seconds, *figures(samples, done.signal.samples[0]), seconds / done.encode]
                results.setdefault(f"audio/mdct-rvq {quality}", []).append([*row, seconds / done.decode])
            for bits in (6000, 8000, 12000, 16000):
                size, decoded, encode, decode = opus(samples, bits)
                row = [size * 8e-3 / seconds, *figures(samples, decoded), seconds / encode, seconds / decode]
                results.setdefault(f"Opus {bits / 1000:g} kbit/s", []).append(row)
    metrics = ["SI-SDR dB", "PESQ-WB"] if importlib.util.find_spec("pesq") else ["SI-SDR dB"]
    header = ["codec, quality", "kbit/s", *metrics, "encode x real time", "decode x real time"]
    rows = [[name, *(f"{value:.2f}" for value in np.mean(found, axis=0))] for name, found in results.items()]
    print(f"{len(paths)} clips of {options.folder.name}, {machine()}\n\n{table(header, rows)}")


if __name__ == "__main__":
    main()
