"""The frontier lets nothing through that lies beyond the limit."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from models.media import AudioChunk, Frame, Media
from pipeline.frontier import Frontier


def picture(time: float) -> Frame:
    return Frame(time, np.zeros((2, 2, 3), np.uint8))


def sound(time: float, seconds: float) -> AudioChunk:
    return AudioChunk(time, np.arange(round(seconds * 16_000), dtype=np.float32))


def test_a_picture_at_the_limit_passes_and_sound_is_cut_at_it_to_the_sample() -> None:
    frontier = Frontier(1.0)
    assert [m.time for m in frontier.pieces(picture(1.0))] == [1.0]
    pieces: list[Media] = []
    passed = threading.Event()

    def watch() -> None:
        for piece in frontier.pieces(sound(0.9, 0.3)):
            pieces.append(piece)
            passed.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert passed.wait(5)
    frontier.wait_until_reached(1.0)
    assert len(pieces) == 1
    first = pieces[0]
    assert isinstance(first, AudioChunk) and len(first.samples) == 1600
    frontier.move(2.0)
    watcher.join(5)
    rest = pieces[1]
    assert isinstance(rest, AudioChunk)
    assert rest.time == pytest.approx(1.0) and rest.samples[0] == 1600


def test_the_limit_never_moves_back() -> None:
    frontier = Frontier(5.0)
    frontier.move(2.0)
    assert [m.time for m in frontier.pieces(picture(4.0))] == [4.0]


def test_closing_wakes_all_who_wait() -> None:
    frontier = Frontier(0.0)
    given: list[Media] = []
    watcher = threading.Thread(target=lambda: given.extend(frontier.pieces(picture(3.0))))
    waiter = threading.Thread(target=lambda: frontier.wait_until_reached(9.0))
    watcher.start()
    waiter.start()
    assert frontier.wait_until_closed(0.01) is False
    frontier.close()
    watcher.join(5)
    waiter.join(5)
    assert not watcher.is_alive() and not waiter.is_alive()
    assert given == [] and frontier.wait_until_closed(None)
