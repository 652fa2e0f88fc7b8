"""Fixtures that every test may ask for."""

import structlog

from reelkeep.logs import configure_logs

# As every process of ours begins; the library's own default draws seconds of stack for each failure.
configure_logs("WARNING")
# Or `capture_logs` misses the loggers that were used before it.
structlog.configure(cache_logger_on_first_use=False)

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.ceph",
    "tests.fixtures.database",
    "tests.fixtures.runtime",
    "tests.fixtures.server",
    "tests.fixtures.soundcard",
    "tests.fixtures.webkit",
    "tests.fixtures.wire",
    "tests.fixtures.iphone",
]
