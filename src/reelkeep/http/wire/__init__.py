"""The S3 wire: the part of S3's HTTP that lets clients write and read local stores by signed URLs.

It knows signatures, policies and object facts, and touches no database. Multipart uploads are not spoken
yet: their query parameters are answered `NotImplemented`.
"""

from reelkeep.http.wire.routes import wire_routes

__all__ = ["wire_routes"]
