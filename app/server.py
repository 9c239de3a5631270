"""Onlooker over HTTP: health, metrics, sessions, questions as server-sent events.

With a server on port 7860 (``python launch.py web``)::

    curl localhost:7860/health
    curl localhost:7860/metrics
    curl -X POST localhost:7860/sessions -H 'Content-Type: application/json' \\
         -d '{"source": "sample"}'
    curl -N localhost:7860/sessions/ID/events
    curl -N -X POST localhost:7860/sessions/ID/ask -H 'Content-Type: application/json' \\
         -d '{"question": "What is the cat called?"}'
    curl -X POST localhost:7860/sessions/ID/standing -H 'Content-Type: application/json' \\
         -d '{"question": "tell me when you hear the word rocket"}'
    curl -X DELETE localhost:7860/sessions/ID

``/docs`` lists all of it, ``/openapi.json`` describes it for programs.
"""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from anyio import CancelScope, to_thread
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from app.timeline import record
from app.web import door, live, looking, shelf_http, view
from app.web.addresses import AddressError
from app.web.guard import Rules
from app.web.metrics import Metrics
from app.web.room import Room, RoomError
from app.web.rooms import Full, NoRoom, Rooms
from app.web.webhook import Webhook
from memory.store import StoreError
from models.media import GazeSample
from pipeline.answer import Answer, AskError
from pipeline.sources.source import SourceError
from pipeline.standing import Firing

LARGEST_LIVE = 8 * 1024 * 1024
"""Bytes of one body of captured media."""

LONGEST_SPEECH = 60
"""Seconds of a spoken question."""

LONGEST_GAZE = 60.0
"""Seconds of recorded gaze that are given at once."""

POLL = 0.15
FIGURES_EVERY = 1.0
RECENT = 300
"""Events that one who begins to look on is told of what went before."""

MOST_SEGMENTS = 120


class Start(BaseModel):
    """What is to be watched."""

    source: str = Field(
        description='"sample", "camera" (media is then sent to /live), a path, or rtsp://...'
    )
    ticket: str | None = Field(None, description="From an answer 429: keeps the place in line.")


class Question(BaseModel):
    """A question about what was seen and heard."""

    question: str
    options: list[str] = Field([], max_length=26, description="Choose one of these.")
    at: float | None = Field(None, description="As of this stream second; by default now.")


class Wait(BaseModel):
    """Something to be told of when it happens."""

    question: str
    webhook: str | None = Field(None, description="Where to POST each firing.")
    secret: str = Field("", description="Signs what is posted (HMAC-SHA256).")


class Played(BaseModel):
    """Where the one who plays the file is."""

    position: float | None = Field(None, ge=0)
    playing: bool


Moment = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Coordinate = Annotated[float, Field(ge=0, le=1)]


class Looked(BaseModel):
    """Where somebody's pointer was on the picture."""

    sender: str = Field(max_length=40, description="Whose order the number counts in.")
    number: int = Field(ge=0, description="Of this batch; sent again, it counts once.")
    samples: list[tuple[Moment, Coordinate | None, Coordinate | None]] = Field(
        max_length=2000,
        description="Each [stream seconds of the picture, x, y], normalised; null elsewhere.",
    )


class Service:
    """What the routes share.

    Args:
        sample: the clip that ``"sample"`` stands for.
        fired: told of every firing, with the session's id.
    """

    def __init__(
        self,
        rooms: Rooms,
        sample: Path,
        rules: Rules,
        fired: Callable[[Mapping[str, object]], None] = lambda document: None,
    ) -> None:
        self.rooms = rooms
        self.sample = sample
        self.rules = rules
        self.metrics = Metrics(rooms)
        self._fired = fired
        rooms.tell = self._firing

    def _firing(self, room: Room, firing: Firing) -> None:
        self.metrics.fired()
        self._fired(view.firing(firing, room.name))

    def say(self, room: Room, answer: Answer) -> Iterator[str]:
        """The pieces of ``answer``, counted."""
        try:
            yield from room.say(answer)
        except Exception:
            self.metrics.failed()
            raise
        self.metrics.answered(answer)


