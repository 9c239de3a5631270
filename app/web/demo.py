"""The demo: one page to watch a stream with Onlooker and to ask about it.

Gradio carries the choice of a source and the conversation. The stream itself, what is drawn on
it, the timeline and the figures are plain page code (``assets/page/``) that talks to the HTTP
side beside it (``app/server.py``): Gradio's own streaming components send no capture times, by
which picture and sound could be brought together again, and cannot take up a dropped connection.
"""

from __future__ import annotations

import asyncio
import html
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import gradio as gr
import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from app.server import Service, build
from app.timeline import clock
from app.web import door, view
from app.web.addresses import AddressError
from app.web.guard import Guard, Rules, is_loopback
from app.web.room import Room, RoomError, Wanted
from app.web.rooms import Full, NoRoom, Rooms
from app.web.sharing import shared
from app.web.webhook import Webhook
from memory.store import StoreError
from pipeline.answer import Answer, AskError
from pipeline.engine import Engine
from pipeline.sources.source import SourceError
from pipeline.standing import condition

ASSETS = Path(__file__).resolve().parent.parent.parent / "assets" / "page"

LARGEST_UPLOAD = "500mb"

KEEP_DAYS = 30.0
"""Days for which others' sessions are kept after their last use, unless it is said."""

WAIT = 1.0
"""Seconds between two looks at the line."""

EXPLAINED = (RoomError, NoRoom, SourceError, StoreError, AskError, AddressError)
"""What is told to the visitor in its own words."""

Chat = list[dict[str, Any]]


class ServeError(Exception):
    """The server cannot be started; the message says why and what to do."""


