"""Whose credentials a store uses: one pair, or two that overlap while keys are rotated."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reelkeep.errors import StoreRefused, StoreUnavailable
from reelkeep.stores.signer import Credentials

FindCredentials = Callable[[], Credentials]

#: How long the older credentials are used before the newer ones are tried again.
TRIED_AGAIN_SECONDS = 60.0
#: How long credentials that were taken are believed to be taken still.
SURE_SECONDS = 5.0
#: What a service says of credentials and not of a right that they lack.
_REFUSALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "InvalidSecurity",
    "AuthFailure",
    # A HEAD is refused without a word.
    "",
}


def refuses_credentials(error: StoreRefused) -> bool:
    """Whether a refusal may be about the credentials themselves."""
    return error.details.get("status") in (400, 401, 403) and error.details.get("s3_code") in _REFUSALS


class Overlapping:
    """Credentials in the order in which they are tried; those that were last taken sign what clients get.

    New signatures are made by the first. When a service refuses the first, the second one signs, and after
    a while a request of our own tries the first again: never a URL, whose refusal we would not see.
    """

    def __init__(self, *found: FindCredentials, now: Callable[[], float] = time.monotonic) -> None:
        self._found = found
        self._now = now
        self._taken = 0
        self._again_at = 0.0
        self._sure_until = 0.0

    def __call__(self) -> Credentials:
        """The credentials that were last taken."""
        return self._found[self._taken]()

    @property
    def several(self) -> bool:
        """Whether there is more than one pair."""
        return len(self._found) > 1

    @property
    def sure(self) -> bool:
        """Whether the service took these just now, or there are no others."""
        return not self.several or self._now() < self._sure_until

    @contextmanager
    def doubted(self) -> Iterator[None]:
        """Raise a refusal of the credentials as `StoreUnavailable` where there are others to try next."""
        try:
            yield
        except StoreRefused as error:
            if not self.several or not refuses_credentials(error):
                raise
            self._sure_until = 0.0
            raise StoreUnavailable(
                f"{error} The other credentials are tried next.", **error.details
            ) from error

    @property
    def taken(self) -> int:
        """Which pair was last taken; 0 is the first."""
        return self._taken

    def in_order(self) -> Iterator[tuple[int, FindCredentials]]:
        """Each pair with its number, the one to try first in front."""
        numbers = list(range(len(self._found)))
        if self._taken and self._now() < self._again_at:
            numbers.insert(0, numbers.pop(self._taken))
        return ((number, self._found[number]) for number in numbers)

    def took(self, number: int) -> None:
        """Note that the service takes this pair."""
        if number and (number != self._taken or self._now() >= self._again_at):
            self._again_at = self._now() + TRIED_AGAIN_SECONDS
        self._taken = number
        self._sure_until = self._now() + SURE_SECONDS
