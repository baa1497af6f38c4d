"""Make the golden file of a codec once: `python tests/golden_make.py image-patch`.

A golden folder holds tiny weights of its own (where the codec has any) or uses those of another one, one file, and the
signal that it decoded to. What exists is never made again: from the first release on these files must decode for ever.
"""

import hashlib
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from makers import (
    TINY_BANDED,
    photo,
    speech,
    tiny_circuit,
    tiny_mdct_rvq,
    tiny_overfit,
    tiny_patch,
    tiny_slices,
    tiny_stem,
)
from PIL import Image
from tiny_audio import SYSTEMS, tiny_system, with_tiny_context

from triptych import weights
from triptych.codecs.base import Codec, Options
from triptych.codecs.precision import full_precision
from triptych.codecs.signals import Clip, Picture, Signal, Sound
from triptych.codecs.video import systems
from triptych.tools import models, pipeline

GOLDEN = Path(__file__).parent / "golden"
# Further files of a codec: folder -> the one whose weights it uses.
OWN = ("image-patch-near", "audio-mdct-rvq-bands", "audio-mdct-rvq-context", "audio-seanet-rvq-context")
SHARED = {name: name for name in OWN} | {
    "image-patch-tiles": "image-patch",
    "image-overfit-whole": "image-overfit",
    "video-hnerv-groups": "video-hnerv",
}


def weights_of(name: str) -> Path:
    """Where the weights of a golden file are, if it has any."""
    return GOLDEN / "v1" / SHARED.get(name, name) / "weights.safetensors"


def film() -> Clip:
    """Six small frames that drift to the left."""
    wide = photo(36, 80)
    return Clip(np.stack([wide[:, 4 * t : 4 * t + 50] for t in range(6)]), Fraction(25))


def stereo(samples: int) -> Sound:
    """A voice a little to the left, at 8 kHz."""
    voice, noise = speech(samples, rate=8000, seed=3), speech(samples, rate=8000, seed=4)
    return Sound(np.concatenate((voice + 0.1 * noise, 0.7 * voice - 0.1 * noise)).clip(-1, 1), 8000)


MAKERS: dict[str, tuple[Callable[[], Codec], Callable[[], Signal], Options]] = {
    "image-patch": (tiny_patch, lambda: Picture(photo(75, 101, 4)), Options(quality=45)),
    "image-patch-tiles": (
        lambda: models.from_file(weights_of("image-patch-tiles")),
        lambda: Picture(photo(130, 200, 2)),
        Options(quality=45, tile=64),
    ),
    "image-patch-near": (partial(tiny_patch, near=True), lambda: Picture(photo(75, 101, 4)), Options(quality=60)),
    "image-slices": (tiny_slices, lambda: Picture(photo(75, 101, 4)), Options(quality=60)),
    "image-circuit": (tiny_circuit, lambda: Picture(photo(75, 101, 4)), Options()),
    "image-overfit": (tiny_overfit, lambda: Picture(photo(75, 101, 4)), Options(quality=45, effort=0, tile=64)),
    "image-overfit-whole": (tiny_overfit, lambda: Picture(photo(75, 101, 4)), Options(quality=45, effort=0)),
    "audio-mdct-rvq": (tiny_mdct_rvq, lambda: Sound(speech(9001, channels=2), 16000), Options(quality=60)),
    "audio-mdct-rvq-bands": (partial(tiny_mdct_rvq, config=TINY_BANDED), lambda: stereo(9001), Options(quality=60)),
    "audio-mdct-rvq-context": (
        lambda: with_tiny_context(tiny_mdct_rvq()),
        lambda: Sound(speech(9001, channels=2), 16000),
        Options(quality=60),
    ),
    "audio-seanet-rvq-context": (
        lambda: with_tiny_context(tiny_system("audio-seanet-rvq")),
        lambda: Sound(speech(7001, channels=2, rate=8000), 8000),
        Options(quality=100),
    ),
    **{
        name: (
            partial(tiny_system, name),
            lambda: Sound(speech(7001, channels=2, rate=8000), 8000),
            Options(quality=60),
        )
        for name in SYSTEMS
    },
    "video-stem": (tiny_stem, film, Options(quality=60)),
    "video-hnerv": (systems.HnervCodec, film, Options(quality=50, effort=0)),
    "video-hnerv-groups": (systems.HnervCodec, film, Options(quality=50, effort=2, group=2)),
    **{
        cls.id.replace("/", "-"): (cls, film, Options(quality=30, effort=0, group=4))
        for cls in (
            systems.NervIndexCodec,
            systems.ENervCodec,
            systems.NervPlusPlusCodec,
            systems.BoostingNervCodec,
            systems.BoostingENervCodec,
            systems.BoostingHnervCodec,
        )
    },
}


def store(path: Path, signal: Signal) -> None:
    """A decoded signal as PNG (frames of a film below each other) or FLAC."""
    if isinstance(signal, Sound):
        soundfile.write(path.with_suffix(".flac"), signal.samples.T, signal.rate, subtype="PCM_24")
        return
    pixels = signal.pixels if isinstance(signal, Picture) else np.concatenate(signal.frames)
    Image.fromarray(pixels.squeeze()).save(path.with_suffix(".png"), optimize=True)


def make(name: str) -> None:
    """Write the golden folder of one codec and list its files."""
    folder = GOLDEN / "v1" / name
    if folder.exists():
        raise SystemExit(f"{folder} exists and never changes")
    folder.mkdir(parents=True)
    maker, signal, options = MAKERS[name]
    codec, path = maker(), None
    if codec.decoder_state():
        path = weights_of(name)
    if path is not None and not path.exists():
        state = {key: value.numpy() for key, value in codec.export_state().items()}
        weights.save(path, codec.id, codec.profile, models.config_of(codec), state)
    with open(folder / "file.trip", "wb") as out:
        pipeline.encode(signal(), out, codec.id, options, path)
    with full_precision():
        store(folder / "decoded", pipeline.decode((folder / "file.trip").read_bytes(), weights=path))
    listed = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(GOLDEN)}" for p in sorted(folder.iterdir())
    ]
    with open(GOLDEN / "SHA256SUMS", "a") as sums:
        sums.write("\n".join(listed) + "\n")


if __name__ == "__main__":
    make(sys.argv[1])
