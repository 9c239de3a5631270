"""The transformers engine: a multimodal model that keeps watching while it answers."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.compression.pool import pool
from models.compression.slow_fast import coarser
from models.gaze.cues import Cues as GazeCues
from models.media import SAMPLE_RATE
from models.reasoning.context import ContextFull, Fork, StreamingContext, Tokens
from models.reasoning.gate import PriorityGate
from models.reasoning.multimodal import looks, words
from models.reasoning.multimodal.chat import plain
from models.reasoning.multimodal.family import Clip, Family, Part, Sound
from models.reasoning.multimodal.pieces import pieces, stop_ids
from models.reasoning.multimodal.visual import Compressor, VisualFeatures, VisualTokens
from models.reasoning.reasoner import Counts, Evidence, Passage, ReasonerError, Reply, Span
from models.reasoning.relevance import relevance
from models.reasoning.rolling import RollingContext, View
from models.reasoning.slow import Blobs, Cues, SlowStore, choose

_AHEAD = 64
"""Frame groups encoded and not yet in the context, at most."""

_BRIEF = 8
"""What stands for an old passage has this many times fewer visual tokens."""

_REREAD = 6
"""Chunks of a rebuild for each chunk appended: it refills half of the context while a tenth
of it is appended, see :class:`RollingContext`."""

_NOTE_TOKENS = 60

_SOUND = SAMPLE_RATE // 10
"""Samples below which there is nothing to hear."""

Turn = Callable[[], AbstractContextManager[None]]
"""The gate's side on which the model is used: watching or answering."""


class MultimodalModel:
    """A model loaded once, for any number of streams; see
    :func:`models.reasoning.multimodal.engine.load_multimodal`.

    Args:
        name: for reports.
        family: the model behind it.
        context_tokens: most tokens a running context holds.
        chunk: tokens of one prefill pass, the most that an answer may have to wait for.
        backend: attention backend to force.
        compressor: makes fast and slow tokens; None keeps every visual token in the context.
        answer_tokens: most tokens of an answer.
        slow_tokens: most slow tokens brought in for a question.
        slow_bytes, spill_bytes: main memory and disk for a stream's slow tokens.
        hear: sound goes in beside the pictures, where the family hears.
        gaze: how it is given where somebody looked.
    """

    def __init__(
        self,
        name: str,
        family: Family,
        model: Any,
        context_tokens: int = 16_384,
        chunk: int = 256,
        backend: str | None = None,
        compressor: Compressor | None = None,
        answer_tokens: int = 256,
        slow_tokens: int = 2048,
        slow_bytes: int = 512 * 2**20,
        spill_bytes: int = 4 * 2**30,
        hear: bool = True,
        gaze: GazeCues = GazeCues(text=True, foveated=True, choice=True),  # noqa: B008 - frozen
    ) -> None:
        self.name = name
        self.family = family
        self.tokenizer = family.tokenizer
        self.compressor = compressor
        self.answer_tokens = answer_tokens
        self.slow_tokens = slow_tokens
        self.slow_bytes = slow_bytes
        self.spill_bytes = spill_bytes
        self.hears = family.hears and hear
        self.gaze = gaze
        self.gate = PriorityGate()
        self._model = model
        self.chunk = chunk
        self._context = (context_tokens, backend)
        self.stop_ids = stop_ids(model, family.tokenizer)
        self.backend = self.context().backend

    def context(self) -> StreamingContext:
        """A fresh, empty running context.

        Raises:
            ValueError: the attention backend cannot run here.
        """
        capacity, backend = self._context
        return StreamingContext(self._model, capacity, self.chunk, self.gate, backend)

    def reasoner(self, spill: Blobs | None = None) -> MultimodalReasoner:
        """For one stream.

        Args:
            spill: where its slow tokens go that ``slow_bytes`` of memory have no room for; None
                lets the oldest go. There are none without a compressor, for then all tokens are
                in the context.
        """
        if self.compressor is None:
            return MultimodalReasoner(self)
        slow = SlowStore(self.slow_bytes, spill=spill, spill_bytes=self.spill_bytes)
        return MultimodalReasoner(self, slow)


