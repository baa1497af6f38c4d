"""What the tools raise when the cause lies with what they were given."""


class UsageError(Exception):
    """A request that cannot be met; the message is one sentence for the user."""


class MediaError(UsageError):
    """A media file that cannot be read or written; the message names the file and the cause."""