def serve(
    engine: Engine,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    sessions_folder: Path,
    sample: Path,
    max_sessions: int = 4,
    auth: tuple[str, str] | None = None,
    https: bool = False,
    allow_paths: bool = False,
    allow_private: bool = False,
    webhook: str | None = None,
    webhook_secret: str = "",
    keep_days: float | None = None,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve the page and the HTTP side until interrupted.

    Args:
        auth: user and password that everybody must give.
        https: with a certificate of its own making, kept beside the sessions: browsers give
            a page from another machine no camera without.
        allow_paths: visitors from elsewhere may name files of this machine.
        allow_private: streams and webhooks may lead into private networks.
        webhook: where every firing of every session is posted.
        keep_days: days after its last use for which a session is kept; None is for ever on
            this machine alone, and :data:`KEEP_DAYS` where others can come.
        ready: called with the page's address once it can be opened.

    Raises:
        ServeError: the address is in use, or it is open to others and has no password.
    """
    rules = Rules(host, auth, allow_paths, allow_private)
    if not is_loopback(host) and auth is None:
        raise ServeError(
            f"{host} can be reached by others: set a user and password with --auth USER:PASSWORD"
        )
    if keep_days is None and not rules.at_home({}):
        keep_days = KEEP_DAYS
    certificate = _certificate(sessions_folder.parent, host) if https else None
    with ExitStack() as stack:
        fired: Callable[[Mapping[str, object]], None] = lambda document: None  # noqa: E731
        if webhook:
            hook = Webhook(webhook, webhook_secret, allow_private=True, failed=ready)
            fired = stack.enter_context(hook).send
        rooms = stack.enter_context(
            Rooms(shared(engine), sessions_folder, most=max_sessions, keep_days=keep_days)
        )
        app = build_app(Service(rooms, sample, rules, fired))
        config = uvicorn.Config(
            Guard(app, rules),
            host=host,
            port=port,
            log_config=None,  # into Onlooker's own log
            log_level="warning",
            timeout_graceful_shutdown=2,
            ssl_certfile=None if certificate is None else certificate[0],
            ssl_keyfile=None if certificate is None else certificate[1],
        )
        _Server(config, ready).run()


class _Server(uvicorn.Server):
    """Says when the page can be opened, and fails by an exception rather than an exit."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[Any] | None = None) -> None:
        config = self.config
        try:
            await super().startup(sockets=sockets)
        except SystemExit as error:
            raise ServeError(
                f"port {config.port} on {config.host} cannot be served on: is it in use? "
                "Choose another with --port"
            ) from error
        if self.started:
            scheme = "https" if config.ssl_certfile else "http"
            port = self.servers[0].sockets[0].getsockname()[1]
            self._ready(f"{scheme}://{config.host}:{port}")


def build_app(service: Service) -> FastAPI:
    """The HTTP side with the page beside it, without the guard around them."""
    app = build(service)
    app.mount("/page", StaticFiles(directory=ASSETS), name="page")
    gr.mount_gradio_app(
        app,
        page(service),
        path="/",
        footer_links=[],
        show_error=True,
        max_file_size=LARGEST_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        theme=_theme(),
        head='<link rel="stylesheet" href="page/style.css">'
        '<script type="module" src="page/page.js"></script>'
        '<link rel="icon" href="page/icon.svg">',
    )
    return app


def page(service: Service) -> gr.Blocks:
    """The page. Everything a visitor has is in the room whose id the page holds."""
    talk = _Talk(service)
    hidden = {"api_visibility": "private", "show_progress": "hidden"}
    with gr.Blocks(
        title="Onlooker", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)
    ) as blocks:
        gr.HTML(_HEADER, padding=False, apply_default_css=False)
        session = gr.Textbox(visible="hidden", elem_id="session", label="session")
        ticket = gr.Textbox(visible="hidden", elem_id="moment", label="moment")
        with gr.Row(equal_height=False, elem_id="columns"):
            with gr.Column(scale=3, min_width=320):
                with gr.Tabs(elem_id="chooser"):
                    with gr.Tab("Sample"):
                        gr.Markdown("A minute of photographs, captions and narration.")
                        sample = gr.Button("Watch the sample", variant="primary")
                    with gr.Tab("Camera"):
                        gr.Markdown("This device's camera and microphone, as they happen.")
                        camera = gr.Button("Watch my camera", variant="primary")
                    with gr.Tab("Upload"):
                        upload = gr.File(
                            label=f"A video or sound file, up to {LARGEST_UPLOAD.upper()}",
                            file_types=list(door.MEDIA),
                            height=120,
                            elem_id="clip",
                        )
                        with gr.Accordion("Gaze with it", open=False):
                            gr.Markdown(
                                "Where somebody looked: an eye tracker's file (Pupil, Tobii and "
                                "others, or a table of t, x, y). Choose it before the clip."
                            )
                            gaze = gr.File(
                                label="An eye tracker's file", height=100, elem_id="gazefile"
                            )
                            offset = gr.Number(
                                label="Seconds by which the gaze began after the clip", value=0.0
                            )
                        chosen = gr.Button("Watch this file")
                    with gr.Tab("Path"):
                        path = gr.Textbox(label="A file on the server, or rtsp://...", max_lines=1)
                        go = gr.Button("Watch it", variant="primary")
                status = gr.HTML(
                    _status("", False), elem_id="status", padding=False, apply_default_css=False
                )
                gr.HTML(_SESSIONS, padding=False, apply_default_css=False)
                gr.HTML(_STAGE, padding=False, apply_default_css=False)
                with gr.Row(elem_id="controls"):
                    stop = gr.Button("Stop watching", size="sm", elem_id="stop")
                    restart = gr.Button("Start again", size="sm")
                    leave = gr.Button("Watch something else", size="sm")
                    forget = gr.Button("Forget all of it", size="sm")
                gr.HTML(_TIMELINE, padding=False, apply_default_css=False)
            with gr.Column(scale=2, min_width=320):
                chat = gr.Chatbot(
                    elem_id="chat",
                    label="Conversation",
                    height=420,
                    buttons=[],
                    feedback_options=None,
                    placeholder="Ask about what was seen and heard, at any moment.",
                )
                gr.HTML(_ABOUT, padding=False, apply_default_css=False)
                question = gr.Textbox(
                    elem_id="question",
                    label="Question",
                    placeholder="What does the sign say?  Or: tell me when a cat appears",
                    max_lines=4,
                    max_length=2000,
                )
                with gr.Row(elem_id="asking"):
                    ask = gr.Button("Ask", variant="primary", elem_id="ask", min_width=80)
                    wait = gr.Button("Tell me when", elem_id="wait", min_width=80)
                    hush = gr.Button("Stop", elem_id="hush", min_width=60)
                gr.HTML(_VOICE, padding=False, apply_default_css=False)
                gr.HTML(_STANDING, padding=False, apply_default_css=False)

        def begins(make: Callable[..., Wanted]) -> Callable[..., AsyncIterator[tuple[str, str]]]:
            async def begin(
                given: Any, old: str, request: gr.Request, *more: Any
            ) -> AsyncIterator[tuple[str, str]]:
                async for told in _begin(service, lambda: make(given, request, *more), old):
                    yield told

            return begin

        def named(source: str, request: gr.Request) -> Wanted:
            return door.wanted(source, service.sample, service.rules, request.headers)

        def brought(clip: Any, request: gr.Request, gaze: Any, offset: Any) -> Wanted:
            return door.uploaded(clip or "", gaze or "", offset or 0.0)

        starts: list[tuple[Any, Callable[..., Wanted], list[Any]]] = [
            (sample.click, lambda given, request: named("sample", request), [session]),
            (camera.click, lambda given, request: named("camera", request), [session]),
            (go.click, named, [path]),
            (path.submit, named, [path]),
            (upload.upload, brought, [upload, gaze, offset]),
            (chosen.click, brought, [upload, gaze, offset]),
            (restart.click, lambda given, request: _again(service, given), [session]),
        ]
        for on, make, (given, *more) in starts:
            on(
                begins(make),
                [given, session, *more],
                [status, session],
                concurrency_limit=None,
                trigger_mode="once",
                js=_js("...given", "onlooker.detach(); return given"),
                **hidden,
            ).then(None, [session], None, js=_js("id", "onlooker.attach(id)"))
        blocks.load(
            talk.come_back,
            [session, ticket],
            [status, session, chat],
            js=_LINKED,
            concurrency_limit=None,
            **hidden,
        ).then(None, [session], None, js=_js("id", "onlooker.attach(id)"))
        # Not in Gradio's queue: these must work whatever else goes on.
        stop.click(
            talk.stop,
            [session],
            [status],
            js=_js("id", "onlooker.stopping(); return [id]"),
            queue=False,
            **hidden,
        )
        leave.click(
            talk.leave,
            [session],
            [status, session, chat],
            js=_js("id", "onlooker.detach(); return [id]"),
            queue=False,
            **hidden,
        ).then(None, [session], None, js=_js("id", "onlooker.attach(id)"))
        forget.click(
            talk.forget,
            [session],
            [status, session, chat],
            js=_js("id", "if (!onlooker.sure()) return ['']; onlooker.detach(); return [id]"),
            queue=False,
            **hidden,
        ).then(None, [session], None, js=_js("id", "onlooker.attach(id)"))
        gr.on(
            [ask.click, question.submit],
            talk.ask,
            [question, session, ticket, chat],
            [question, chat],
            js=_js("q, id, at, chat", "return [q, id, onlooker.moment(), chat]"),
            concurrency_limit=None,
            **hidden,
        ).then(None, None, None, js=_js("", "onlooker.answered()"))
        wait.click(
            talk.wait,
            [question, session, chat],
            [question, chat],
            js=_js("q, id, chat", "onlooker.mayNotify(); return [q, id, chat]"),
            **hidden,
        )
        hush.click(talk.hush, [session], None, queue=False, **hidden)
    return blocks


