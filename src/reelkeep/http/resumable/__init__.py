"""Resumable Uploads for HTTP, the IETF's draft that iPhones speak of themselves.

    POST /api/v1/recordings/upload            begins one; answers as if it had been one plain request
    HEAD, PATCH, DELETE …/uploads/resumable/  goes on with one, at its own address, which is its authority

Source: draft-ietf-httpbis-resumable-upload, drafts 01 (interop version 3) to 12 (interop version 8).
"""
