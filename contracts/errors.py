"""Every error that Driftline raises on purpose. They share one root, so that a caller can catch them together."""


class DriftlineError(Exception):
    """The root of all errors. The message says what happened, where, and what the operator should do."""


class BadRecord(DriftlineError):
    """A record that cannot be processed. `reason` is a short, stable word; metrics and listings group by it."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class UnknownVersion(BadRecord):
    """A record of a version that this code cannot read: a newer one, or an older one without a reader.

    found: the record's version. newest: the newest version that this code reads; it writes the same version.
    """

    def __init__(self, record: str, found: int, newest: int) -> None:
        if found > newest:
            detail = f"is newer than {newest}, the newest this code reads; upgrade this reader before the writer"
        else:
            detail = f"is older than {newest}, and this code has no reader for it; use the release that wrote it"
        super().__init__("unknown_version", f"{record} version {found} {detail}")


class SettingsError(DriftlineError):
    """A setting that does not parse or does not fit the others; the message names it and its source."""


class TopicsDiffer(DriftlineError):
    """Topics whose number of partitions is not the installation's."""


class ServerUnavailable(DriftlineError):
    """A server that does not answer; the message names the address and the setting it came from."""


class ChainBroken(DriftlineError):
    """A log of deltas with a gap, a repeat or a wrong order; the reader must catch up from a snapshot."""


class VersionRetired(DriftlineError):
    """A version that is no longer retained; the message names the command that rebuilds it."""


class VersionNotReached(DriftlineError):
    """A version that the log has not reached yet; the caller may wait for it."""


class SnapshotInvalid(DriftlineError):
    """A snapshot or checkpoint that is damaged, of an unknown format, or does not fit its manifest."""


class BadSource(DriftlineError):
    """A file whose format is not recognized or that lacks what a tweet needs; the message says what would help."""
