"""The commands behind ``launch.py``."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.engine_options import EMBEDDED, choosing
from app.gaze import GazeName, GazeOffset, GazeSize, Looked, calibrate_webcam, looked
from app.goodbye import listen
from app.home import SAMPLE, home, sessions_folder
from app.naming import named
from app.scoring.cli import build_app
from app.scoring.engines import ENGINES
from app.sessions import sessions
from app.settings import SettingsError, defaults, for_commands
from app.telling import Told, err, out, tell, told
from app.timeline import LETTERS, Teller, clock, cost, evidence, record
from app.web.webhook import Webhook
from memory.memory import Memory
from memory.sessions import SUFFIX
from pipeline.answer import Answer
from pipeline.engine import Choice, Engine, load_engine
from pipeline.gaze_questions import by_meaning, gaze_judge
from pipeline.recollection import Recollection
from pipeline.session import Session, resume_at
from pipeline.sources import Properties, Source, open_source
from pipeline.sources.devices import devices
from pipeline.sources.reader import Playhead
from pipeline.standing import Firing, StandingQuestions, StandingWatch, WordsAndMeaning

STEP = 5.0
"""Seconds watched between two looks of the progress bar."""

app = typer.Typer(
    name="launch.py",
    help="Onlooker watches and listens to a live video stream and answers questions about it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


SOURCES = (
    "a video or sound file, a folder or a list of files (.m3u, .txt), an address (rtsp://, "
    "http://, ...), a device ('sources' lists them), or - for standard input"
)
SourceNames = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...", help=f"What to watch: {SOURCES}. Several are watched at once."
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name", help="What a source is called: once for each, in order; or write NAME=SOURCE."
    ),
]
Live = Annotated[
    bool, typer.Option("--live", help="Standard input is live: drop what comes too late.")
]
SessionFile = Annotated[
    Path | None,
    typer.Option("--session", help="Keep the session in this file, or go on with it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
@choosing
def ask(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIP... QUESTION",
            help=f"A session file, or {SOURCES}, or several of these; then what you want to know.",
        ),
    ],
    name: Names = None,
    at: Annotated[
        float | None, typer.Option(min=0.0, help="Put the question at this second of the clip.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="One of several answers to choose from.")
    ] = None,
    session: SessionFile = None,
    gaze: GazeName = None,
    gaze_offset: GazeOffset = 0.0,
    gaze_size: GazeSize = None,
    as_json: AsJson = False,
    choice: Choice = EMBEDDED,
) -> None:
    """Watch CLIP (up to --at) and answer QUESTION about it; several at once, each by its name:
    ask door=a.mp4 yard=b.mp4 "Which camera saw the dog?"
    """
    with told():
        *clips, question = words
        if not clips:
            raise Told("give a clip and then a question about it")
        options = _options(option)
        if not question.strip():
            raise Told("the question is empty: say what you want to know")
        clip = clips[0]
        if any(each.endswith(SUFFIX) for each in clips):
            if len(clips) > 1:
                raise Told("a session file is asked by itself")
            if gaze is not None:
                raise Told("a session holds its gaze already: leave --gaze out")
            _ask_session(Path(clip), question, at, options, choice, as_json)
        else:
            beside = looked(gaze, gaze_offset, gaze_size)
            _ask_clips(
                named(clips, name or ()), question, at, options, choice, session, beside, as_json
            )


@app.command()
@choosing
def watch(
    source: SourceNames,
    name: Names = None,
    live: Live = False,
    tell_me_when: Annotated[
        list[str] | None, typer.Option(help='Say so when this happens: "somebody says budget".')
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(help="Also post every such event to this address, as JSON.")
    ] = None,
    paced: Annotated[bool, typer.Option("--paced", help="Play a file at its own pace.")] = False,
    skim: Annotated[
        bool,
        typer.Option("--skim", help="Look at no more of files than a key frame a second: fastest."),
    ] = False,
    session: SessionFile = None,
    gaze: GazeName = None,
    gaze_offset: GazeOffset = 0.0,
    gaze_size: GazeSize = None,
    as_json: AsJson = False,
    choice: Choice = EMBEDDED,
) -> None:
    """Watch SOURCE and print the timeline as it grows."""
    with told(), contextlib.ExitStack() as stack:
        sources = named(source, name or ())
        if live and "-" not in sources.values():
            raise Told("--live is for standard input: whether any other source is live is known")
        properties = probe(sources, skim)
        beside = looked(gaze, gaze_offset, gaze_size)
        _check_gaze(beside, sources, properties, paced)
        if skim:
            _tell_remarks(properties)
        models = _engine(choice)
        memory = stack.enter_context(_opened(session, models))
        watching = _session(sources, models, memory, beside, paced=paced, live=live, skim=skim)
        timeline = Timeline(models.senses.certain_above, as_json)
        if webhook is not None and not tell_me_when:
            raise Told("--webhook posts what --tell-me-when waits for: give that too")
        if tell_me_when:
            if webhook is not None:
                secret = os.environ.get("ONLOOKER_WEBHOOK_SECRET", "")
                hook = Webhook(webhook, secret, allow_private=True, failed=tell)
                timeline.post = stack.enter_context(hook).send
            judge = gaze_judge(WordsAndMeaning(models.embed), by_meaning(models.embed))
            standing = StandingQuestions(judge)
            for question in tell_me_when:
                standing.add(question, since=resume_at(memory))
            certain = models.senses.certain_above
            stack.enter_context(StandingWatch(standing, watching.events, certain, timeline.fired))
        with contextlib.suppress(KeyboardInterrupt), watching:
            timeline.follow(watching)
        if watching.stopped:
            timeline.follow(watching)  # what came while it ended
            tell(_goodbye(watching, session), style="yellow")
        failed = _wrong(watching, properties)
        if failed is not None:
            raise Told(failed)


@app.command()
@choosing
def web(
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to serve on.")] = 7860,
    max_sessions: Annotated[int, typer.Option(min=1, help="Streams watched at once.")] = 4,
    auth: Annotated[
        str | None, typer.Option(help="USER:PASSWORD that everybody must give.")
    ] = None,
    https: Annotated[
        bool, typer.Option("--https", help="With a self-signed certificate, for cameras.")
    ] = False,
    allow_paths: Annotated[
        bool, typer.Option("--allow-paths", help="Visitors may name files of this machine.")
    ] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Streams may lead into private networks.")
    ] = False,
    webhook: Annotated[
        str | None, typer.Option(help="Post every standing question's firing there.")
    ] = None,
    keep_days: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Days after its last use for which a session is kept: by default for ever on "
            "this machine alone, and 30 where others can come.",
        ),
    ] = None,
    choice: Choice = EMBEDDED,
) -> None:
    """Serve the demo to a browser."""
    from app.web.demo import ServeError, serve

    user, colon, password = (auth or "").partition(":")
    if auth is not None and not (user and colon and password):
        raise Told("--auth is USER:PASSWORD, both not empty")
    with told():
        models = _engine(choice)
        try:
            serve(
                models,
                host=host,
                port=port,
                sessions_folder=sessions_folder(),
                sample=SAMPLE,
                max_sessions=max_sessions,
                auth=None if auth is None else (user, password),
                https=https,
                allow_paths=allow_paths,
                allow_private=allow_private,
                webhook=webhook,
                webhook_secret=os.environ.get("ONLOOKER_WEBHOOK_SECRET", ""),
                keep_days=keep_days,
            )
        except ServeError as error:
            raise Told(str(error)) from error


@app.command("sources")
def list_sources(as_json: AsJson = False) -> None:
    """List the cameras, microphones and screens that are here."""
    found = devices()
    if as_json:
        print(json.dumps([asdict(device) for device in found]))
        return
    table = Table("watch it by", "kind", "name")
    for device in found:
        table.add_row(escape(device.spec), device.kind, escape(device.name))
    out.print(table if found else "no camera, microphone or screen is here")
    out.print(f"\nAnything else is named by itself: {SOURCES}.", style="dim", markup=False)


@app.command()
def prepare() -> None:
    """Prepare the embedded engine's weights; done by itself where they are needed."""
    with told():
        _engine(EMBEDDED)


