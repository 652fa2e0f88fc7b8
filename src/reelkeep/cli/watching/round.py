"""Round after round: look, take what is whole, put it away, tell what became of it."""

import asyncio
import errno
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from reelkeep.cli.output import print_error, print_note, print_text
from reelkeep.cli.watching.away import Places, put_away
from reelkeep.cli.watching.folder import Folder, Found
from reelkeep.cli.watching.journal import Entry
from reelkeep.cli.watching.take import Taker, Vanished
from reelkeep.errors import ErrorCode, ReelkeepError

LOOK_SECONDS_MAX = 2.0
#: After a failure that may pass a file is left alone for so long, then twice as long, up to the last.
PAUSE_SECONDS, PAUSE_SECONDS_MAX = 5.0, 300.0


@dataclass(slots=True)
class Told:
    """What people or programs are told, one line for each file."""

    as_json: bool
    taken: int = 0
    failed: int = 0

    def end(self, entry: Entry) -> None:
        """A file is a recording now, or cannot be one."""
        self.taken += entry.failure is None
        self.failed += entry.failure is not None
        code, message = entry.failure or (None, None)
        outcome = "failed" if entry.failure else "recorded"
        self._tell(entry.path, outcome, None if entry.failure else str(entry.recording_id), code, message)

    def wait(self, path: Path, error: ReelkeepError) -> None:
        """A file could not be taken now, and will be tried again."""
        self._tell(path, "waiting", None, error.code, error.message)

    def _tell(
        self, path: Path, outcome: str, recording_id: str | None, code: str | None, message: str | None
    ) -> None:
        name = os.fsencode(path).decode("utf-8", "replace")
        if self.as_json:
            error = {"message": message, "error_code": code} if code else None
            line = {"file": name, "outcome": outcome, "recording_id": recording_id, "error": error}
            print_text(json.dumps(line, ensure_ascii=False))
        elif code:
            again = "; it is tried again" if outcome == "waiting" else ""
            print_error(f"{name}: {message}{again}", code)
        else:
            print_text(f"{recording_id}  {name}")


@dataclass(slots=True)
class Pause:
    """Until when a file is left alone."""

    until: float = 0.0
    seconds: float = PAUSE_SECONDS


@dataclass(slots=True)
class Watch:
    """A watched folder and all that works on it."""

    folder: Folder
    taker: Taker
    places: Places
    told: Told
    _pauses: dict[Path, Pause] = field(default_factory=dict)

    async def run(self, *, once: bool) -> int:
        """Watch until cancelled; with `once` until nothing is left that can be taken now. An exit code."""
        if not self.told.as_json and not once:
            print_note(f"Watching {self.folder.root}. Ctrl-C stops.")
        await self.taker.recover()
        await self._put_away_all()
        waiting: set[Path] = set()
        deadline = time.monotonic() + self.folder.settle_seconds + LOOK_SECONDS_MAX
        while True:
            whole, unsettled = await asyncio.to_thread(self.folder.look)
            for found in whole:
                if self._is_due(found.path) and not await self._one(found):
                    waiting.add(found.path)
            left = [found for found in whole if found.path not in waiting]
            if once and not left and (not unsettled or time.monotonic() > deadline):
                return 1 if self.told.failed or waiting or unsettled else 0
            await asyncio.sleep(min(max(self.folder.settle_seconds / 4, 0.05), LOOK_SECONDS_MAX))

    async def _one(self, found: Found) -> bool:
        """Take one file and put it away; False when that is to be tried again."""
        try:
            before = self.taker.journal.entries.get(found.path)
            entry = await self.taker.take(found)
            if entry is not before:
                self.told.end(entry)
            await asyncio.to_thread(put_away, self.taker.journal, self.places, entry)
        except Vanished:
            await self.taker.recover()
            return True
        except ReelkeepError as error:
            self._leave_alone(found.path, error)
            return False
        except OSError as error:
            self._leave_alone(found.path, _told_of(error))
            return False
        self._pauses.pop(found.path, None)
        return True

    async def _put_away_all(self) -> None:
        """What an earlier watcher had brought in and not put away."""
        for entry in [entry for entry in self.taker.journal.entries.values() if entry.ended]:
            self.told.end(entry)
            try:
                await asyncio.to_thread(put_away, self.taker.journal, self.places, entry)
            except OSError as error:
                self._leave_alone(entry.path, _told_of(error))

    def _is_due(self, path: Path) -> bool:
        return time.monotonic() >= self._pauses.get(path, Pause()).until

    def _leave_alone(self, path: Path, error: ReelkeepError) -> None:
        pause = self._pauses.setdefault(path, Pause())
        pause.until = time.monotonic() + pause.seconds
        pause.seconds = min(2 * pause.seconds, PAUSE_SECONDS_MAX)
        self.told.wait(path, error)


def _told_of(error: OSError) -> ReelkeepError:
    place = error.filename2 or error.filename or "the folder"
    return ReelkeepError(
        f"{place}: {error.strerror}.", ErrorCode.STORE_FULL if error.errno == errno.ENOSPC else None
    )
