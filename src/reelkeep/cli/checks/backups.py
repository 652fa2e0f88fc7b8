"""Backups: one failed, one is late, or nobody makes any."""

from reelkeep.backups.standing import look_at_backups
from reelkeep.cli.checks.finding import Finding, State
from reelkeep.cli.output import age_text
from reelkeep.runtime import Runtime

NONE_FIX = (
    "Set REELKEEP_BACKUP_STORE and REELKEEP_BACKUP_EVERY_HOURS, or run `reelkeep backup` by a timer; "
    "docs/backup.md says how."
)


async def backups_finding(runtime: Runtime) -> Finding:
    """How the newest backups stand."""
    standing = await look_at_backups(runtime)
    if standing.problem is not None:
        return Finding("backups", State.WARNING, standing.problem, standing.fix)
    if standing.last_whole is None:
        if standing.is_scheduled:
            return Finding("backups", State.OK, "the first one is made within minutes of a worker's start")
        return Finding("backups", State.WARNING, "There is none, and none is made by itself.", NONE_FIX)
    now = runtime.clock.now()
    told = f"the newest is {age_text(standing.last_whole.started_at, now)} old"
    drilled = standing.last_drilled
    if drilled is None or drilled.drilled_at is None:
        return Finding("backups", State.OK, f"{told}; none was ever restored: `reelkeep backup drill`")
    return Finding(
        "backups", State.OK, f"{told}; one was last restored {age_text(drilled.drilled_at, now)} ago"
    )
