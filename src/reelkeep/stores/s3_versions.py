"""Older versions of objects in an S3 bucket: told and removed.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

import time
import xml.etree.ElementTree as ET
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

from reelkeep.errors import StoreRefused
from reelkeep.stores.protocol import VersionFacts, Versioning
from reelkeep.stores.s3_requests import STANDARD, S3Requests

#: Told in the answer to a DELETE by a bucket that keeps what was deleted, and by no other. Ceph (16) leaves
#: it out where a marker lies there already: its absence proves nothing in a bucket that may keep versions.
VERSION_ID = "x-amz-version-id"
#: A bucket is asked again after so long whether it keeps versions.
ASKED_AGAIN_SECONDS = 600
_MARKER = "DeleteMarker"
_UNABLE = (405, 501)


class S3Versions:
    """The versions of one bucket; keys here are those of the service."""

    def __init__(self, requests: S3Requests) -> None:
        self._requests = requests
        self._keeps, self._known_until = True, float("-inf")

    async def versioning(self) -> Versioning:
        """Whether the bucket keeps older versions; see `KeepsVersions.versioning`."""
        requests = self._requests
        try:
            answer = await requests.send("GET", None, query=[("versioning", "")])
        except StoreRefused as error:
            return Versioning.OFF if error.details.get("status") in _UNABLE else Versioning.UNKNOWN
        status = requests.parse(answer).findtext("{*}Status") or ""
        return {"Enabled": Versioning.ON, "Suspended": Versioning.SUSPENDED}.get(status, Versioning.OFF)

    async def listed(self, key: str) -> AsyncGenerator[VersionFacts, None]:
        """The bytes that were ever written under a key and are still kept, the newest first."""
        async with aclosing(self._entries(key)) as entries:
            async for entry in entries:
                if not entry.tag.endswith(_MARKER):
                    yield _facts(entry)

    async def delete(self, key: str) -> bool:
        """Remove an object, its older versions and their markers; see `delete_with_versions`."""
        may_keep = await self._may_keep()
        told = VERSION_ID in (await self._requests.send("DELETE", key)).headers
        if not may_keep and not told:
            return True
        try:
            async with aclosing(self._entries(key)) as entries:
                found = [entry.findtext("{*}VersionId") or "null" async for entry in entries]
        except StoreRefused:
            return not told
        try:
            # The newest, a marker, last: until then no older one is the object.
            for version_id in reversed(found):
                await self._requests.send("DELETE", key, query=[("versionId", version_id)])
        except StoreRefused:
            return False
        return True

    async def _may_keep(self) -> bool:
        """Whether there may be older versions; a bucket that once kept them is never again without."""
        if time.monotonic() >= self._known_until:
            self._keeps = await self.versioning() != Versioning.OFF
            self._known_until = time.monotonic() + ASKED_AGAIN_SECONDS
        return self._keeps

    async def _entries(self, key: str) -> AsyncGenerator[ET.Element, None]:
        """Versions and markers of one key, the newest first; the longer keys of its prefix come after."""
        requests = self._requests
        marker: list[tuple[str, str]] = []
        while True:
            query = [("versions", ""), ("prefix", key), *marker]
            page = requests.parse(await requests.send("GET", None, query=query))
            keys = {entry.findtext("{*}Key") for entry in page} - {None}
            for entry in page:
                if entry.findtext("{*}Key") == key:
                    yield entry
            if page.findtext("{*}IsTruncated") != "true" or keys - {key}:
                return
            marker = [
                ("key-marker", page.findtext("{*}NextKeyMarker") or ""),
                ("version-id-marker", page.findtext("{*}NextVersionIdMarker") or ""),
            ]


def _facts(entry: ET.Element) -> VersionFacts:
    def text(name: str) -> str:
        return entry.findtext("{*}" + name) or ""

    return VersionFacts(
        version_id=text("VersionId") or "null",
        size_bytes=int(text("Size")),
        modified_at=datetime.fromisoformat(text("LastModified")),
        storage_class=text("StorageClass") or STANDARD,
    )
