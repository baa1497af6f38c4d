"""The errors of Triptych: one class for each way in which a file can be wrong or cannot be used here."""


class TripError(Exception):
    """Base of all errors of this package: one sentence for the user and, if known, the byte at which it holds.

    `message` is the sentence, `offset` the byte from the start of the file or None.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message, offset)
        self.message = message
        self.offset = offset

    def __str__(self) -> str:
        return self.message if self.offset is None else f"{self.message} (at byte {self.offset})"

    def __reduce__(self) -> tuple[type, tuple[str, int | None]]:
        return type(self), (self.message, self.offset)

    def located(self, offset: int) -> "TripError":
        """Return this error with `offset` filled in where none was known."""
        if self.offset is None:
            self.offset = offset
        return self


class NotOurs(TripError):
    """The file is not a .trip file: its first bytes are others."""


class TooNew(TripError):
    """The file needs a reader of a later major version."""


class UnknownCritical(TripError):
    """The file holds a chunk that must be understood and is not known here."""


class Truncated(TripError):
    """The file ends too early."""


class Damaged(TripError):
    """A checksum over stored bytes does not fit: the file was changed after it was written."""


class Malformed(TripError):
    """The bytes are as they were written, but break a rule of the format."""


class OverLimit(TripError):
    """The file asks for more memory or work than the limits allow."""


class UnknownCodec(TripError):
    """The codec or the profile of a track is not known here."""


class WrongModel(TripError):
    """The weights at hand are not those the track was made with."""


class SymbolMismatch(TripError):
    """The file is intact, but this computer derives other symbols than the encoder did."""


class MissingDependency(TripError):
    """An optional package is needed for this and is not installed."""
