"""The real thing under test: a session of the pipeline, watching a file causally."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from app.scoring.candidate import Ask, Response, View
from app.scoring.gaze import GazeOf
from app.scoring.window import Window
from models.reasoning.reasoner import Counts
from pipeline.sources.gaze.merged import WithGaze
from pipeline.sources.source import Source


class Answering(Protocol):
    """An answer under way: iterated for its text, then asked for what it rests on."""

    def __iter__(self) -> Iterator[str]: ...

    @property
    def choice(self) -> int | None:
        """Place of the chosen option, or None of a free answer."""
        ...

    @property
    def spans(self) -> Sequence[tuple[float, float]]:
        """Stream seconds of the evidence used."""
        ...

    @property
    def counts(self) -> Counts: ...


class Watching(Protocol):
    """What scoring needs of a session over one source."""

    def watch_until(self, time: float) -> None:
        """Watch on, causally, until nothing at or before ``time`` is outstanding."""
        ...

    def ask(self, question: str, options: Sequence[str], at: float) -> Answering:
        """Answer from what was known at ``at``, without regard to earlier questions."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sessions:
    """Candidates of an engine: a new session over a guarded source for every view.

    Attributes:
        facts: for the header: engine, model, revision, dtype, budgets.
        source: a video file from some second on.
        begin: begins a session over a source that has not been entered.
        gaze: of a video: it is watched with the pictures, causally.
    """

    facts: Mapping[str, object]
    source: Callable[[Path, float], Source]
    begin: Callable[[Source], Watching]
    gaze: GazeOf = lambda video: None
    needs_video: bool = True
    causal: bool = True

    def describe(self) -> dict[str, object]:
        return dict(self.facts)

    def open(self, video: Path | None, start: float, end: float | None) -> View:
        if video is None:
            raise ValueError("this engine needs the video")
        track = self.gaze(video)
        guarded: Source = Window(self.source(video, start), start, end)
        if track is not None:
            guarded = WithGaze(guarded, track)
        return _SessionView(self.begin(guarded))


@dataclass(frozen=True, slots=True)
class _SessionView:
    session: Watching

    def ask(self, ask: Ask) -> Response:
        self.session.watch_until(ask.time)
        question, options = ask.request
        began = time.perf_counter()
        answer = self.session.ask(question, options, ask.time)
        pieces: list[str] = []
        first: float | None = None
        for piece in answer:
            if first is None:
                first = time.perf_counter() - began
            pieces.append(piece)
        took = time.perf_counter() - began
        return Response(
            text="".join(pieces),
            chosen=answer.choice,
            first_token=first,
            seconds=took,
            tokens=asdict(answer.counts),
            evidence=tuple(answer.spans),
        )

    def close(self) -> None:
        self.session.close()
