"""Why the symbols of a file do not come out right: damage, other weights, or another build."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..bitstream import Damaged, SymbolMismatch, Track


@contextmanager
def named(tracks: Sequence[Track]) -> Iterator[None]:
    """Around the decoding of tracks with the weights that their digests name: an error says what is to blame.

    Checksums over stored bytes were right by then, or the reader, which knows the byte, says Damaged itself. A stream that
    does not end where its symbols end was read with other tables than the encoder's, as were symbols whose check fails.
    """
    try:
        yield
    except (Damaged, SymbolMismatch) as error:
        exact = all(track.exact for track in tracks)
        if error.offset is not None or (isinstance(error, SymbolMismatch) and not exact):
            raise  # a codec that is bound to a build names both of them
        blame = "this computer derived other symbols than the encoder did, so one of the two has a faulty build"
        if not exact:
            blame = (
                f"this computer derived other symbols than the encoder did: {tracks[0].codec} needs the encoder's build"
            )
        advice = "; triptych selfcheck tests the build of this computer" if exact else ""
        raise SymbolMismatch(f"the file is intact and has the right weights, but {blame}{advice}") from error