@app.command()
def doctor() -> None:
    """Say what this machine can run."""
    from models.reasoning.machine import report

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for fact in report():
        table.add_row(fact.name, fact.value, fact.hint, style=None if fact.value else "yellow")
    out.print(table)


app.command("calibrate")(calibrate_webcam)
app.add_typer(sessions, name="sessions")
app.add_typer(build_app(ENGINES), name="score")


def _options(given: list[str] | None) -> list[str]:
    options = [text.strip() for text in given or []]
    if not all(options):
        raise Told("an option is empty: every --option needs words")
    if len(options) == 1:
        raise Told("one --option leaves nothing to choose: give at least two")
    if len(options) > len(LETTERS):
        raise Told(f"{len(options)} options are too many: at most {len(LETTERS)}")
    return options


def probe(sources: Mapping[str, str], skim: bool = False) -> dict[str, Properties]:
    """What sources say of themselves; before models are loaded, so that a mistake shows at
    once. Standard input is left out: it can be read but once."""
    said = {}
    for name, spec in sources.items():
        if spec != "-":
            with open_source(spec, skim=skim) as opened:
                said[name] = opened.properties
    return said


def _tell_remarks(properties: Mapping[str, Properties]) -> None:
    for said in properties.values():
        for remark in said.remarks:
            tell(remark, style="yellow")


