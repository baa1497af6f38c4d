"""What the start of a 48 kHz model is worth before any training: `python benchmarks/audio_start.py TRAIN/music EVAL/music`.

Linear algebra on crops of the training music makes the whole codec (`codecs/audio/start.py`). Rows change one thing each: the
widths of the stretches of latents that codebooks keep to, the bands of the envelope and their weight, the hop; all come to
12 kbit/s a channel at most. Five seconds of some clips are coded with a fifth, half and all of the codebooks; ViSQOL needs
the extra visqol.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Generator

from triptych.codecs.audio.mdct_rvq import MdctRvqCodec, Plan
from triptych.codecs.audio.mdct_rvq_net import MdctRvqConfig
from triptych.codecs.audio.resample import resample
from triptych.codecs.audio.start import start
from triptych.codecs.audio.stereo import alike, crossing, uncrossing
from triptych.codecs.signals import Sound
from triptych.tools import machine, media
from triptych.tools.metrics.judge import judge, usable
from triptych.tools.recipes import audio_data, audio_mdct

RATE, SECONDS, CROPS, PER_STEP = 48000, 5, 120, 1024
SHARES = (0.2, 0.5, 1.0)
CHOSEN = MdctRvqConfig(rate=RATE, hop=640, **audio_mdct.BANDED)
ROWS: dict[str, tuple[MdctRvqConfig, tuple[int, ...]]] = {
    "as chosen: widths 32 and all": (CHOSEN, (32, 160)),
    "all": (CHOSEN, (160,)),
    "widths 16, 24, 32, 48 and all": (CHOSEN, (16, 24, 32, 48, 160)),
    "16 bands": (replace(CHOSEN, dim=144, bands=16), (16, 144)),
    "16 bands, half the weight": (replace(CHOSEN, dim=144, bands=16, envelope=2.0), (16, 144)),
    "hop 480": (replace(CHOSEN, hop=480, dim=128, books=15), (32, 128)),
    "hop 960": (replace(CHOSEN, hop=960, dim=224, books=30), (32, 224)),
}


def started(config: MdctRvqConfig, widths: tuple[int, ...], pool: audio_data.Pool) -> MdctRvqCodec:
    """A codec without training whose codebooks keep to stretches of these widths."""
    codec, generator = MdctRvqCodec(config).eval().requires_grad_(False), Generator().manual_seed(1)
    fit = codec.net.quantiser.fit_parts
    codec.net.quantiser.fit_parts = lambda vectors, rounds, per_step, _, draws: fit(
        vectors, rounds, per_step, widths, draws
    )
    samples = pool.crops(CROPS, 2 * RATE // config.hop * config.hop, generator)
    start(codec.net, samples, 3, PER_STEP, generator)
    return codec


def clip(path: Path) -> np.ndarray:
    """The seconds after the first of a clip, float32 [channels, n] at 48 kHz."""
    sound = media.read(path)
    length = sound.samples.shape[1] * RATE // sound.rate
    return resample(sound.samples, sound.rate, RATE, length)[:, RATE : RATE * (SECONDS + 1)]


def coded(codec: MdctRvqCodec, samples: np.ndarray, share: float) -> np.ndarray:
    """Samples after coding with a share of the codebooks."""
    crossed = len(samples) == 2 and alike([samples])
    channels = torch.from_numpy(crossing(samples) if crossed else samples)
    blocks, books = codec.net.mdct.blocks(channels.shape[1]), codec.config.books
    symbols = codec.analyse(channels, Plan(1 + share * (books - 1), 1), 0, blocks + 1)
    output = codec.synthesise(symbols, 0, 0, blocks).numpy()[:, : channels.shape[1]].clip(-1, 1)
    return (uncrossing(output) if crossed else output).clip(-1, 1).astype(np.float32)


def main() -> None:
    """Print a row for each configuration and share."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("judged", type=Path)
    parser.add_argument("--clips", type=int, default=4, help="every n-th clip, so that there are so many")
    arguments = parser.parse_args()
    pool = audio_data.load(arguments.train, RATE, 0, paired=True)[0]
    paths = sorted(arguments.judged.glob("*.flac"))
    sounds = [clip(path) for path in paths[:: max(1, len(paths) // arguments.clips)][: arguments.clips]]
    metrics = usable("audio", ["si_sdr", "mel_distance", "visqol_audio"])[0]
    print(f"{machine.name()}, {len(sounds)} clips\n\n| start | codebooks | {' | '.join(metrics)} |")
    print(f"|---|--:|{'--:|' * len(metrics)}", flush=True)
    for name, (config, widths) in ROWS.items():
        codec = started(config, widths, pool)
        for share in SHARES:
            found = [judge(Sound(x, RATE), Sound(coded(codec, x, share), RATE), metrics) for x in sounds]
            means = [f"{np.mean([row[metric] for row in found]):.3f}" for metric in metrics]
            print(f"| {name} | {1 + share * (config.books - 1):.1f} | {' | '.join(means)} |", flush=True)


if __name__ == "__main__":
    main()
