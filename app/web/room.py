"""One visitor's stream: what is watched, what plays it, what stands to be told, what it costs."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time as clock
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]

from app.web.looking import Looking, recorded
from app.web.past import Past
from app.web.playback import Preview
from app.web.webhook import Webhook
from memory.memory import Memory
from models.gaze.fixations import HEAD_WORN, POINTER
from models.media import GazeSample
from models.reasoning.reasoner import Counts
from models.speech.voice import Speech
from pipeline.answer import Answer, AskError, Timings
from pipeline.engine import Engine
from pipeline.gaze_questions import by_meaning, gaze_judge
from pipeline.session import PATIENCE, Session, resume_at
from pipeline.sources import Source, open_source
from pipeline.sources.browser import BrowserSource
from pipeline.sources.gaze import GazeTrack
from pipeline.sources.gaze.merged import WithGaze
from pipeline.sources.reader import Playhead
from pipeline.sources.source import SourceError
from pipeline.standing import Firing, StandingQuestions, StandingWatch, WordsAndMeaning

FILE = "session.onlooker"
WANTED = "wanted.json"
"""In each session's folder: what it holds, and what was watched."""

KINDS = ("file", "camera", "stream")

MOST_STANDING = 20
LONGEST_QUESTION = 2_000
MOST_ANSWERS = 2
"""Answers under way at once in one room."""

PICTURES_A_SECOND = 4.0
"""Candidate frames that a source gives; the sampler chooses among them."""

PICTURES_BACK = 60
"""Segments that are looked through for the picture of a moment."""

RATE_WINDOW = 10.0