async def _begin(
    service: Service, make: Callable[[], Wanted], old: str
) -> AsyncIterator[tuple[str, str]]:
    """Status lines until the new session's id, waiting in line where it must."""
    ticket: str | None = None
    try:
        wanted = make()
        if old:
            await to_thread.run_sync(service.rooms.leave, old)
        yield _status("Opening ...", True), ""
        while True:
            try:
                room = await to_thread.run_sync(service.rooms.open, wanted, ticket)
                break
            except Full as full:
                ticket = full.ticket
                yield _status(f"Please wait: {full}.", True), ""
                await asyncio.sleep(WAIT)
        remarks = "; ".join(room.remarks)
        about = f"Watching {room.wanted.name}" + (f" ({remarks})" if remarks else "")
        yield _status(about, False), room.name
    except Exception as error:
        yield _failed(error), ""
    finally:
        if ticket is not None:
            service.rooms.leave_line(ticket)


def _again(service: Service, session: str) -> Wanted:
    if not session:
        raise RoomError("nothing is being watched: choose a source first")
    return service.rooms.get(session).wanted


class _Talk:
    """What the page's buttons do, apart from beginning."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._rooms = service.rooms

    def come_back(self, session: str, how: str) -> tuple[str, str, Chat]:
        """Take up the session that the page's address names; ``"ask"`` is only to ask about it."""
        if not session:
            return _status("", False), "", []
        try:
            room = self._rooms.resume(session, watch=how != "ask")
            turns = room.memory.turns()
        except Exception as error:
            return _failed(error), "", []
        chat: Chat = []
        for turn in turns:
            chat += [_said("user", turn.question), _said("assistant", turn.answer)]
        about = f"Watching {room.wanted.name}"
        if room.past:
            remarks = "".join(f" ({remark})" for remark in room.session.properties.remarks)
            about = f"{room.wanted.name}, as it was seen{remarks}. You can ask about it."
        return _status(about, False), room.name, chat

    def stop(self, session: str) -> str:
        try:
            room = self._room(session)
            room.stop()
        except Exception as error:
            return _failed(error)
        seen = clock(room.session.status.time)
        return _status(f"Stopped at {seen}. You can still ask.", False)

    def leave(self, session: str) -> tuple[str, str, Chat]:
        self._rooms.leave(session)
        return _status("", False), "", []

    def forget(self, session: str) -> tuple[Any, Any, Any]:
        if not session:
            return gr.skip(), gr.skip(), gr.skip()
        self._rooms.leave(session, forget=True)
        return _status("Forgotten: nothing of it is kept.", False), "", []

    def ask(self, question: str, session: str, at: str, chat: Chat) -> Iterator[tuple[str, Chat]]:
        """The conversation as the answer grows. What is to be waited for is waited for."""
        if condition(question) is not None:
            yield self.wait(question, session, chat)
            return
        try:
            room = self._room(session)
            answer = room.ask(question, at=float(at) if at else None)
        except EXPLAINED as error:
            gr.Warning(str(error))
            yield question, chat
            return
        chat = [*chat, _said("user", _put(question, at)), _said("assistant", "...")]
        yield "", chat
        try:
            for _ in self._service.say(room, answer):
                chat[-1] = _said("assistant", answer.text)
                yield "", chat
            chat[-1] = _said("assistant", _told(answer))
        except Exception as error:  # whatever a model does, the page must not hang
            gr.Warning(f"the answer failed: {error}")
            chat[-1] = _said("assistant", f"{answer.text}\n\n*The answer failed: {error}*")
        yield "", chat

    def wait(self, question: str, session: str, chat: Chat) -> tuple[str, Chat]:
        try:
            self._room(session).stand(question)
        except EXPLAINED as error:
            gr.Warning(str(error))
            return question, chat
        told = "I will tell you when that happens."
        return "", [*chat, _said("user", question), _said("assistant", told)]

    def hush(self, session: str) -> None:
        for room in self._rooms.now:
            if room.name == session:
                room.hush()

    def _room(self, session: str) -> Room:
        if not session:
            raise RoomError("nothing is being watched yet: choose a source first")
        return self._rooms.get(session)


