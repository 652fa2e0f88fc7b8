"""The server itself: alive, ready, what it is, which engines it has."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from reelkeep import __version__
from reelkeep.accounts.identify import Caller
from reelkeep.accounts.setup import needs_first_administrator
from reelkeep.errors import EngineError
from reelkeep.http import schemas
from reelkeep.http.identity import requires, runtime_of
from reelkeep.http.readiness import look
from reelkeep.speech.choose import choose
from reelkeep.speech.protocol import Engine, Ready

router = APIRouter(prefix="/api", tags=["server"])

Reader = Annotated[Caller, Depends(requires("recordings.read"))]


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers; nothing else is looked at."""
    return {"status": "ok"}


@router.get("/health/ready", response_model=schemas.ReadyOut, responses={503: {"model": schemas.ReadyOut}})
async def ready(request: Request, response: Response) -> schemas.ReadyOut:
    """Database, stores and worker are there; 503 with the reason when not."""
    checks = await look(runtime_of(request))
    is_ready = all(check.ok or not check.needed for check in checks)
    response.status_code = 200 if is_ready else 503
    degraded = is_ready and not all(check.ok for check in checks)
    return schemas.ReadyOut(ready=is_ready, degraded=degraded, checks=checks)


@router.get("/v1/info", response_model=schemas.InfoOut)
async def info(request: Request) -> schemas.InfoOut:
    """What a page must know before anybody signs in."""
    runtime = runtime_of(request)
    async with runtime.database.directory() as session:
        first = await needs_first_administrator(session)
    return schemas.InfoOut(
        version=__version__,
        needs_first_administrator=first,
        max_file_size=runtime.settings.upload_size_bytes_max,
        content_types=list(runtime.settings.upload_content_types),
    )


@router.get("/v1/engines", response_model=schemas.EnginesOut)
async def engines(request: Request, _caller: Reader) -> schemas.EnginesOut:
    """The speech engines, best first, and which one is used."""
    runtime = runtime_of(request)
    found = await asyncio.to_thread(lambda: [engine_out(engine) for engine in runtime.engines])
    try:
        chosen = await asyncio.to_thread(
            choose, runtime.settings.engine, runtime.engines, runtime.settings.language
        )
    except EngineError as error:
        return schemas.EnginesOut(chosen=None, why=error.message, engines=found)
    return schemas.EnginesOut(chosen=chosen.engine.facts.name, why=chosen.why, engines=found)


def engine_out(engine: Engine) -> schemas.EngineOut:
    """One engine and whether it can be used now."""
    facts, state = engine.facts, engine.check()
    is_ready = isinstance(state, Ready)
    return schemas.EngineOut(
        name=facts.name,
        quality=facts.quality,
        languages=list(facts.languages),
        ready=is_ready,
        model=state.model if isinstance(state, Ready) else None,
        device=state.device if isinstance(state, Ready) else None,
        reason=None if isinstance(state, Ready) else state.reason,
        fix=None if isinstance(state, Ready) else state.fix,
    )
