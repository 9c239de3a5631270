"""Where somebody speaks: the stream of sound cut into stretches of speech.

The model is silero-vad (MIT): an LSTM over frames of 32 ms that says how likely each holds
speech. Its frame-by-frame probabilities go through a small state machine. The cuts depend on
the samples alone, not on how they were chunked.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.media import SAMPLE_RATE, AudioChunk

FRAME = 512  # samples the model judges at a time: 32 ms
CONTEXT = 64  # samples of the frame before, which the model wants in front
STATE = (1, 1, 128)

LIKELY, UNLIKELY = 0.5, 0.35
"""Speech begins at the first probability; it pauses below the second."""

PAD = 6  # frames of sound kept before and after speech: 0.19 s
BRIEFEST = 6  # frames of speech below which it was a click or a knock
JUMP = 0.05  # seconds by which a chunk may miss the end of the last before it is a gap


class VoiceError(Exception):
    """Speech cannot be found; the message says why and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """A stretch of sound with somebody speaking.

    Attributes:
        start: stream time of the first sample, in seconds.
        samples: mono ``float32`` at 16 kHz, shape ``(n,)``.
    """

    start: float
    samples: NDArray[np.float32]

    @property
    def end(self) -> float:
        """Stream time just after the last sample, in seconds."""
        return self.start + len(self.samples) / SAMPLE_RATE


class VoiceActivity:
    """Cuts one stream of sound into stretches of speech. Deterministic; one per stream.

    Args:
        pause: seconds of silence that end a stretch.
        longest: seconds after which a stretch is cut at its quietest point in the last third.

    Raises:
        VoiceError: the model is not installed.
    """

    def __init__(self, *, pause: float = 0.5, longest: float = 15.0) -> None:
        self._pause = max(PAD, round(pause * SAMPLE_RATE / FRAME))
        self._longest = max(4 * PAD, round(longest * SAMPLE_RATE / FRAME))
        self._session = _load()
        self._silent_since: float | None = None
        self._fed_to: float | None = None
        self._rest = np.zeros(0, dtype=np.float32)  # fed, less than a frame
        self._reset()

    @property
    def speaking_since(self) -> float | None:
        """Stream time at which the open speech began, padding included; None in silence."""
        return self._start

    @property
    def silent_since(self) -> float | None:
        """Stream time at which the last speech ended; None before any and during speech."""
        return None if self._start is not None else self._silent_since

    def feed(self, chunk: AudioChunk) -> list[Speech]:
        """The stretches of speech that ended within ``chunk``, in order.

        A chunk that does not begin where the last one ended closes the open speech.
        """
        finished: list[Speech] = []
        if self._fed_to is not None and abs(chunk.time - self._fed_to) > JUMP:
            finished = self.finish()
        self._fed_to = chunk.end
        self._rest = np.concatenate([self._rest, chunk.samples.astype(np.float32, copy=False)])
        count = len(self._rest) // FRAME
        if not count:
            return finished
        frames = self._rest[: count * FRAME].reshape(count, FRAME)
        self._rest = self._rest[count * FRAME :]
        for index, chance in enumerate(self._judge(frames)):
            behind = (count - index - 1) * FRAME + len(self._rest)
            end = chunk.end - behind / SAMPLE_RATE
            speech = self._take(frames[index], float(chance), end)
            if speech is not None:
                finished.append(speech)
        return finished

    def finish(self) -> list[Speech]:
        """What is still open: the stream ended or jumped here."""
        speech = self.so_far()
        self._reset()
        self._fed_to = None
        if speech is None:
            return []
        self._silent_since = speech.end
        return [speech]

    def so_far(self) -> Speech | None:
        """The open speech up to the last sample fed, or None in silence and where it is too
        brief yet to be words. It stays open."""
        if self._start is None or len(self._frames) - PAD - self._quiet < BRIEFEST:
            return None
        return Speech(self._start, np.concatenate([*self._frames, self._rest]))

    def _reset(self) -> None:
        self._hidden = np.zeros(STATE, dtype=np.float32)
        self._cell = np.zeros(STATE, dtype=np.float32)
        self._before = np.zeros(CONTEXT, dtype=np.float32)
        self._rest = np.zeros(0, dtype=np.float32)
        self._frames: list[NDArray[np.float32]] = []  # of the open speech, or just before one
        self._start: float | None = None
        self._quiet = 0  # frames since somebody last spoke

    def _judge(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of speech in each of the frames ``(n, FRAME)``."""
        before = np.vstack([self._before[None], frames[:-1, -CONTEXT:]])
        self._before = frames[-1, -CONTEXT:]
        chances, self._hidden, self._cell = self._session.run(
            ["speech_probs", "hn", "cn"],
            {"input": np.hstack([before, frames]), "h": self._hidden, "c": self._cell},
        )
        return np.asarray(chances, dtype=np.float32).reshape(-1)

    def _take(self, frame: NDArray[np.float32], chance: float, end: float) -> Speech | None:
        self._frames.append(frame)
        if self._start is None:
            if chance >= LIKELY:
                self._start = end - len(self._frames) * FRAME / SAMPLE_RATE
                self._quiet = 0
            else:
                del self._frames[:-PAD]
            return None
        if chance >= LIKELY:
            self._quiet = 0
        elif chance < UNLIKELY or self._quiet:
            self._quiet += 1
        if self._quiet >= self._pause:
            return self._close()
        if len(self._frames) >= self._longest:
            return self._cut()
        return None

    def _close(self) -> Speech | None:
        spoken = len(self._frames) - self._quiet
        speech = self._keep_from(spoken + PAD)
        self._start = None
        del self._frames[:-PAD]
        if spoken - PAD < BRIEFEST:
            return None
        self._silent_since = speech.end
        return speech

    def _cut(self) -> Speech:
        first = len(self._frames) * 2 // 3
        power = np.array([np.square(frame).mean() for frame in self._frames[first:]])
        smooth = np.convolve(power, np.ones(3) / 3, mode="same")[1:-1]
        speech = self._keep_from(first + 2 + int(smooth.argmin()))
        self._start = speech.end
        return speech

    def _keep_from(self, count: int) -> Speech:
        """Take the first ``count`` frames off as speech."""
        assert self._start is not None
        speech = Speech(self._start, np.concatenate(self._frames[:count]))
        self._frames = self._frames[count:]
        return speech


def _load() -> Any:
    spec = find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise VoiceError("speech cannot be found in sound: install the package silero-vad")
    path = Path(spec.origin).parent / "data" / "silero_vad_16k_sequence.onnx"
    if not path.is_file():
        raise VoiceError(f"the silero-vad package lacks {path.name}: install version 6.2.3")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
