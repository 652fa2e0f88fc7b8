"""What uvicorn lacks: interim responses (`104`) while a request is under way, and an end without an answer.

uvicorn knows no other message than the final answer. This protocol gives each request's scope an extension
with which a handler may send a response of the 1xx kind, or close the connection. It reaches into uvicorn's
httptools protocol; `tests/service/test_interim.py` fails where a new uvicorn has changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from reelkeep.http.protocol import BodyProtocol

EXTENSION = "reelkeep.interim"
REASONS = {104: "Upload Resumption Supported"}


@dataclass(frozen=True, slots=True)
class Interim:
    """What a handler may do besides answering."""

    _cycle: RequestResponseCycle

    def send(self, status: int, headers: Mapping[str, str]) -> bool:
        """Send a 1xx response now; False when it cannot be sent (any more). `100 Continue` comes as ever."""
        cycle = self._cycle
        if cycle.response_started or cycle.disconnected:
            return False
        lines = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{name}: {v}" for name, v in headers.items())]
        if any(character in line for line in lines for character in "\r\n\0"):
            raise ValueError("a header's value would break the response")
        cycle.transport.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        return True

    def close(self) -> None:
        """Close the connection after what was sent; the client sees that it broke off."""
        self._cycle.transport.close()


class InterimProtocol(BodyProtocol):
    """HTTP/1.1 for uvicorn, with `Interim` in the scope's extensions."""

    def on_headers_complete(self) -> None:
        """Called by the parser: the head of a request is read, and its handler is about to be run."""
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            scope: Scope = cycle.scope  # type: ignore[assignment]
            scope["extensions"] = {**(scope.get("extensions") or {}), EXTENSION: Interim(cycle)}


def interim_of(scope: Scope) -> Interim | None:
    """The extension of this request; None where interim responses are off, and for clients of HTTP/1.0."""
    found: Interim | None = (scope.get("extensions") or {}).get(EXTENSION)
    return found if scope["http_version"] == "1.1" else None
