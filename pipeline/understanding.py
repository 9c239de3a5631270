"""Speech turned into words in the order in which it was spoken; live, beside watching.

Whisper takes a second or two for a long sentence, more on a busy machine. A live stream is not
held up for that long: a thread understands what was said while the pictures and sounds after it
are watched. A file's speech is understood on the spot, so that the same file always gives the same.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from time import monotonic

from models.speech.recogniser import Transcript
from models.speech.voice import Speech

MOST = 4
"""Stretches of speech that may wait; of more the oldest is left out."""

POLL = 0.1
"""Longest single wait for speech, in seconds: how soon :meth:`Understanding.close` is noticed."""

PATIENCE = 60.0
"""Seconds after which words are not waited for any more."""


@dataclass(frozen=True, slots=True)
class Said:
    """A stretch of speech; ``words`` gives what was made out, waits for it where that is still
    going on, and raises what understanding it raised."""

    speech: Speech
    words: Callable[[], Transcript | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    said: Said
    future: Future[Transcript | None] | None  # None: it is understood where it is asked for


class Understanding:
    """Feed it from one thread.

    Args:
        transcribe: speech to words.

    Attributes:
        left_out: stretches that were not understood, since too many waited.
    """

    def __init__(self, transcribe: Callable[[Speech], Transcript | None]) -> None:
        self.left_out = 0
        self._transcribe = transcribe
        self._waiting: tuple[_Waiting, ...] = ()  # replaced, never changed: others look at it
        self._unbegun: deque[_Waiting] = deque()  # at most MOST and one
        self._come = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._deadline = math.inf

    def start(self) -> None:
        """From now on understand on a thread beside; :meth:`close` ends it."""
        self._thread = threading.Thread(target=self._run, name="understand", daemon=True)
        self._thread.start()

    def hurry(self, deadline: float) -> None:
        """Wait for no words beyond ``deadline`` on the monotonic clock. From any thread."""
        self._deadline = deadline

    def close(self, deadline: float) -> bool:
        """True where the thread, if there is one, has ended by ``deadline`` on the monotonic
        clock. What waits is understood before."""
        self._closed = True
        if self._thread is None:
            return True
        self._thread.join(max(0.0, deadline - monotonic()))
        return not self._thread.is_alive()

    @property
    def waiting(self) -> tuple[Said, ...]:
        """What :meth:`understood` has not given yet, oldest first."""
        return tuple(each.said for each in self._waiting)

    def said(self, speech: Speech) -> Said:
        """``speech``, understood where its words are asked for."""
        return Said(speech, partial(self._transcribe, speech))

    def put(self, speech: Speech) -> Speech | None:
        """Understand ``speech``; returns what is left out for it."""
        if self._thread is None:
            self._waiting += (_Waiting(self.said(speech), None),)
            return None
        future: Future[Transcript | None] = Future()
        each = _Waiting(Said(speech, partial(self._wait, future)), future)
        self._waiting += (each,)
        with self._come:
            self._unbegun.append(each)
            self._come.notify()
        return self._leave_out() if len(self._waiting) > MOST else None

    def understood(self, everything: bool = False) -> list[Said]:
        """What has been understood since, in the order in which it was spoken; or
        ``everything``, also what has yet to be waited for."""
        waiting = self._waiting
        ready = list(waiting if everything else takewhile(_ready, waiting))
        self._waiting = waiting[len(ready) :]
        return [each.said for each in ready]

    def _wait(self, future: Future[Transcript | None]) -> Transcript | None:
        patient = monotonic() + PATIENCE
        while not future.done():
            left = min(patient, self._deadline) - monotonic()
            if left <= 0:
                raise TimeoutError("it took too long")
            wait([future], min(left, POLL))
        return future.result()

    def _leave_out(self) -> Speech | None:
        """The oldest that nobody has begun with."""
        with self._come:
            if not self._unbegun:
                return None
            oldest = self._unbegun.popleft()
        assert oldest.future is not None
        oldest.future.cancel()
        self._waiting = tuple(each for each in self._waiting if each is not oldest)
        self.left_out += 1
        return oldest.said.speech

    def _next(self) -> _Waiting | None:
        """The next to understand, waited for; None where none will come."""
        with self._come:
            while not self._unbegun:
                if self._closed:
                    return None
                self._come.wait(POLL)
            return self._unbegun.popleft()

    def _run(self) -> None:
        while (each := self._next()) is not None:
            assert each.future is not None
            try:
                each.future.set_result(self._transcribe(each.said.speech))
            except Exception as error:  # raised again where the words are asked for
                each.future.set_exception(error)


def _ready(waiting: _Waiting) -> bool:
    return waiting.future is None or waiting.future.done()
