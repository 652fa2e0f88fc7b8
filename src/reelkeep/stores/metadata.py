"""What an object carries beside its bytes, by name: S3's user metadata, where our own names have a prefix."""

from collections.abc import Mapping

#: How the names begin under which Reelkeep describes an object; nobody else may write such a one.
OURS = "reelkeep-"


def described(description: Mapping[str, str]) -> dict[str, str]:
    """A description as metadata."""
    return {OURS + name: value for name, value in description.items()}


def description_in(metadata: Mapping[str, str]) -> dict[str, str]:
    """The description that metadata hold."""
    return {name.removeprefix(OURS): value for name, value in metadata.items() if name.startswith(OURS)}


def others_in(metadata: Mapping[str, str]) -> dict[str, str]:
    """What somebody else wrote."""
    return {name: value for name, value in metadata.items() if not name.startswith(OURS)}