def _js(names: str, body: str) -> str:
    """Page code run before a handler, once the page's own part has been loaded."""
    wait = "while (!window.onlooker) await new Promise((done) => setTimeout(done, 50));"
    return f"async ({names}) => {{ {wait} {body}; }}"


def _put(question: str, at: str) -> str:
    return f"{question}\n\n*as of {clock(float(at))}*" if at else question


def _told(answer: Answer) -> str:
    """An answer with the moments it rests on and what it cost."""
    moments = " · ".join(view.time_link(start) for start, _ in answer.spans)
    timings, counts = answer.timings, answer.counts
    cost = [f"first token {timings.first_token:.1f} s"]
    if timings.tokens_per_second:
        cost.append(f"{timings.tokens_per_second:.0f} tokens/s")
    cost.append(f"{counts.fast} fast + {counts.slow} slow + {counts.text} text tokens")
    stopped = " *(stopped)*" if answer.cancelled else ""
    based = f"Evidence: {moments}\n\n" if moments else ""
    return f"{answer.text}{stopped}\n\n{based}<small>{', '.join(cost)}</small>"


def _said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def _status(text: str, busy: bool, wrong: bool = False) -> str:
    kind = "wrong" if wrong else "busy" if busy else ""
    return f'<p role="status" class="status {kind}">{html.escape(text)}</p>'


def _failed(error: Exception) -> str:
    """The status line of what went wrong, told as a warning too."""
    known = isinstance(error, (Full, *EXPLAINED))
    told = str(error) if known else f"this failed: {type(error).__name__}: {error}"
    gr.Warning(told)
    return _status(told, False, wrong=True)


def _theme() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="stone",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


