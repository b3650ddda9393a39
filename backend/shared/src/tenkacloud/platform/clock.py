"""How times are written. Pure: what time it is, only `runtime` knows."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """Return a time as RFC 3339, in UTC, with milliseconds: such times sort as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
