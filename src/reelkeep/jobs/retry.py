"""When a job that failed is tried again."""

import asyncio
from datetime import timedelta

from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job

from reelkeep.clock import SystemClock

FIRST_DELAY_SECONDS = 4
DELAY_SECONDS_MAX = 600
DOUBLINGS_MAX = 8


class RetryWithBackOff(BaseRetryStrategy):
    """At once after an orderly stop; else after 4 s, 8 s, … up to every 10 minutes.

    Never given up: a job comes back only for what is not its recording's fault (a store that is away for a
    week), since each step bounds its own attempts and then ends. A job given up would leave a recording
    waiting for ever.
    """

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        """When to try again."""
        now = SystemClock().now()
        if isinstance(exception, JobAborted | asyncio.CancelledError):
            return RetryDecision(retry_at=now)
        delay = FIRST_DELAY_SECONDS * 2 ** min(job.attempts, DOUBLINGS_MAX)
        return RetryDecision(retry_at=now + timedelta(seconds=min(delay, DELAY_SECONDS_MAX)))