def _certificate(folder: Path, host: str) -> tuple[str, str]:
    """A self-signed certificate and its key, made once."""
    certificate, key = folder / "https.crt", folder / "https.key"
    if certificate.is_file() and key.is_file():
        return str(certificate), str(key)
    openssl = shutil.which("openssl")
    if openssl is None:
        raise ServeError("--https needs the program openssl to make a certificate: install it")
    folder.mkdir(parents=True, exist_ok=True)
    names = ["DNS:localhost", "IP:127.0.0.1"]
    kind = "IP" if host.replace(".", "").isdigit() or ":" in host else "DNS"
    if f"{kind}:{host}" not in names and host not in {"0.0.0.0", "::"}:
        names.append(f"{kind}:{host}")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "825"]
    command += ["-subj", "/CN=Onlooker"]
    command += ["-addext", f"subjectAltName={','.join(names)}"]
    made = subprocess.run(
        [*command, "-keyout", str(key), "-out", str(certificate)],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise ServeError(f"no certificate could be made: {made.stderr.strip()[-300:]}")
    key.chmod(0o600)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    return str(certificate), str(key)


_LINKED = """() => {
  const here = new URL(location.href).searchParams;
  return [here.get('session') ?? '', here.has('ask') ? 'ask' : ''];
}"""

_HEADER = """
<header id="top"><h1>Onlooker</h1>
<p>Watches and listens, and answers while it keeps watching.</p></header>
"""

_STAGE = """
<section id="stage" aria-label="Stream">
  <div id="screen">
    <video id="player" playsinline controls preload="auto" aria-label="The stream"></video>
    <img id="pictures" alt="The latest picture of the stream" hidden>
    <canvas id="overlay" aria-hidden="true"></canvas>
  </div>
  <div id="drawn" role="group" aria-label="Drawn on the picture">
    <button type="button" data-draw="text" aria-pressed="true">Text</button>
    <button type="button" data-draw="faces" aria-pressed="true">Faces</button>
    <button type="button" data-draw="labels" aria-pressed="true">Labels</button>
    <button type="button" data-draw="gaze" aria-pressed="true">Gaze</button>
    <button type="button" id="unpaced" hidden>Pause</button>
  </div>
  <div id="look" hidden>
    <label><input type="checkbox" role="switch" id="looking" aria-describedby="lookhow">
      Look with your mouse</label>
    <span id="lookhow">Where the pointer or a finger rests on the picture counts as looked at.
      Hold the button to look at one point.</span>
  </div>
</section>
"""

_SESSIONS = """
<section id="sessions" aria-label="Earlier sessions" hidden><h2>Earlier sessions</h2>
  <p id="keeping"></p>
  <ul id="kept"></ul></section>
"""

_TIMELINE = """
<section id="timeline" aria-label="Timeline">
  <div class="bar"><h2>Timeline</h2>
    <span id="shown" aria-live="off"></span>
    <button type="button" id="earlier" aria-label="Earlier">&#8592;</button>
    <button type="button" id="later" aria-label="Later">&#8594;</button>
    <button type="button" id="closer" aria-label="Zoom in">+</button>
    <button type="button" id="wider" aria-label="Zoom out">&#8722;</button>
    <button type="button" id="follow" aria-pressed="true">Follow</button>
  </div>
  <div id="strip" tabindex="0" role="group"
       aria-label="Segments. Arrow keys move, plus and minus zoom."></div>
  <div id="gaze" hidden>
    <div id="gazes" role="group" aria-label="What was looked at. Arrow keys go from look to look.">
    </div>
    <p id="gazed"></p>
  </div>
  <ol id="now" aria-label="Now"></ol>
  <ol id="cards" aria-label="Segments"></ol>
</section>
"""

_ABOUT = """
<div id="about" hidden><span></span>
  <button type="button" id="unabout" aria-label="Ask about now instead">&#10005;</button></div>
"""

_VOICE = """
<div id="voice">
  <button type="button" id="talk" title="Or hold the T key">Hold to speak</button>
  <label><input type="checkbox" id="aloud"> Read answers aloud</label>
</div>
"""

_STANDING = """
<section id="standing" aria-label="Standing questions" hidden><h2>Waiting for</h2>
  <ul id="questions"></ul>
  <ul id="firings" aria-live="polite"></ul></section>
<section id="figures" aria-label="Figures"><h2>Now</h2><dl></dl>
  <div id="budget" hidden><div role="meter" aria-label="Running context"
       aria-valuemin="0" aria-valuemax="1" aria-valuenow="0"><span></span></div>
    <p></p></div></section>
"""
