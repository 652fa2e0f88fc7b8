"""When a job that failed is tried again."""

import asyncio
from datetime import timedelta

from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job

from reelkeep.clock import SystemClock

FIRST_DELAY_SECONDS = 4
DELAY_SECONDS_MAX = 600
ATTEMPTS_MAX = 20


class RetryWithBackOff(BaseRetryStrategy):
    """At once after an orderly stop; else after 4 s, 8 s, … up to 10 minutes, 20 times at most."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """When to try again, or None: never."""
        now = SystemClock().now()
        if isinstance(exception, JobAborted | asyncio.CancelledError):
            return RetryDecision(retry_at=now)
        if job.attempts >= ATTEMPTS_MAX:
            return None
        delay = min(FIRST_DELAY_SECONDS * 2**job.attempts, DELAY_SECONDS_MAX)
        return RetryDecision(retry_at=now + timedelta(seconds=delay))


def is_last_attempt(job_attempts: int) -> bool:
    """Whether a job that has failed so many times before will not be tried again if it fails now."""
    return job_attempts >= ATTEMPTS_MAX
