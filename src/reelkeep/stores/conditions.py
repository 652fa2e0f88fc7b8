"""Conditions under which an object may be written: S3's `If-None-Match: *` and `If-Match` on PUT."""

from dataclasses import dataclass

from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.refusals import S3Refusal


@dataclass(frozen=True, slots=True)
class OnlyIf:
    """What a key must hold for a write to happen; checked in the step that makes the write visible."""

    #: Nothing: `If-None-Match: *`.
    absent: bool = False
    #: An object with this tag: `If-Match`.
    etag: str | None = None

    def check(self, present: ObjectFacts | None) -> None:
        """Refuse when the key holds something else."""
        if self.absent and present is not None:
            raise _failed("If-None-Match")
        if self.etag is not None and present is None:
            raise S3Refusal("NoSuchKey", "The specified key does not exist.")
        if self.etag is not None and present is not None and self.etag not in ("*", present.etag):
            raise _failed("If-Match")


ALWAYS = OnlyIf()


def _failed(condition: str) -> S3Refusal:
    return S3Refusal(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        Condition=condition,
    )
