"""Processor time of a signed URL and of an upload form, against botocore in the same run."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import boto3
from botocore.config import Config

from bench.figures import Report, median
from bench.registry import Setup
from reelkeep.stores.protocol import TicketLimits
from reelkeep.stores.signer import Credentials, Endpoint, Signer
from reelkeep.stores.tickets import SignedAccess

CALLS, ROUNDS = 500, 9
MICROSECONDS_MAX = 30.0
ENDPOINT, BUCKET, KEY = "https://s3.example.org", "recordings", "incoming/0190/0191/0192"
CREDENTIALS = Credentials("AKIAEXAMPLE", "a secret of forty characters, or nearly so")
COUNTED = (
    "Processor time of one call, median of nine rounds of 500, ours and botocore's in turn. The form carries "
    "key, type and size limits on both sides."
)


async def measure(setup: Setup) -> Report:
    """Sign in turns."""
    report = Report("signing", "Signed URLs and upload forms", COUNTED)
    pairs = {"signed GET": (_our_url(), _their_url()), "upload form": (_our_form(), _their_form())}
    for name, (ours, theirs) in pairs.items():
        taken: tuple[list[float], list[float]] = ([], [])
        for _ in range(2 if setup.quick else ROUNDS):
            for call, kept in zip((ours, theirs), taken, strict=True):
                kept.append(_microseconds(call))
        own, other = median(taken[0]), median(taken[1])
        report.add(f"{name}, Reelkeep", own, "µs", MICROSECONDS_MAX)
        report.add(f"{name}, botocore", other, "µs", note=f"{other / own:.1f} times as much")
    return report


def _microseconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - started) / CALLS * 1e6


def _signer() -> Signer:
    return Signer(Endpoint.from_url(ENDPOINT), "us-east-1", lambda: CREDENTIALS)


def _our_url() -> Callable[[], object]:
    return partial(_signer().presign, "GET", BUCKET, KEY, expires_in_seconds=3600)


def _our_form() -> Callable[[], object]:
    limits = TicketLimits(
        key=KEY, content_type="audio/mp4", size_bytes_min=1, size_bytes_max=5_000_000, expires_in_seconds=3600
    )
    return partial(SignedAccess(_signer(), BUCKET).post, limits)


def _their_client() -> Any:
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS.access_key,
        aws_secret_access_key=CREDENTIALS.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def _their_url() -> Callable[[], object]:
    where = {"Bucket": BUCKET, "Key": KEY}
    return partial(_their_client().generate_presigned_url, "get_object", Params=where, ExpiresIn=3600)


def _their_form() -> Callable[[], object]:
    return partial(
        _their_client().generate_presigned_post,
        BUCKET,
        KEY,
        Fields={"Content-Type": "audio/mp4"},
        Conditions=[{"Content-Type": "audio/mp4"}, ["content-length-range", 1, 5_000_000]],
        ExpiresIn=3600,
    )