def _check_gaze(
    gaze: Looked | None,
    sources: Mapping[str, str],
    properties: Mapping[str, Properties],
    paced: bool,
) -> None:
    if gaze is None:
        return
    if len(sources) > 1:
        raise Told("--gaze goes with one source: watch the others by themselves")
    for name, spec in sources.items():
        gaze.check(spec, name in properties and properties[name].live, paced)


def _engine(choice: Choice) -> Engine:
    with err.status(f"loading the {choice.name} engine"):
        engine = load_engine(choice, home())
    listen()  # until here there was nothing to keep: whoever was told to stop stopped at once
    return engine


def _opened(session: Path | None, engine: Engine, read_only: bool = False) -> Memory:
    if session is not None and not read_only:
        session.parent.mkdir(parents=True, exist_ok=True)
    return Memory.open(session, engine.embed, read_only)


def _session(
    sources: Mapping[str, str],
    engine: Engine,
    memory: Memory,
    gaze: Looked | None = None,
    *,
    paced: bool = False,
    stepped: bool = False,
    live: bool = False,
    skim: bool = False,
) -> Session:
    opened: dict[str, Source] = {}
    playhead: Playhead | None = None
    for name, spec in sources.items():
        start = resume_at(memory, name)
        opened[name] = open_source(spec, start=start, live=live, skim=skim)
        if gaze is not None:
            if paced:
                playhead = Playhead()
                playhead.position = start
                playhead.play()
            opened[name] = gaze.beside(opened[name], playhead)
    return Session(opened, engine, memory, paced=paced, playhead=playhead, stepped=stepped)


def _ask_clips(
    clips: Mapping[str, str],
    question: str,
    at: float | None,
    options: list[str],
    choice: Choice,
    session: Path | None,
    gaze: Looked | None,
    as_json: bool,
) -> None:
    properties = probe(clips)
    _check_gaze(gaze, clips, properties, paced=False)
    lengths = [said.duration for said in properties.values()]
    known = [length for length in lengths if length is not None]
    until = max(known) if known and len(known) == len(clips) else None
    if at is not None and until is not None and at > until:
        raise Told(
            f"--at {at:g} is past the end of {' and '.join(clips.values())}, which "
            f"last{'s' if len(clips) == 1 else ''} {until:.1f} s"
        )
    models = _engine(choice)
    with _opened(session, models) as memory:
        # All that is needed may have been watched already.
        if at is not None and min(resume_at(memory, name) for name in clips) > at:
            answer = Recollection(models, memory).ask(question, options, at)
            _print_answer(answer, options, as_json)
            return
        with _session(clips, models, memory, gaze, stepped=at is not None) as watching:
            _tell_remarks(properties)
            _watch_through(watching, at if at is not None else until, at)
            failed = _wrong(watching, properties)
            if failed is not None:
                tell(failed)
            for part, count in watching.status.faults.items():
                times = "once" if count == 1 else f"{count} times"
                tell(f"{part} failed {times} meanwhile", style="yellow")
            _print_answer(watching.ask(question, options, at), options, as_json)
    if failed is not None:
        raise typer.Exit(2)


def _goodbye(watching: Session, session: Path | None) -> str:
    status = watching.status
    count = f"{status.segments} segment{'' if status.segments == 1 else 's'}"
    kept = f"{count} kept in {session}" if session else f"{count}, not kept: give --session"
    return f"stopped at {clock(status.time)}: {kept}"