class MultimodalReasoner:
    """See :class:`models.reasoning.reasoner.Reasoner`. One thread watches (``see``,
    ``watch``, ``note``, ``idle``); any may ask meanwhile."""

    def __init__(self, model: MultimodalModel, slow: SlowStore | None = None) -> None:
        self._model = model
        self._family = model.family
        self._slow = slow
        self._chat = model.family.chat(words.SYSTEM)
        with _explained():
            self._rolling = RollingContext(
                model.context, self._family.render([self._chat.opening + words.BEGIN])
            )
        self._keys: dict[Span, int] = {}
        self._gazed: dict[int, looks.Attention] = {}
        self._shape: tuple[int, int] | None = None  # of the latest picture
        self._waiting: list[tuple[float, NDArray[np.uint8]]] = []
        self._ahead: OrderedDict[tuple[float, ...], VisualFeatures] = OrderedDict()
        self._ahead_lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def context_tokens(self) -> tuple[int, int]:
        return self._rolling.length, self._rolling.capacity

    @property
    def takes_pictures(self) -> bool:
        return True

    def see(self, image: NDArray[np.uint8], time: float) -> None:
        """Run the vision tower ahead of the segment's end, one frame group at a time; not where
        a gaze that is not known yet may have to be drawn in."""
        if self._model.gaze.drawn:
            return
        self._waiting.append((time, image))
        if len(self._waiting) == self._family.group:
            group, self._waiting = self._waiting, []
            self._encode([i for _, i in group], [t for t, _ in group], self._model.gate.background)

    def watch(self, passage: Passage) -> None:
        """See :meth:`Reasoner.watch`.

        Raises:
            ReasonerError: the passage does not fit, or memory ran out.
        """
        with _explained():
            turn = self._model.gate.background
            runs = self._look(passage, turn)
            seconds = passage.end - passage.start
            compress, cues = self._model.compressor, self._model.gaze
            fast = [
                looks.fast(compress, r, seconds, passage.looks, cues)
                if compress
                else VisualTokens.all_of(r)
                for r in runs
            ]
            heading, told = self._heading(passage), self._told(passage)
            full = [heading, *self._clips(fast, self._listen(passage, turn)), told]
            brief = [heading, *self._clips(_coarse(runs, fast), None), told]
            tokens, few = (_aside(self._family.render(parts)) for parts in (full, brief))
            key = self._rolling.append(tokens, few, passage.known_at)
            self._keys[passage.span] = key
            if self._slow is not None and compress is not None and runs:
                # One grid a segment: the longest, where the picture's size changed in it.
                longest = max(runs, key=lambda run: len(run.times))
                kept = looks.slow(compress, longest, seconds, passage.looks, cues)
                self._slow.put(key, kept)
                if passage.looks:
                    self._gazed[key] = looks.attention(passage, kept.times)
            self._forget(passage.end)
            self._consolidate(len(tokens))

    def _consolidate(self, appended: int) -> None:
        """Keep a rebuild of the context, if one is due, ahead of the stream: it re-reads
        several tokens for each new one."""
        rebuilds = self._rolling.rebuilds
        for _ in range(_REREAD * math.ceil(appended / self._model.chunk) + 1):
            if not self._rolling.rebuild_due or not self._rolling.step():
                break
        if self._rolling.rebuilds > rebuilds:
            kept = {span.key for span in self._rolling.view().spans}
            kept |= set() if self._slow is None else self._slow.counts().keys()
            self._keys = {span: key for span, key in self._keys.items() if key in kept}
            self._gazed = {key: gazed for key, gazed in self._gazed.items() if key in kept}

    def idle(self) -> bool:
        """Do one chunk of the rebuild of a full context; whether more is due."""
        return self._rolling.step()

    def answer(
        self,
        question: str,
        evidence: Evidence,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        counts = Counts()

        def speak() -> Iterator[str]:
            with _explained(), self._model.gate.answering():
                fork = self._ask(words.asked(question, evidence.time), evidence, counts)
                made = fork.generate(self._model.answer_tokens, self._model.stop_ids, cancelled)
                yield from pieces(self._model.tokenizer, _counted(made, counts))

        return Reply(speak(), counts)

    def choose(
        self, question: str, options: Sequence[str], evidence: Evidence
    ) -> tuple[list[float], Counts]:
        """By the likelihood of each option's letter, all in one batch on one fork.

        Raises:
            ReasonerError: there are no options, or more than letters; memory ran out.
        """
        counts = Counts()
        with _explained(), self._model.gate.answering():
            asked = words.asked(words.multiple_choice(question, options), evidence.time)
            fork = self._ask(asked, evidence, counts)
            encode = self._model.tokenizer.encode
            forms = [
                encode(form, add_special_tokens=False)
                for i in range(len(options))
                for form in words.letter_forms(i)
            ]
            scores = torch.tensor(fork.score(forms), dtype=torch.float64)
        likely: list[float] = scores.view(-1, 2).logsumexp(-1).softmax(0).tolist()
        return likely, counts

    def note(self, passage: Passage) -> str:
        evidence = Evidence(math.inf, (passage,))
        with _explained():
            fork = self._ask(words.note(passage), evidence, Counts(), slow=False)
            made = fork.generate(_NOTE_TOKENS, self._model.stop_ids)
            line = words.one_line("".join(pieces(self._model.tokenizer, made)))
        key = self._keys.get(passage.span)
        if key is not None and line:
            noted = f"note: {plain(self._family.tokenizer, words.quoted(line))}\n"
            brief = self._heading(passage) + self._told(passage) + noted
            self._rolling.shorten(key, self._family.render([brief]))
        return line

    def _ask(self, question: str, evidence: Evidence, counts: Counts, slow: bool = True) -> Fork:
        """A fork that has read the question and is about to answer it."""
        view = self._rolling.view(evidence.time)
        before, after = self._chat.closing(question, evidence.history)
        asked = self._family.render([before + after])
        scanpath = self._scanpath(evidence) if slow else None
        mapped = 0 if scanpath is None else len(scanpath)
        detail = self._detail(view, evidence, asked, slow, self._model.slow_tokens - mapped)
        parts: list[Part] = [words.DETAIL, *detail] if detail else []
        gazed = bool(self._gazed) or any(passage.looks for passage in evidence.passages)
        if said := looks.meaning(self._model.gaze, gazed, scanpath is not None):
            parts.append(said)
        if scanpath is not None:
            parts += [Clip(scanpath), "\n"]
        whole = self._family.render([before, *parts, after]) if parts else asked
        counts.fast = view.fork.past_length
        counts.text = len(asked)
        counts.slow = len(whole) - len(asked)
        view.fork.append(whole)
        return view.fork

    def _scanpath(self, evidence: Evidence) -> VisualTokens | None:
        """The map of where somebody looked in the passages of a question, as a few tokens."""
        shown = looks.scanpath(evidence.passages, self._model.gaze, self._shape)
        if shown is None:
            return None
        with self._model.gate.foreground():
            features = self._family.encode([shown], [evidence.time])
        most = max(1, self._model.slow_tokens // looks.MAP_SHARE)
        steps, height, width = features.tokens.shape[:3]
        return VisualTokens.all_of(pool(features, coarser((steps, height, width), most, 1)))

    def _detail(
        self,
        view: View,
        evidence: Evidence,
        asked: Tokens,
        slow: bool,
        budget: int | None = None,
    ) -> list[Part]:
        """What is put before a question: of passages in the context at most ``budget`` of their
        slow tokens (all that the model allows), others (the stretch that is still open, what
        was thinned out) as they are; by time."""
        spans = {span.key: (span.start, span.stop) for span in view.spans}
        held = {} if self._slow is None else self._slow.counts()
        kept = held if slow else {}
        entries: list[tuple[float, list[Part]]] = []
        recalled = []
        for passage in evidence.passages:
            key = self._keys.get(passage.span)
            if key in spans or key in kept:
                recalled.append(key)
            if key in spans:
                continue
            turn = self._model.gate.foreground
            close: list[VisualTokens] = []
            if key in held:
                if key not in kept:  # else they are there to be chosen
                    close = self._again(key)
            else:
                close = [self._close(run, passage) for run in self._look(passage, turn)]
            clips = self._clips(close, self._listen(passage, turn))
            parts: list[Part] = [self._heading(passage), *clips, self._told(passage)]
            entries.append((passage.start, parts))
        if self._slow is not None and kept:
            scored = {key: span for key, span in spans.items() if key in kept}
            neutral = self._family.render(["".join(self._chat.closing(words.NEUTRAL))])
            scores = relevance(view.fork, asked, neutral, list(scored.values()))
            gazed = dict(self._gazed) if self._model.gaze.choice else {}
            cues = Cues(
                recalled=recalled,
                relevance=dict(zip(scored, scores, strict=True)),
                gaze={key: each.segment for key, each in gazed.items()},
                frames={key: each.frames for key, each in gazed.items()},
            )
            able = {*scored, *recalled}
            most = self._model.slow_tokens if budget is None else budget
            for chosen in choose(self._slow, able, cues, most):
                start, end = chosen.tokens.times[0], chosen.tokens.times[-1]
                heading = f"[{start:.1f} s to {end:.1f} s]\n"
                entries.append((start, [heading, Clip(chosen.tokens), "\n"]))
        entries.sort(key=lambda entry: entry[0])
        return [part for _, parts in entries for part in parts]

    def _close(self, features: VisualFeatures, passage: Passage) -> VisualTokens:
        compress = self._model.compressor
        if compress is None:
            return VisualTokens.all_of(features)
        seconds = passage.end - passage.start
        return looks.slow(compress, features, seconds, passage.looks, self._model.gaze)

    def _again(self, key: int | None) -> list[VisualTokens]:
        """The slow tokens of a passage, unless they have been let go since."""
        tokens = None if self._slow is None or key is None else self._slow.get(key)
        return [] if tokens is None else [tokens]

    def _heading(self, passage: Passage) -> str:
        return plain(self._family.tokenizer, words.heading(passage))

    def _told(self, passage: Passage) -> str:
        lines = looks.lines(passage, self._model.gaze)
        return plain(self._family.tokenizer, words.told(lines))

    def _listen(self, passage: Passage, turn: Turn) -> Sound | None:
        if passage.audio is None or not self._model.hears or len(passage.audio) < _SOUND:
            return None
        with turn():
            return self._family.listen(passage.audio)

    @staticmethod
    def _clips(visual: Sequence[VisualTokens], sound: Sound | None) -> list[Part]:
        """Sound goes with the first pictures."""
        shown = [v for v in visual if len(v)]
        if not shown:
            return [] if sound is None else [Clip(sound=sound)]
        return [Clip(shown[0], sound), *(Clip(v) for v in shown[1:])]

    def _look(self, passage: Passage, turn: Turn) -> list[VisualFeatures]:
        """The passage's pictures, encoded group by group unless they have been already; in
        runs of one and the same grid."""
        frames, times = looks.pictures(passage, self._model.gaze), passage.frame_times
        marked = frames is not passage.frames
        if frames:
            self._shape = frames[-1].shape[:2]
        runs: list[list[VisualFeatures]] = []
        first = 0
        while first < len(frames):
            count = self._group_at(frames, times, first)
            stop = first + count
            # What is encoded is kept by its times, which other sources' pictures may share.
            own = marked or bool(passage.source)
            features = self._encode(frames[first:stop], times[first:stop], turn, own)
            if not runs or runs[-1][0].tokens.shape[1:] != features.tokens.shape[1:]:
                runs.append([])
            runs[-1].append(features)
            first = stop
        return [VisualFeatures.join(run) for run in runs]

    def _group_at(
        self, frames: Sequence[NDArray[np.uint8]], times: Sequence[float], first: int
    ) -> int:
        """Frames of the group that begins here: a full one, unless the picture's size changes
        or a group that has been encoded ahead begins in between."""
        most = min(self._family.group, len(frames) - first)
        with self._ahead_lock:
            begun = {group[0] for group in self._ahead if len(group) == self._family.group}
        for count in range(1, most):
            same = frames[first + count].shape == frames[first].shape
            if not same or (times[first] not in begun and times[first + count] in begun):
                return count
        return most

    def _encode(
        self,
        frames: Sequence[NDArray[np.uint8]],
        times: Sequence[float],
        turn: Turn,
        own: bool = False,
    ) -> VisualFeatures:
        """
        Args:
            own: what was encoded before is not theirs, and what is now is not others'.
        """
        key = tuple(times)
        with self._ahead_lock:
            found = None if own else self._ahead.get(key)
        if found is not None:
            return found
        with turn():
            features = self._family.encode(frames, times)
        if own:
            return features
        with self._ahead_lock:
            self._ahead[key] = features
            while len(self._ahead) > _AHEAD:
                self._ahead.popitem(last=False)
        return features

    def _forget(self, time: float) -> None:
        """Drop what was encoded ahead up to stream ``time``: it is in the context now."""
        self._waiting = [(t, image) for t, image in self._waiting if t >= time]
        with self._ahead_lock:
            for key in [k for k in self._ahead if k[-1] < time]:
                del self._ahead[key]


def _coarse(runs: Sequence[VisualFeatures], fast: Sequence[VisualTokens]) -> list[VisualTokens]:
    """A few tokens for each run, for when it is old."""
    few = []
    for run, kept in zip(runs, fast, strict=True):
        if len(kept) >= _BRIEF:
            steps, height, width = run.tokens.shape[:3]
            size = coarser((steps, height, width), len(kept) // _BRIEF, 1)
            few.append(VisualTokens.all_of(pool(run, size)))
    return few


def _aside(tokens: Tokens) -> Tokens:
    """In main memory: the context keeps what it was made from, to be rebuilt from."""
    if tokens.embeds is None:
        return tokens
    deepstack = tuple(layer.cpu() for layer in tokens.deepstack)
    return replace(tokens, embeds=tokens.embeds.cpu(), deepstack=deepstack)


def _counted(made: Iterator[int], counts: Counts) -> Iterator[int]:
    for token in made:
        counts.generated += 1
        yield token


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what can go wrong in the model into a line for people."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ReasonerError(
            "the graphics memory is full: load the model with fewer context tokens, in 8 or 4 "
            "bits, or take a smaller one"
        ) from error
    except ContextFull as error:
        raise ReasonerError(
            f"{error}: raise the context tokens, or lower the tokens of a frame"
        ) from error
