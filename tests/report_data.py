"""Small tables with media for the tests of the report: three codecs at four qualities on two files of each kind."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import toys

from triptych.codecs.signals import Clip, Picture, Sound
from triptych.tools import cli, media
from triptych.tools.evaluation import table
from triptych.tools.evaluation.table import Row

QUALITIES = ("10", "30", "50", "70")
WIDTH, HEIGHT, FRAMES, RATE, SECONDS = 48, 32, 20, 16000, 4.0
KINDS = {"image": ("pictures", ".png"), "audio": ("sounds", ".flac"), "video": ("films", ".mp4")}
METRIC = {"image": "psnr_rgb", "audio": "pesq_wb", "video": "psnr_rgb"}
CODECS = {"own/codec": ("Own", 1.0), "jpeg": ("Classic", 2.0), "third": ("Third", 3.0)}  # label, bits at equal quality
MACHINE = "a machine, 2 cores"


def value(kind: str, step: int, number: int) -> float:
    """The metric of the file with this number at the quality with this place."""
    return 1.0 + 0.5 * step + 0.1 * number if kind == "audio" else 25.0 + 3.0 * step + number


def bits(codec: str, step: int, number: int) -> float:
    """Bits per pixel, or kbit/s, of a file at a quality."""
    return CODECS[codec][1] * 2.0**step * (1 + number) / 8


def row(kind: str, codec: str, step: int, number: int) -> Row:
    """A row with everything but media."""
    label, factor = CODECS[codec]
    rate = bits(codec, step, number)
    dataset, suffix = KINDS[kind]
    blank = Row(
        dataset, kind, f"file{number}{suffix}", codec, label, QUALITIES[step], settings="4:4:4", version="1.0",
        bytes=round(rate * 1000), encode_seconds=0.5 * factor, decode_seconds=0.25 * factor, peak_mib=100.0,
        threads=1, jobs=1, machine=MACHINE, python="3.11.7", torch="2.13.0",
    )  # fmt: skip
    measured = {METRIC[kind]: value(kind, step, number)}
    if kind == "image":
        return replace(blank, width=WIDTH, height=HEIGHT, bpp=rate, lpips=0.4 - 0.1 * step, **measured)
    if kind == "audio":
        return replace(blank, seconds=SECONDS, rate=RATE, channels=1, kbps=rate, **measured)
    film = replace(blank, width=WIDTH, height=HEIGHT, frames=FRAMES, rate=10.0, seconds=2.0)
    return replace(film, bpp=rate, kbps=rate * WIDTH * HEIGHT * FRAMES / 2000, **measured)


def rows(kind: str) -> list[Row]:
    """All rows of one kind."""
    places = [(codec, step, number) for codec in CODECS for step in range(len(QUALITIES)) for number in (0, 1)]
    return [row(kind, *place) for place in places]


def signal(kind: str, seed: int) -> Picture | Sound | Clip:
    """Something to look at or to hear."""
    generator = np.random.default_rng(seed)
    if kind == "image":
        return Picture(generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    if kind == "audio":
        return toys.sound(1, round(RATE * SECONDS), RATE)
    frames = np.repeat(np.arange(FRAMES, dtype=np.uint8) * 12, HEIGHT * WIDTH * 3).reshape(FRAMES, HEIGHT, WIDTH, 3)
    return Clip(frames, toys.clip(1).rate)


def kept(folder: Path, made: Row) -> Row:
    """The row with its media written below `folder`."""
    suffix = KINDS[made.kind][1]
    stem = Path(made.file).stem
    original = f"{made.dataset}.media/{stem}{suffix}"
    decoded = f"{made.dataset}.media/{stem}.{made.codec.replace('/', '-')}.{made.quality}{suffix}"
    (folder / original).parent.mkdir(exist_ok=True)
    for number, name in enumerate((original, decoded)):
        if not (folder / name).exists():
            media.write(folder / name, signal(made.kind, number))
    return replace(made, original=original, decoded=decoded)


def write(folder: Path, kind: str, media: bool = False, made: list[Row] | None = None) -> Path:
    """Write the table of one kind into `folder`, with media of its first file; the path of the table."""
    folder.mkdir(parents=True, exist_ok=True)
    every = rows(kind) if made is None else made
    if media:
        every = [kept(folder, each) if each.file.startswith("file0") else each for each in every]
    table.write(folder, KINDS[kind][0], every)
    return folder / f"{KINDS[kind][0]}.csv"


def run(*arguments) -> int:
    """The exit status of the command."""
    return cli.main(["report", *map(str, arguments)])


class Reader(HTMLParser):
    """What a browser would see: texts of scripts by id, attributes, and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: dict[str, str] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.shown = ""
        self.place = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        self.place = (tag, dict(attributes).get("id", "")) if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self.place = None

    def handle_data(self, data):
        if self.place is None:
            self.shown += data
        elif self.place[0] == "script":
            self.scripts[self.place[1]] = self.scripts.get(self.place[1], "") + data


def page(*arguments) -> Reader:
    """Run the command and read the page."""
    assert run(*arguments, "--out", "page.html", "--force") == 0
    return Reader(Path("page.html").read_text(encoding="utf-8"))


def results(read: Reader) -> list[dict]:
    """What the scripts of a page draw."""
    return json.loads(read.scripts["results"])["datasets"]
