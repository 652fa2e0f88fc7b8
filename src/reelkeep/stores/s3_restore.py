"""Asking an S3 service for bytes in an archive class, and how far it is (`x-amz-restore`).

https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
"""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

from reelkeep.errors import StoreError, StoreRefused
from reelkeep.stores.protocol import ColdFacts, ColdState
from reelkeep.stores.s3_requests import S3Requests

RESTORE = "x-amz-restore"
_ONGOING = re.compile(r'ongoing-request="(true|false)"')
_EXPIRY = re.compile(r'expiry-date="([^"]+)"')
#: It is being brought back already: what was asked for is done.
_UNDERWAY = "RestoreAlreadyInProgress"
_UNABLE = 501


async def ask_restore(requests: S3Requests, key: str, days: int, tier: str) -> None:
    """Ask for an object; see `RestoresCold.ask_restore`."""
    body = (
        '<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Days>{days}</Days><GlacierJobParameters><Tier>{tier}</Tier></GlacierJobParameters>"
        "</RestoreRequest>"
    )
    try:
        await requests.send("POST", key, query=[("restore", "")], body=body.encode())
    except StoreError as error:
        if error.details.get("s3_code") == _UNDERWAY:
            return
        if error.details.get("status") == _UNABLE:
            raise StoreRefused(
                f"The S3 service of the bucket {requests.bucket!r} cannot bring objects back from an archive "
                "class; take this class out of the placement rules.",
                bucket=requests.bucket,
                key=key,
            ) from error
        raise


async def cold_facts(requests: S3Requests, key: str) -> ColdFacts:
    """How far it is; see `RestoresCold.cold_facts`."""
    return read_restore((await requests.send("HEAD", key)).headers.get(RESTORE, ""))


def read_restore(header: str) -> ColdFacts:
    """What `x-amz-restore` says; empty: nothing was asked for, or its time is over."""
    ongoing, expiry = _ONGOING.search(header), _EXPIRY.search(header)
    if ongoing is None:
        return ColdFacts(ColdState.NOT_ASKED)
    if ongoing[1] == "true":
        return ColdFacts(ColdState.PENDING)
    until = parsedate_to_datetime(expiry[1]).astimezone(UTC) if expiry else None
    return ColdFacts(ColdState.READY, until)
