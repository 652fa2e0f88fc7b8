"""tus 1.0, the open protocol for resumable uploads: creation and what goes on at an upload's own address.

    POST /api/v1/uploads/tus             begins an upload; the caller needs the right to write recordings
    HEAD, PATCH, DELETE …/tus/ADDRESS    goes on with one; the address is the authority

Source: https://tus.io/protocols/resumable-upload, version 1.0.0. What clients do where it is silent:
tus-js-client 4 and Uppy drop an upload and begin at zero when HEAD answers 5xx, or 4xx other than 423; they
try a PATCH again after 409, 423 and 5xx only. tus-java-client tries again after 423 and 5xx.
"""

from reelkeep.http.tus.routes import tus_routes

__all__ = ["tus_routes"]