def build(service: Service) -> FastAPI:
    """The HTTP side of a server, ready for the page to be mounted beside it."""
    app = FastAPI(
        title="Onlooker",
        summary="Watches and listens to a live video stream and answers questions about it.",
        version="1",
        docs_url=None,
        redoc_url=None,
    )
    rooms = service.rooms

    def room_of(session: str) -> Room:
        return rooms.get(session)

    _explain(app)

    @app.get("/health", tags=["server"], summary="The server runs")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", tags=["server"], summary="Models are loaded, and there is room")
    def ready(response: Response) -> dict[str, object]:
        free = rooms.most - len(rooms.now)
        if free <= 0:
            response.status_code = 503
        facts = {key: str(value) for key, value in service.rooms.engine.facts.items()}
        return {"ready": free > 0, "free": max(0, free), "engine": facts}

    @app.get("/metrics", tags=["server"], summary="Figures for Prometheus")
    def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(_docs(app.openapi()))

    @app.post("/sessions", tags=["sessions"], status_code=201, summary="Watch something")
    def start(body: Start, request: Request) -> dict[str, object]:
        wanted = door.wanted(body.source, service.sample, service.rules, request.headers)
        room = rooms.open(wanted, body.ticket)
        if not room.live:
            room.playhead.play()
        return {"id": room.name, "name": room.wanted.name}

    @app.get("/sessions/{session}", tags=["sessions"], summary="A session's live figures")
    def figures(session: str) -> dict[str, object]:
        room = room_of(session)
        return {**room.figures(), "standing": _standing(room)}

    @app.delete("/sessions/{session}", tags=["sessions"], status_code=204, summary="Close it")
    def leave(
        session: str,
        forget: Annotated[bool, Query(description="Delete all that was seen, too.")] = False,
    ) -> None:
        rooms.leave(session, forget)

    @app.post("/sessions/{session}/resume", tags=["sessions"], summary="Take it up from disk")
    def resume(
        session: str,
        ticket: str | None = None,
        watch: Annotated[bool, Query(description="Else it is only asked about.")] = True,
    ) -> dict[str, object]:
        return {"id": rooms.resume(session, ticket, watch).name}

    @app.post("/sessions/{session}/stop", tags=["sessions"], summary="End watching; still ask")
    def stop(session: str) -> dict[str, object]:
        room = room_of(session)
        room.stop()
        return room.figures()

    @app.post("/sessions/{session}/playhead", tags=["sessions"], summary="Where the file plays")
    def playhead(session: str, body: Played) -> dict[str, object]:
        room = room_of(session)
        room.play(body.position, body.playing)
        return {"position": room.playhead.position}

    @app.get(
        "/sessions/{session}/events",
        tags=["sessions"],
        summary="What is seen and heard, as it happens",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def events(session: str, request: Request) -> StreamingResponse:
        room = room_of(session)
        epoch, _, seen = request.headers.get("last-event-id", "").partition("-")
        after = int(seen) if epoch == room.epoch and seen.isdigit() else None
        return _stream(_events(room, after))

    @app.post(
        "/sessions/{session}/ask",
        tags=["sessions"],
        summary="Ask: pieces of the answer, then all of it with its evidence and cost",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def ask(session: str, body: Question) -> StreamingResponse:
        room = room_of(session)
        options = [option.strip() for option in body.options]
        if options and (len(options) < 2 or not all(options)):
            raise RoomError("give at least two options, none of them empty")
        answer = await to_thread.run_sync(lambda: room.ask(body.question, options, body.at))
        return _stream(_answer(service, room, answer))

    @app.post("/sessions/{session}/hush", tags=["sessions"], summary="Stop answering")
    def hush(session: str) -> dict[str, bool]:
        room_of(session).hush()
        return {"stopped": True}

    @app.get(
        "/sessions/{session}/timeline",
        tags=["sessions"],
        summary="A stretch: its segments; where they are too many, its episodes and days",
    )
    def timeline(
        session: str,
        start: Annotated[float, Query(ge=0)] = 0.0,
        end: float = float("inf"),
        most: Annotated[int, Query(ge=1, le=MOST_SEGMENTS)] = MOST_SEGMENTS,
    ) -> dict[str, object]:
        room = room_of(session)
        return view.stretch(room.memory, start, end, most, rooms.engine.senses.certain_above)

    @app.get(
        "/sessions/{session}/thumbnails/{index}.jpg",
        tags=["sessions"],
        summary="A segment's picture",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}},
    )
    def thumbnail(session: str, index: int) -> Response:
        picture = room_of(session).memory.thumbnail(index)
        if not picture:
            raise HTTPException(404, "this segment has no picture")
        kept = {"Cache-Control": "private, max-age=3600"}
        return Response(picture, media_type="image/jpeg", headers=kept)

    @app.get(
        "/sessions/{session}/picture.jpg",
        tags=["sessions"],
        summary="The latest picture, or a small one of a moment",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}},
    )
    def picture(session: str, at: float | None = None) -> Response:
        latest = room_of(session).picture(at)
        if latest is None:
            return Response(status_code=204)
        time, data = latest
        headers = {"Cache-Control": "no-store", "X-Stream-Time": f"{time:.3f}"}
        return Response(data, media_type="image/jpeg", headers=headers)

    @app.get(
        "/sessions/{session}/media",
        tags=["sessions"],
        summary="The file that is watched",
        response_class=FileResponse,
    )
    def media(session: str) -> FileResponse:
        file = room_of(session).file
        if file is None or not file.is_file():
            raise HTTPException(404, "this session watches no file, or the file is gone")
        return FileResponse(file)

    @app.post("/sessions/{session}/live", tags=["camera"], summary="Captured pictures and sound")
    async def take_live(session: str, request: Request) -> dict[str, object]:
        room = room_of(session)
        body = await _body(request, LARGEST_LIVE)

        def take() -> int:
            expected = 0
            for piece in live.pieces(body):
                expected = room.take_live(piece.number, piece.give)
            return expected

        expected = await to_thread.run_sync(take)
        return {"next": expected, **_clock(room)}

    @app.get("/sessions/{session}/live", tags=["camera"], summary="The capture's clock")
    def live_clock(session: str) -> dict[str, object]:
        room = room_of(session)
        return {"next": room.take_live(-1, lambda camera: None), **_clock(room)}

    @app.post(
        "/sessions/{session}/gaze",
        tags=["gaze"],
        summary="Where the pointer was: look with your mouse",
    )
    def look(session: str, body: Looked) -> dict[str, object]:
        nowhere = float("nan")
        samples = [
            GazeSample(time, nowhere if x is None else x, nowhere if y is None else y)
            for time, x, y in body.samples
        ]
        return {"next": room_of(session).looked(body.sender, body.number, samples)}

    @app.get("/sessions/{session}/gaze", tags=["gaze"], summary="What was looked at")
    def fixations(
        session: str,
        start: Annotated[float, Query(ge=0)] = 0.0,
        end: float = float("inf"),
    ) -> dict[str, object]:
        room = room_of(session)
        found = looking.fixations(room.memory, room.session.events(), start, end, MOST_SEGMENTS)
        return {"fixations": [record(each) for each in found]}

    @app.get(
        "/sessions/{session}/gaze/points",
        tags=["gaze"],
        summary="Where a recorded gaze was: [seconds, x, y], or null where it was lost",
    )
    def gaze_points(
        session: str, start: Annotated[float, Query(ge=0)], end: float
    ) -> dict[str, object]:
        track = room_of(session).track
        until = min(end, start + LONGEST_GAZE)
        return {"points": [] if track is None else looking.points(track, start, until)}

    @app.post("/sessions/{session}/speech", tags=["sessions"], summary="A spoken question in words")
    async def speech(
        session: str,
        request: Request,
        rate: Annotated[int, Query(ge=4_000, le=192_000, description="Samples a second.")],
    ) -> dict[str, str]:
        """The body is mono sound, 16 bits a sample, little-endian."""
        room = room_of(session)
        body = await _body(request, LONGEST_SPEECH * rate * 2)
        sound = await to_thread.run_sync(live.at_16_khz, live.samples(body), rate)
        return {"text": await to_thread.run_sync(room.hear, sound)}

    app.include_router(shelf_http.routes(rooms, service.rules))

    @app.post(
        "/sessions/{session}/standing",
        tags=["standing questions"],
        status_code=201,
        summary="Be told when something happens",
    )
    def stand(session: str, body: Wait, request: Request) -> dict[str, object]:
        room = room_of(session)
        webhook = None
        if body.webhook:
            private = service.rules.may_reach_private(request.headers)
            webhook = Webhook(body.webhook, body.secret, allow_private=private)
        return {"number": room.stand(body.question, webhook)}

    @app.get(
        "/sessions/{session}/standing",
        tags=["standing questions"],
        summary="What is waited for, and what came of it",
    )
    def standing(session: str) -> dict[str, object]:
        return _standing(room_of(session))

    @app.delete(
        "/sessions/{session}/standing/{number}",
        tags=["standing questions"],
        status_code=204,
        summary="Wait for it no longer",
    )
    def stand_down(session: str, number: int) -> None:
        room_of(session).stand_down(number)

    return app