class RoomError(Exception):
    """What was asked of a room cannot be done; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a visitor wants watched.

    Attributes:
        kind: ``"file"``, ``"camera"`` (the browser's own) or ``"stream"`` (a live address).
        spec: the path or address; empty for a camera.
        name: for people.
        keep: the file came with the visitor: the session keeps it.
        gaze: path of a tracker's file beside the clip; empty without. Kept with the clip.
        gaze_offset: seconds added to its times.
    """

    kind: str
    spec: str = ""
    name: str = ""
    keep: bool = False
    gaze: str = ""
    gaze_offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What the last answer cost."""

    counts: Counts
    timings: Timings


class Room:
    """Watches from the moment it is made until :meth:`stop` or :meth:`close`.

    Args:
        name: its id.
        folder: where it keeps the session file; taken up again where there is one.
        tell: called with each firing of a standing question; it must not take long.
        watch: False for a session of which nothing more is watched: it is only asked about.
            So is one that was taken up again and whose source is gone.

    Raises:
        SourceError, StoreError, RoomError: it cannot begin.

    Attributes:
        started_at: stream time at which it began to watch: above 0 where it was taken up again.
        epoch: differs each time the room is opened, for clients that count its events.
        firings: the latest; ``fired`` counts them all.
        cost: of the last answer.
        answers: those under way.
        track: where somebody looked, as a tracker recorded it, if one did.
        past: it is only asked about.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        wanted: Wanted,
        engine: Engine,
        tell: Callable[[Room, Firing], None] = lambda room, firing: None,
        watch: bool = True,
    ) -> None:
        if wanted.kind not in KINDS:
            raise RoomError(f"there is no kind of source {wanted.kind!r}: {', '.join(KINDS)}")
        self.name = name
        self.epoch = str(clock.time_ns())
        self.engine = engine
        self.playhead = Playhead()
        self.firings: deque[Firing] = deque(maxlen=200)
        self.fired = 0
        self.cost: Cost | None = None
        self.closed = False
        new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        self.camera: BrowserSource | None = None
        self.track: GazeTrack | None = None
        self._looking: Looking | None = None
        self._touched = clock.monotonic()
        self._lookers = 0
        self._lock = threading.Lock()
        self.answers: list[Answer] = []
        self._live = 0  # sequence number of the next piece of live media
        self._rates: deque[tuple[float, int, int]] = deque()
        try:
            self.wanted = _keep(wanted, folder)
            self.memory = Memory.open(folder / FILE, engine.embed)
            try:
                self.started_at = resume_at(self.memory)
                self.playhead.position = self.started_at
                self.past = not watch
                self.session = self._begin() if watch else self._recall()
            except BaseException:
                self.memory.close()
                raise
        except BaseException:
            if new:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        (folder / WANTED).write_text(json.dumps(asdict(self.wanted)), encoding="utf-8")
        judge = gaze_judge(WordsAndMeaning(engine.embed), by_meaning(engine.embed))
        self.standing = StandingQuestions(judge)
        self._tell = tell
        self._webhooks: dict[int, Webhook] = {}
        self._standing = StandingWatch(
            self.standing, self.session.events, engine.senses.certain_above, self._fired
        )
        self._standing.__enter__()

    @property
    def live(self) -> bool:
        """The source is not a file: it cannot be paused or gone back in."""
        return self.wanted.kind != "file"

    @property
    def file(self) -> Path | None:
        """The file that is watched, where it is one."""
        return Path(self.wanted.spec) if self.wanted.kind == "file" else None

    def touch(self) -> None:
        """Somebody was here just now."""
        self._touched = clock.monotonic()

    def look(self) -> None:
        """Somebody looks on until :meth:`look_away`."""
        with self._lock:
            self._lookers += 1

    def look_away(self) -> None:
        with self._lock:
            self._lookers -= 1
        self.touch()

    def deserted(self, patience: float) -> bool:
        """Nobody looks, and nobody was here for ``patience`` seconds."""
        return not self._lookers and clock.monotonic() - self._touched > patience

    def picture(self, at: float | None = None) -> tuple[float, bytes] | None:
        """The latest picture read, or of a moment that is past: stream time in seconds and JPEG.

        Args:
            at: stream time in seconds of that moment; its picture is a small one.
        """
        if at is None and not self.past:
            return self._preview.jpeg()
        for segment in reversed(self.memory.latest(PICTURES_BACK, at)):
            if picture := self.memory.thumbnail(segment.index):
                return segment.start, picture
        return None

    def play(self, position: float | None, playing: bool) -> None:
        """Follow whoever plays the file: it is at ``position`` (seconds), running or not."""
        if position is not None and abs(position - self.playhead.position) > 0.2:
            self.playhead.position = max(0.0, position)
        (self.playhead.play if playing else self.playhead.pause)()

    def take_live(self, number: int, take: Callable[[BrowserSource], None]) -> int:
        """Let ``take`` feed the camera, once for each ``number`` in order.

        Returns:
            The number that is expected next.

        Raises:
            RoomError: the room has no camera.
            SourceError: what was sent is not media.
        """
        with self._lock:
            if self.camera is None:
                raise RoomError("this session watches a file or a stream, not a camera")
            if number >= self._live:  # else it came before: only the reply was lost
                self._live = number + 1
                take(self.camera)
            return self._live

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of what is watched."""
        return (*self.session.properties.remarks, *(self.track.remarks if self.track else ()))

    def looked(self, sender: str, number: int, samples: Sequence[GazeSample]) -> int:
        """Take where the pointer was, once for each ``number`` of a sender in order.

        Returns:
            The number that is expected next.

        Raises:
            RoomError: where somebody looks is known from a file already.
        """
        if self._looking is None:
            raise RoomError("the gaze of this session comes from a file")
        return self._looking.look(sender, number, samples)

    def ask(self, question: str, options: Sequence[str] = (), at: float | None = None) -> Answer:
        """An answer as of stream time ``at``, by default now; iterate :meth:`say` of it.

        Raises:
            AskError: the question is empty or too long, nothing had been seen by then, or too
                many answers are under way.
        """
        if len(question) > LONGEST_QUESTION:
            raise AskError(f"the question is too long: at most {LONGEST_QUESTION} characters")
        with self._lock:
            if len(self.answers) >= MOST_ANSWERS:
                raise AskError("earlier questions are still being answered: wait or stop one")
        return self.session.ask(question, options, at)

    def say(self, answer: Answer) -> Iterator[str]:
        """The pieces of ``answer``; its cost is noted at the end."""
        with self._lock:
            self.answers.append(answer)
        try:
            yield from answer
        finally:
            with self._lock:
                self.answers.remove(answer)
            if answer.text:
                self.cost = Cost(answer.counts, answer.timings)

    def hush(self) -> None:
        """End every answer under way."""
        with self._lock:
            for answer in self.answers:
                answer.cancel()

    def hear(self, samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> str:
        """What is said in ``samples`` (mono, 16 kHz); empty where nothing can be made out."""
        heard = self.engine.senses.hearing.transcribe(Speech(0.0, samples))
        return "" if heard is None else heard.text.strip()

    def stand(self, question: str, webhook: Webhook | None = None) -> int:
        """Ask ``question`` of every segment from now on; its number.

        Args:
            webhook: told of its firings; the room starts and closes it.

        Raises:
            RoomError: it is empty or too long, or too many stand already.
        """
        if len(question) > LONGEST_QUESTION:
            raise RoomError(f"that is too long: at most {LONGEST_QUESTION} characters")
        if len(self.standing.questions) >= MOST_STANDING:
            raise RoomError(f"{MOST_STANDING} questions stand already: remove one first")
        try:
            number = self.standing.add(question, since=self.session.status.time)
        except ValueError as error:
            raise RoomError(str(error)) from error
        if webhook is not None:
            self._webhooks[number] = webhook.__enter__()
        return number

    def stand_down(self, number: int) -> None:
        """Ask standing question ``number`` no longer."""
        self.standing.remove(number)
        webhook = self._webhooks.pop(number, None)
        if webhook is not None:
            webhook.close()

    def figures(self) -> dict[str, object]:
        """The live figures, as JSON values."""
        status = self.session.status
        properties = self.session.properties
        now = clock.monotonic()
        with self._lock:
            self._rates.append((now, status.offered, status.sampled))
            while now - self._rates[0][0] > RATE_WINDOW:
                self._rates.popleft()
            since, offered, sampled = self._rates[0]
        passed = max(now - since, 1e-3)
        enough = passed > 0.5 and status.watching
        position = None if self.live else self.playhead.position
        if position is not None and properties.duration is not None:
            position = min(position, properties.duration)
        if self.camera is not None:
            behind = self.camera.reached - status.time
        else:
            behind = 0.0 if position is None else position - status.time
        cost = self.cost
        return {
            "time": status.time,
            "position": position,
            "duration": properties.duration,
            "live": self.live,
            "camera": self.camera is not None,
            "past": self.past,
            "playable": self.file is not None and self.file.is_file(),
            "gaze": "pointer" if self.track is None else "file",
            "watching": status.watching,
            "error": status.error,
            "lag": round(max(behind if status.watching else 0.0, status.lag), 3),
            "wordless": round(status.wordless, 3),
            "source_fps": properties.frame_rate
            or (round((status.offered - offered) / passed, 2) if enough else None),
            "sampled_fps": round((status.sampled - sampled) / passed, 2) if enough else None,
            "read": status.read,
            "dropped": status.dropped + (self.camera.dropped if self.camera else 0),
            "offered": status.offered,
            "sampled": status.sampled,
            "segments": status.segments,
            "quality": status.quality.words,
            "faults": dict(status.faults),
            "unwritten": status.unwritten,
            "lost": status.lost,
            "memory_bytes": psutil.Process().memory_info().rss,
            "context": status.context,
            "context_limit": status.context_limit,
            "last_answer": None
            if cost is None
            else {**asdict(cost.counts), **asdict(cost.timings)},
        }

    def stop(self, within: float = PATIENCE) -> None:
        """End watching, in that many seconds. What was seen can still be asked about."""
        self.hush()
        if self.camera is not None:
            self.camera.end()
        self.session.close(within)
        self.playhead.pause()

    def close(self, within: float = PATIENCE) -> None:
        """Give everything back; what was seen is on disk."""
        self.closed = True
        self.stop(within)
        self._standing.close()
        for webhook in list(self._webhooks.values()):
            webhook.close()
        self.memory.close()

    def _begin(self) -> Session:
        """Watch, or where the source is gone, take up what was seen of it."""
        try:
            return self._session(self._source())
        except SourceError as error:
            if not self.memory.next_index:
                raise
            self.past, self.camera = True, None
            return self._recall(f"it is not watched on: {error}")

    def _recall(self, remark: str = "") -> Session:
        return self._session(Past(self.wanted.name, self.started_at, remark))

    def _session(self, source: Source) -> Session:
        self._preview = Preview(source)
        file = self.wanted.kind == "file"
        return Session(
            self._preview,
            self.engine,
            self.memory,
            paced=file,
            playhead=self.playhead if file else None,
            gaze=HEAD_WORN if self._looking is None else POINTER,
        ).start()

    def _source(self) -> Source:
        if self.wanted.kind == "camera":
            self.camera = BrowserSource(self.wanted.name or "camera", start=self.started_at)
            source: Source = self.camera
        else:
            source = open_source(self.wanted.spec, rate=PICTURES_A_SECOND, start=self.started_at)
        if self.wanted.gaze:
            gaze, clip = Path(self.wanted.gaze), Path(self.wanted.spec)
            self.track = recorded(gaze, self.wanted.gaze_offset, clip)
            return WithGaze(source, self.track)
        self._looking = Looking(source)
        return self._looking

    def _fired(self, firing: Firing) -> None:
        self.firings.append(firing)
        self.fired += 1
        webhook = self._webhooks.get(firing.number)
        if webhook is not None:
            webhook.send({**asdict(firing), "session": self.name})
        self._tell(self, firing)


def _keep(wanted: Wanted, folder: Path) -> Wanted:
    """``wanted`` with the files it came with beside the session."""
    if not wanted.keep:
        return wanted
    given = Path(wanted.spec)
    kept = _keep_file(given, folder / f"clip{given.suffix.lower()}")
    if not wanted.gaze:
        return replace(wanted, spec=str(kept))
    (folder / "gaze").mkdir(exist_ok=True)
    gaze = Path(wanted.gaze)
    # Its name is kept, by which messages about it name it.
    return replace(wanted, spec=str(kept), gaze=str(_keep_file(gaze, folder / "gaze" / gaze.name)))


def _keep_file(given: Path, kept: Path) -> Path:
    if given != kept:
        kept.unlink(missing_ok=True)
        try:
            os.link(given, kept)
        except OSError:
            shutil.copyfile(given, kept)
    return kept
