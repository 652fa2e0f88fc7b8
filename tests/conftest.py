"""Fixtures that every test may ask for."""

from reelkeep.logs import configure_logs

# As every process of ours begins; the library's own default draws seconds of stack for each failure.
configure_logs("WARNING")

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.ceph",
    "tests.fixtures.database",
    "tests.fixtures.runtime",
    "tests.fixtures.server",
    "tests.fixtures.wire",
    "tests.fixtures.iphone",
]
