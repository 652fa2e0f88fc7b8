"""Set and show an organization's limits: the operator any, its own people only stricter ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.usage import Used, read_usage
from reelkeep.clock import new_id
from reelkeep.errors import Forbidden, Invalid
from reelkeep.events.append import append
from reelkeep.runtime import Runtime
from reelkeep.settings import OBJECT_BYTES_MAX, Settings
from reelkeep.uploads.limits import (
    ALL_TYPES,
    BY_TYPE,
    WHOLE,
    Limits,
    is_allowed,
    load_limits,
    merge_limits,
)
from reelkeep.uploads.models import UploadLimits


@dataclass(frozen=True, slots=True)
class Standing:
    """What was set for an organization, what holds for all types, and what is used of it."""

    rows: Sequence[UploadLimits]
    in_force: Limits
    used: Used


async def show_limits(runtime: Runtime, organization_id: UUID) -> Standing:
    """The organization's limits and usage as they are now."""
    query = (
        select(UploadLimits)
        .where(UploadLimits.organization_id == organization_id)
        .order_by(UploadLimits.recording_type)
    )
    async with runtime.database.work(organization_id) as session:
        rows = (await session.scalars(query)).all()
        used = await read_usage(session, organization_id)
    for_all = [row for row in rows if row.recording_type == ALL_TYPES]
    return Standing(rows, merge_limits(runtime.settings, for_all), used)


async def set_limits(
    runtime: Runtime,
    organization_id: UUID,
    recording_type: str,
    values: Mapping[str, Any],
    *,
    actor_user_id: UUID | None = None,
    by_operator: bool = False,
) -> None:
    """Write these limits for one recording type (empty: for all); a null is as the settings say.

    Names that are not given stay. Raises `INVALID_REQUEST` for what cannot be, and `FORBIDDEN` when somebody
    who is not the operator would loosen what protects the installation.
    """
    _check(runtime.settings, recording_type, values)
    async with runtime.database.work(organization_id) as session:
        before = await load_limits(session, runtime.settings, organization_id, recording_type)
        await _write(session, organization_id, recording_type, values)
        after = await load_limits(session, runtime.settings, organization_id, recording_type)
        if not by_operator:
            _refuse_looser(before, after, merge_limits(runtime.settings, ()))
        append(
            session,
            organization_id,
            "organization.limits_set",
            actor_user_id=actor_user_id,
            by_operator=by_operator,
        )


def _check(settings: Settings, recording_type: str, values: Mapping[str, Any]) -> None:
    if recording_type != ALL_TYPES and (misplaced := [n for n in WHOLE if values.get(n) is not None]):
        raise Invalid(
            f"{', '.join(misplaced)} counts for the whole organization; set it without a recording type.",
            fields=misplaced,
        )
    for pattern in values.get("content_types") or ():
        if pattern.count("/") != 1 or not pattern.isascii():
            raise Invalid(f"{pattern!r} is no content type; write it as audio/* or video/mp4.")
    if (values.get("size_bytes_max") or 0) > OBJECT_BYTES_MAX:
        raise Invalid(f"No store keeps more than {OBJECT_BYTES_MAX:,} bytes as one object.")
    if (values.get("duration_seconds_max") or 0) > settings.duration_seconds_max:
        raise Invalid(
            f"This installation takes no sound over {settings.duration_seconds_max:,} seconds; the operator "
            "raises that with REELKEEP_DURATION_SECONDS_MAX."
        )


async def _write(
    session: AsyncSession, organization_id: UUID, recording_type: str, values: Mapping[str, Any]
) -> None:
    given = {name: values[name] for name in (*BY_TYPE, *WHOLE) if name in values}
    if given.get("content_types"):
        given["content_types"] = [pattern.strip().lower() for pattern in given["content_types"]]
    row = insert(UploadLimits).values(
        organization_id=organization_id, id=new_id(), recording_type=recording_type, **given
    )
    keys = [UploadLimits.organization_id, UploadLimits.recording_type]
    changed = given or {"recording_type": recording_type}
    await session.execute(row.on_conflict_do_update(index_elements=keys, set_=changed))
    empty = [getattr(UploadLimits, name).is_(None) for name in (*BY_TYPE, *WHOLE)]
    await session.execute(
        delete(UploadLimits)
        .where(
            UploadLimits.organization_id == organization_id,
            UploadLimits.recording_type == recording_type,
            *empty,
        )
        .execution_options(synchronize_session=False)
    )


def _refuse_looser(before: Limits, after: Limits, settings: Limits) -> None:
    """Quota and rates stay as strict as they are; sizes, durations and types stay within the settings."""
    loose = [name for name in WHOLE if _more(getattr(after, name), getattr(before, name))]
    loose += [
        name
        for name in ("size_bytes_max", "duration_seconds_max")
        if getattr(after, name) > max(getattr(before, name), getattr(settings, name))
    ]
    if not all(_covered(pattern, before) or _covered(pattern, settings) for pattern in after.content_types):
        loose.append("content_types")
    if loose:
        raise Forbidden(
            f"{', '.join(loose)} can only be made stricter here; the operator loosens it with "
            "`reelkeep limits set`.",
            fields=loose,
        )


def _more(after: int | None, before: int | None) -> bool:
    if before is None or after == before:
        return False
    return after is None or after > before


def _covered(pattern: str, limits: Limits) -> bool:
    return pattern in limits.content_types or ("*" not in pattern and is_allowed(limits, pattern))
