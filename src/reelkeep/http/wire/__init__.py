"""The S3 wire: the part of S3's HTTP by which clients and tools write and read local stores.

It knows signatures, policies and object facts, and touches no tenant table; access keys are looked up at
each request. `operations.py` lists what is spoken; everything else is answered `NotImplemented`.
"""

from reelkeep.http.wire.mount import wire_of
from reelkeep.http.wire.routes import wire_routes

__all__ = ["wire_of", "wire_routes"]
