"""The sessions on disk over HTTP: listed and exported. To take one up or delete it is a route
of the session's own."""

from __future__ import annotations

import shutil

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from app.web.guard import Rules
from app.web.rooms import NOT_HERE, NoRoom, Rooms
from app.web.shelf import Kept


class Mine(BaseModel):
    """The sessions that one knows of."""

    ids: list[str] = Field([], max_length=200)


def routes(rooms: Rooms, rules: Rules) -> APIRouter:
    """The routes. Who knows a session's id may have it; who sits at the server's own machine,
    where no password is set, may see all there are."""
    router = APIRouter(tags=["sessions on disk"])
    shelf = rooms.shelf

    @router.post("/sessions/list", summary="What is kept of these sessions; at home, of all")
    def list_(body: Mine, request: Request) -> dict[str, object]:
        at_home = rules.at_home(request.headers)
        found = shelf.found(None if at_home else body.ids)
        now = {room.name for room in rooms.now}
        return {
            "sessions": [_told(each, each.id in now) for each in found],
            "all": at_home,
            "keep_days": rooms.keep_days,
        }

    @router.get(
        "/sessions/{session}/export.zip",
        summary="All that is kept of it: JSON lines and thumbnails",
        response_class=FileResponse,
        responses={200: {"content": {"application/zip": {}}}},
    )
    def export(session: str) -> FileResponse:
        if not shelf.holds(session):
            raise NoRoom(NOT_HERE)
        packed = shelf.pack(session)
        return FileResponse(
            packed,
            media_type="application/zip",
            filename=f"onlooker-{session[:6]}.zip",
            background=BackgroundTask(shutil.rmtree, packed.parent, ignore_errors=True),
        )

    return router


def _told(kept: Kept, open_now: bool) -> dict[str, object]:
    info = kept.info
    return {
        "id": kept.id,
        "name": kept.name,
        "kind": kept.kind,
        "used": kept.used,
        "created": info.created,
        "end": info.start + info.duration,
        "segments": info.segments,
        "questions": info.turns,
        "bytes": info.bytes,
        "open": open_now,
        "problem": info.problem,
    }
