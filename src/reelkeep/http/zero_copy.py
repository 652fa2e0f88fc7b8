"""Files that go to the client inside the kernel, for uvicorn: ASGI's `http.response.zerocopysend`.

uvicorn knows no such message. Ours may have a `sent`, which is called with the bytes that have gone. They are
pushed by a thread, since a file may have to be read from the disk first; while the client is behind, only the
event loop waits.
"""

import asyncio
import os
import select
import time
from collections.abc import Callable

from starlette.types import Scope

EXTENSION = "http.response.zerocopysend"
#: One turn of a thread: how long it pushes at most, and how long it waits for a client that is behind.
TURN_SECONDS, BEHIND_MILLISECONDS = 0.1, 5
#: What one call of the kernel sends at most.
PUSH_BYTES = 8 * 1024 * 1024
#: A client that takes nothing for so long is given up.
STALL_SECONDS_MAX = 300.0


def can_zero_copy(scope: Scope) -> bool:
    """Whether this request's answer may hold `http.response.zerocopysend`."""
    return EXTENSION in (scope.get("extensions") or {})


async def send_file(
    connection: int,
    file: int,
    part: range,
    is_gone: Callable[[], bool],
    told: Callable[[int], None],
) -> None:
    """Send a part of a file over a connected socket, both named by their descriptors; each push is `told`.

    Nothing else may be on its way out of the socket. Ends early when the client is gone. Raises `EOFError`
    when the file ends before, `TimeoutError` when the client takes nothing for `STALL_SECONDS_MAX`.
    """
    # Ours alone: the transport may close its own while a thread still pushes.
    out, source = os.dup(connection), os.dup(file)
    pushing: asyncio.Future[int] | None = None
    loop = asyncio.get_running_loop()
    offset, end = part.start, part.stop
    try:
        while offset < end and not is_gone():
            pushing = loop.run_in_executor(None, _push, out, source, offset, end - offset)
            sent = await asyncio.shield(pushing)
            told(sent)
            offset += sent
            if not sent:
                await _writable(loop, out)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the transport notices it, too
    finally:
        _close_after(pushing, out, source)


def _push(out: int, file: int, offset: int, count: int) -> int:
    """In a thread: send until the client is behind or the turn is over; how many bytes went."""
    sent, over = 0, time.monotonic() + TURN_SECONDS
    poll = select.poll()
    poll.register(out, select.POLLOUT)
    while sent < count and time.monotonic() < over:
        try:
            pushed = os.sendfile(out, file, offset + sent, min(PUSH_BYTES, count - sent))
        except BlockingIOError:
            if not poll.poll(BEHIND_MILLISECONDS):
                break
            continue
        except (BrokenPipeError, ConnectionResetError):
            if not sent:
                raise
            break  # what went before counts
        if not pushed:
            raise EOFError(f"the file ends at byte {offset + sent}, {count - sent} before its end")
        sent += pushed
    return sent


async def _writable(loop: asyncio.AbstractEventLoop, out: int) -> None:
    ready = asyncio.Event()
    loop.add_writer(out, ready.set)
    try:
        async with asyncio.timeout(STALL_SECONDS_MAX):
            await ready.wait()
    finally:
        loop.remove_writer(out)


def _close_after(pushing: "asyncio.Future[int] | None", *descriptors: int) -> None:
    """Close them when no thread uses them any more."""

    def close(done: "asyncio.Future[int] | None" = None) -> None:
        for descriptor in descriptors:
            os.close(descriptor)
        if done is not None and not done.cancelled():
            done.exception()  # whoever waited for it has left

    if pushing is None or pushing.done():
        close()
    else:
        pushing.add_done_callback(close)