def _clock(room: Room) -> dict[str, object]:
    """What a page needs to stamp its capture: the stream time now."""
    assert room.camera is not None
    return {"now": room.camera.now, "epoch": room.epoch}


def _standing(room: Room) -> dict[str, object]:
    return {
        "questions": [{"number": n, "question": q} for n, q in room.standing.questions.items()],
        "firings": [view.firing(each) for each in room.firings],
    }


async def _events(room: Room, after: int | None) -> AsyncIterator[str]:
    """A room's events, firings and figures, until it is closed or nobody listens."""
    room.look()
    try:
        told = room.fired
        events = room.session.events(after or 0)
        if after is None:
            events = events[-RECENT:]
        certain = room.engine.senses.certain_above
        yield _message("hello", {"epoch": room.epoch, "certain_above": certain})
        next_figures = 0.0
        while not room.closed:
            for event in events:
                after = event.number
                yield _message("event", record(event.what), f"{room.epoch}-{event.number}")
            fired = room.fired
            for firing in list(room.firings)[len(room.firings) - (fired - told) :]:
                yield _message("firing", view.firing(firing))
            told = fired
            now = asyncio.get_running_loop().time()
            if now >= next_figures:
                next_figures = now + FIGURES_EVERY
                yield _message("figures", {**room.figures(), "standing": _standing(room)})
            await asyncio.sleep(POLL)
            events = room.session.events(after or 0)
        yield _message("closed", {})
    finally:
        room.look_away()


