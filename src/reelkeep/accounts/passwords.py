"""Passwords: argon2id, worked out in threads of their own and never inside a unit of work."""

import asyncio
import base64
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from reelkeep.accounts.common_passwords import COMMON_PASSWORDS
from reelkeep.errors import ErrorCode, Invalid, ReelkeepError
from reelkeep.transactions import refuse_inside_unit_of_work

LENGTH_MIN = 10
LENGTH_MAX = 1024
DISTINCT_CHARACTERS_MIN = 5
#: Each hash takes 64 MiB for about a tenth of a second.
HASHES_AT_ONCE = 2
HASHES_WAITING_MAX = 30

_Result = TypeVar("_Result")
_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


class HashingThreads:
    """A few threads with a bounded queue before them."""

    def __init__(self, at_once: int, waiting_max: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="argon2")
        self._places = BoundedSemaphore(at_once + waiting_max)

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """The result of `work`, done in a thread; `RATE_LIMITED` when the queue is full."""
        refuse_inside_unit_of_work("hashing a password")
        if not self._places.acquire(blocking=False):
            raise ReelkeepError(
                "Too many people are signing in at once. Try again in a few seconds.",
                ErrorCode.RATE_LIMITED,
                retry_after_seconds=3,
            )
        future = self._threads.submit(work)
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def _leave(self, _future: "Future[_Result]") -> None:
        self._places.release()


_threads = HashingThreads(HASHES_AT_ONCE, HASHES_WAITING_MAX)


async def hash_password(password: str) -> str:
    """The argon2id hash of a password, with its salt and parameters in it (RFC 9106, section 4)."""
    return await _threads.run(lambda: _hasher.hash(_one_spelling(password)))


async def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed.

    Without a hash (no such user, or no password set yet) the same work is done and the answer is no, so
    that the time taken does not tell who has an account.
    """
    return await _threads.run(lambda: _matches(password_hash or _HASH_OF_NOTHING, password))


def needs_rehash(password_hash: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def refuse_weak_password(password: str, email: str) -> None:
    """Raise `PASSWORD_TOO_WEAK` for a password that is short, well known, or the person's own address."""
    spelled = _one_spelling(password)
    lowered = spelled.casefold()
    if len(spelled) < LENGTH_MIN:
        raise _too_weak(f"This password is too short: use at least {LENGTH_MIN} characters.")
    if len(spelled) > LENGTH_MAX:
        raise _too_weak(f"This password is too long: use at most {LENGTH_MAX} characters.")
    if lowered in (email.casefold(), email.casefold().partition("@")[0]):
        raise _too_weak("This password is your e-mail address. Choose another one.")
    if lowered in COMMON_PASSWORDS or len(set(lowered)) < DISTINCT_CHARACTERS_MIN:
        raise _too_weak("This password is easy to guess. Choose one that nobody else would think of.")


def _too_weak(message: str) -> Invalid:
    return Invalid(message, ErrorCode.PASSWORD_TOO_WEAK, length_min=LENGTH_MIN, length_max=LENGTH_MAX)


def _one_spelling(password: str) -> str:
    # A phone and a laptop may send the same letters as different code points (RFC 8265, section 4.2).
    return unicodedata.normalize("NFC", password)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, _one_spelling(password))
    except VerifyMismatchError:
        return False


def _hash_of_nothing() -> str:
    """A hash that no password has: random bytes under today's parameters."""
    salt, digest = (
        base64.b64encode(os.urandom(length)).rstrip(b"=").decode()
        for length in (_hasher.salt_len, _hasher.hash_len)
    )
    costs = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


_HASH_OF_NOTHING = _hash_of_nothing()