def _wrong(watching: Session, before: Mapping[str, Properties]) -> str | None:
    """What went wrong with sources that were watched, if anything: one broke, or was damaged."""
    if watching.status.error is not None:
        return watching.status.error
    for name, now in watching.properties_by_name.items():
        known = before[name].remarks if name in before else ()
        damage = [remark for remark in now.remarks if remark not in known]
        if damage and name in before:
            return f"{now.name} is damaged: {'; '.join(damage)}; the rest is kept"
    return None


def _ask_session(
    session: Path,
    question: str,
    at: float | None,
    options: list[str],
    choice: Choice,
    as_json: bool,
) -> None:
    if not session.exists():
        raise Told(f"{session}: there is no such session; 'sessions list' shows those there are")
    models = _engine(choice)
    with _opened(session, models, read_only=True) as memory:
        answer = Recollection(models, memory).ask(question, options, at, history=False)
        _print_answer(answer, options, as_json)


def _watch_through(watching: Session, until: float | None, at: float | None) -> None:
    """Watch to the end, or to ``at``, showing how far it is."""
    columns = (TextColumn("watching"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("watching", total=until)
        if at is None:
            while not watching.wait(timeout=0.2):
                bar.update(task, completed=watching.status.time)
        else:
            steps = max(1, math.ceil(at / STEP))
            for step in range(1, steps + 1):
                watching.watch_until(at * step / steps)
                bar.update(task, completed=watching.status.time)


class Timeline:
    """Prints what happens in a session, in words or as one JSON object a line.

    Attributes:
        post: also given each firing of a standing question.
    """

    def __init__(self, certain_above: float, as_json: bool) -> None:
        self.post: Callable[[Mapping[str, object]], None] = lambda document: None
        self._tellers: dict[str, Teller] = {}
        self._certain_above = certain_above
        self._as_json = as_json
        self._told = 0

    def follow(self, watching: Session) -> None:
        """Print until the session ends, or was told to; goes on where it was interrupted."""
        ended = False
        while not ended:
            ended = not watching.status.watching or watching.stopped
            for event in watching.events(self._told, timeout=0.5):
                self._told = event.number
                if self._as_json:
                    print(json.dumps(record(event.what, event.source)), flush=True)
                elif (line := self._teller(event.source).line(event.what)) is not None:
                    out.print(line, markup=False)

    def _teller(self, source: str) -> Teller:
        """Each source's own: what was told of one is still to be told of another."""
        return self._tellers.setdefault(source, Teller(self._certain_above, source))

    def fired(self, firing: Firing) -> None:
        """Say that a standing question came true; from any thread."""
        told = {"kind": "fired", **asdict(firing)}
        if self._as_json:
            print(json.dumps(told), flush=True)
        else:
            because = f" ({firing.because})" if firing.because else ""
            line = f"{clock(firing.time)}  fired    {firing.question}{because}"
            out.print(line, markup=False, style="bold")
        self.post(told)


def _print_answer(answer: Answer, options: list[str], as_json: bool) -> None:
    """Stream an answer, then what it rests on and what it cost; or all of it as one object."""
    if as_json:
        text = "".join(answer)
        told = {
            "answer": text,
            "choice": None if answer.choice is None else LETTERS[answer.choice],
            "probabilities": dict(zip(LETTERS, answer.probabilities, strict=False)) or None,
            "time": answer.time,
            "evidence": evidence(answer.passages),
            "support": [asdict(line) for line in answer.support],
            "timings": asdict(answer.timings),
            "counts": asdict(answer.counts),
        }
        print(json.dumps(told))
        return
    for piece in answer:
        out.print(piece, end="", markup=False)
    out.print()
    for letter, option, share in zip(LETTERS, options, answer.probabilities, strict=False):
        out.print(f"  {letter}. {option}: {share:.0%}", markup=False)
    out.print("\nevidence", style="bold")
    for passage in answer.passages:
        whose = f"{passage.source}, " if passage.source else ""
        when = f"  {whose}{clock(passage.start)} to {clock(passage.end)}"
        out.print(when, style="dim", markup=False)
        for line in passage.lines:
            doubt = "" if line.certain else "perhaps "
            out.print(f"    {line.kind:<6} {doubt}{line.text}", markup=False)
    out.print(cost(answer), style="dim", markup=False)


def main() -> None:
    try:
        given = for_commands(defaults())
    except SettingsError as error:
        tell(str(error))
        raise SystemExit(2) from error
    app(prog_name="launch.py", default_map=given)