async def _answer(service: Service, room: Room, answer: Answer) -> AsyncIterator[str]:
    """An answer's pieces as they are made; stopped where nobody listens any more."""
    pieces = service.say(room, answer)
    try:
        while (piece := await to_thread.run_sync(next, pieces, None)) is not None:
            yield _message("piece", {"text": piece})
        yield _message("done", view.answer(answer))
    except Exception as error:
        yield _message("error", {"detail": f"the answer failed: {error}"})
    finally:
        answer.cancel()
        with CancelScope(shield=True):
            await to_thread.run_sync(pieces.close)  # type: ignore[attr-defined]


def _message(kind: str, data: object, number: str = "") -> str:
    """One server-sent event."""
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data, default=float)}\n\n"


def _stream(messages: AsyncIterator[str]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(messages, media_type="text/event-stream", headers=headers)


async def _body(request: Request, most: int) -> bytes:
    """A request's body, refused as soon as it is longer than ``most`` bytes."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise HTTPException(413, f"too much at once: at most {most} bytes")
    return bytes(body)


def _explain(app: FastAPI) -> None:
    """Turn what goes wrong into answers that say so."""
    statuses: dict[type[Exception], int] = {
        NoRoom: 404,
        RoomError: 400,
        AskError: 400,
        AddressError: 400,
        SourceError: 422,
        StoreError: 500,
    }

    def explain(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, statuses[type(error)])

    for kind in statuses:
        app.add_exception_handler(kind, explain)

    @app.exception_handler(Full)
    def wait(request: Request, error: Full) -> JSONResponse:
        told: dict[str, Any] = {"detail": str(error), "ticket": error.ticket, "place": error.place}
        return JSONResponse(told, 429, {"Retry-After": "3"})


def _docs(schema: Mapping[str, Any]) -> str:
    """The OpenAPI description as a page that needs nothing from elsewhere."""
    parts = []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            fields: list[tuple[str, str]] = [
                (p["name"], p.get("description") or f"in the {p['in']}")
                for p in operation.get("parameters", [])
            ]
            if body is not None:
                name = body["schema"]["$ref"].rsplit("/", 1)[-1]
                properties = schema["components"]["schemas"][name]["properties"]
                fields += [(key, p.get("description", "")) for key, p in properties.items()]
            rows = "".join(
                f"<tr><td><code>{html.escape(key)}</code></td><td>{html.escape(about)}</td></tr>"
                for key, about in fields
            )
            about = html.escape(operation.get("description", ""))
            parts.append(
                f"<section><h2><code>{method.upper()} {html.escape(path)}</code></h2>"
                f"<p>{html.escape(operation.get('summary', ''))}. {about}</p>"
                + (f"<table>{rows}</table>" if rows else "")
                + "</section>"
            )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Onlooker over HTTP</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><style>'
        ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;"
        "margin:2rem auto;padding:0 1rem}h2{font-size:1rem;margin:2rem 0 0}p{margin:.2rem 0}"
        "td{padding:.1rem 1rem .1rem 0;vertical-align:top}</style>"
        "<h1>Onlooker over HTTP</h1><p>For programs: "
        '<a href="openapi.json">openapi.json</a>.</p>' + "".join(parts) + "</html>"
    )
