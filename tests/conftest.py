"""Fixtures that every test may ask for."""

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.ceph",
    "tests.fixtures.database",
    "tests.fixtures.runtime",
    "tests.fixtures.server",
    "tests.fixtures.wire",
    "tests.fixtures.iphone",
]
