"""The server's part of the key with which a browser encrypts what it keeps on a shared computer.

The browser's own part lies in its profile, where somebody else at the computer may find it. This one is told
to whoever is signed in, and the browser keeps it in memory alone: neither opens anything without the other.
It is derived, so that a restored backup gives the same.
"""

import base64
import hmac
from uuid import UUID

#: What the installation's secret is asked for.
RECORDER_SECRET = "recorder secret"


def recorder_secret(key: bytes, user_id: UUID, organization_id: UUID) -> str:
    """32 bytes in URL-safe base64: the same for one person in one organization, each time."""
    told = hmac.digest(key, organization_id.bytes + user_id.bytes, "sha256")
    return base64.urlsafe_b64encode(told).decode()
