"""The header of a track: which codec, which network, which media."""

import re
from dataclasses import dataclass

from . import varint
from .cursor import Cursor
from .errors import Malformed, OverLimit
from .limits import Limits
from .media import Media, check_limits, pack_media, parse_media, require

MAGIC = b"\xd3TRP"  # no text begins so, and UTF-8 cannot hold it
VERSION = 0x10  # major 1, minor 0: the least reader that is needed
CODEC_ID = re.compile(r"[a-z0-9]+(?:[-_./][a-z0-9]+)*", re.ASCII)
OWN_NETWORK = bytes(8)  # the digest of a track that carries its network in the file


@dataclass(frozen=True)
class Track:
    """One track: codec id (up to 64 of a-z 0-9 - _ . /), its profile, its promise, its weights, its media.

    `exact` says that every machine decodes the same symbols; without it only the build that wrote the file does.
    `digest` is the first 8 bytes of the weights' SHA-256, zeros where the file carries its network. The meaning of
    `parameters` belongs to codec and profile. Raises Malformed.
    """

    codec: str
    profile: int
    exact: bool
    digest: bytes
    media: Media
    parameters: bytes = b""

    def __post_init__(self) -> None:
        require(
            len(self.codec) <= 64 and CODEC_ID.fullmatch(self.codec) is not None,
            "A codec id has 1 to 64 characters: small letters and digits, joined by - _ . or /.",
        )
        require(len(self.digest) == 8, f"A model digest has 8 bytes, not {len(self.digest)}.")


def pack_header(track: Track) -> bytes:
    """Spell the payload of an H chunk."""
    codec = track.codec.encode("ascii")
    return b"".join(
        (
            varint.encode(len(codec), varint.LENGTH),
            codec,
            varint.encode(track.profile),
            bytes((not track.exact,)),
            track.digest,
            pack_media(track.media),
            varint.encode(len(track.parameters), varint.LENGTH),
            track.parameters,
        )
    )


def parse_header(payload: bytes | bytearray, base: int, limits: Limits) -> Track:
    """Read the payload of an H chunk whose first byte stands at `base`; raises Malformed or OverLimit."""
    cursor = Cursor(payload, base)
    try:
        codec = cursor.take(cursor.length()).decode("latin-1")
        profile = cursor.number()
        exact = not cursor.flags(1, "contract")
        digest = cursor.take(8)
        media = parse_media(cursor)
        check_limits(media, limits)
        parameters = cursor.take(cursor.length())
        cursor.end()
        return Track(codec, profile, exact, digest, media, parameters)
    except (Malformed, OverLimit) as error:
        raise error.located(cursor.offset) from None


def check_count(tracks: int, limits: Limits, offset: int | None = None) -> None:
    """Raise OverLimit where a file has too many tracks, Malformed where it has none."""
    if not tracks:
        raise Malformed("A file needs at least one track.", offset)
    if tracks > limits.tracks:
        raise OverLimit(f"The file has more than {limits.tracks} tracks.", offset)
