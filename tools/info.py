"""`triptych info`: what a .trip file holds, read with the standard library alone."""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from ..bitstream import OWN_NETWORK, AudioMedia, Reader, TensorMedia, Track, TripError, VideoMedia
from . import console
from .errors import UsageError
from .files import STANDARD

REGISTRY = Path(__file__).parent.parent / "weights" / "registry.toml"
NAMES_BUILD = "compressai/"  # codecs whose parameters are a byte and then the name of a build
KINDS = {AudioMedia: "audio", VideoMedia: "video", TensorMedia: "tensor"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("input", metavar="FILE", help="a .trip file; - for standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")


def run(arguments: argparse.Namespace) -> None:
    """Carry out the command."""
    name = console.shown(arguments.input)
    try:
        if arguments.input == STANDARD:
            data = sys.stdin.buffer.read()
            size, found = len(data), describe(data)
        else:
            with open(arguments.input, "rb") as stream:
                size, found = os.fstat(stream.fileno()).st_size, describe(stream)
    except TripError as error:
        raise UsageError(f"{name}: {console.sentence(error)}") from error
    except IsADirectoryError as error:
        raise UsageError(f"{name}: is a folder, not a file") from error
    found = {"file": name, "bytes": size, **found}
    print(json.dumps(found, indent=2) if arguments.json else as_text(found))


def describe(source: BinaryIO | bytes) -> dict[str, Any]:
    """All that the container says about a file, every checksum compared; raises a TripError where a rule is broken."""
    reader = Reader(source)
    tracks = [_describe_track(track) for track in reader.tracks]
    for entry in reader.scan(check=True):
        track = tracks[entry.track]
        if entry.weights:
            track["network_bytes"] += entry.size
        else:
            track["units"] += 1
            track["unit_bytes"] += entry.size
            track["outputs"] += entry.outputs or 0
    for track in tracks:
        _add_rate(track)
    return {"tracks": tracks, "metadata": reader.metadata}


def as_text(found: dict[str, Any]) -> str:
    """The description for people."""
    plural = "s" if len(found["tracks"]) != 1 else ""
    lines = [f"{found['file']}: {found['bytes']} bytes, {len(found['tracks'])} track{plural}"]
    for number, track in enumerate(found["tracks"]):
        lines.append(f"  track {number}: {track['codec']} profile {track['profile']}, {_media_text(track)}")
        lines.append(f"    {_weights_text(track)}")
        network = f", {track['network_bytes']} bytes of network" if track["network_bytes"] else ""
        plural = "s" if track["units"] != 1 else ""
        lines.append(f"    {track['units']} unit{plural}, {track['unit_bytes']} bytes{network}, {track['rate']}")
        if not track["exact"]:
            lines.append("    same build only" + (f": encoded with {track['build']}" if track["build"] else ""))
    lines += [f"  {key}: {value}" for key, value in found["metadata"].items()]
    return "\n".join(lines)


def _describe_track(track: Track) -> dict[str, Any]:
    """The header fields of a track as plain values."""
    own = track.digest == OWN_NETWORK
    return {
        "codec": track.codec,
        "profile": track.profile,
        "exact": track.exact,
        "build": build(track),
        "kind": KINDS.get(type(track.media), "image"),
        "weights": None if own else track.digest.hex(),
        "weights_file": None if own else shipped(track.digest.hex()),
        "media": asdict(track.media),
        "parameters": track.parameters.hex(),
        "units": 0,
        "unit_bytes": 0,
        "network_bytes": 0,
        "outputs": 0,
    }


def build(track: Track) -> str | None:
    """The build that alone decodes a track, where its parameters name one; None for the others."""
    if track.exact or not track.codec.startswith(NAMES_BUILD):
        return None
    text = track.parameters[1:].decode("ascii", "replace")
    return text if text.isprintable() else None


def shipped(digest: str) -> str | None:
    """The name of the weights file that comes with this package and has this digest (16 hex digits), or None."""
    import tomllib

    try:
        rows = tomllib.loads(REGISTRY.read_text()).get("weights", [])
    except OSError:
        return None
    return next((row["file"] for row in rows if row["digest"][:16] == digest), None)


def _add_rate(track: dict[str, Any]) -> None:
    """Bits per pixel of an image, per element of a tensor, kilobits per second of the others."""
    media, size = track["media"], 8 * (track["unit_bytes"] + track["network_bytes"])
    if track["kind"] == "image":
        track["rate"] = f"{size / (media['width'] * media['height']):.4f} bits per pixel"
        return
    if track["kind"] == "tensor":
        track["rate"] = f"{size / math.prod(media['shape']):.4f} bits per element"
        return
    if track["kind"] == "audio":
        seconds = track["outputs"] / media["sample_rate"]
    else:
        seconds = track["outputs"] * media["rate"][1] / media["rate"][0]
    track["seconds"] = round(seconds, 6)
    track["rate"] = f"{size / 1000 / seconds:.2f} kbit/s" if seconds else "no length"


def _media_text(track: dict[str, Any]) -> str:
    """Size and format in a few words."""
    media = track["media"]
    if track["kind"] == "audio":
        channels = f"{media['channels']} channel{'s' if media['channels'] != 1 else ''}"
        return f"sound of {track['seconds']:g} s, {media['sample_rate']} Hz, {channels}"
    if track["kind"] == "tensor":
        return f"tensor of {' x '.join(map(str, media['shape']))}, {media['element']}"
    form = media["sample_format"]
    planes = ("grey" if form["planes"] == 1 else "colour") + (" with alpha" if form["alpha"] else "")
    size = f"{media['width']} x {media['height']}, {planes}, {form['depth']} bit"
    if track["kind"] == "image":
        return f"picture of {size}"
    return f"film of {track['outputs']} frames, {media['rate'][0] / media['rate'][1]:g} per second, {size}"


def _weights_text(track: dict[str, Any]) -> str:
    """Which weights decode the track."""
    if track["weights"] is None:
        return "carries its own network"
    file = track["weights_file"] or "not among those that come with Triptych"
    return f"needs the weights {track['weights']} ({file})"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself; its exit status."""
    parser = console.Parser(prog="triptych info", description=__doc__)
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    return console.guarded(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
