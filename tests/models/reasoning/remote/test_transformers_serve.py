"""The remote engine against ``transformers serve``: a real server, a tiny model that sees, and a
small one that speaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.home import home
from models.reasoning import smollm2
from models.reasoning.reasoner import Evidence, Line, Passage, ReasonerError
from models.reasoning.remote.endpoint import Endpoint
from models.reasoning.remote.reasoner import RemoteReasoner
from models.reasoning.remote.server import Server
from tests.models.reasoning.multimodal.tiny import frames, save_llava
from tests.models.reasoning.remote.serving import START, Serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    server = Serving(tmp_path_factory.mktemp("serve") / "log")
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def tiny(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The server with a tiny random model that takes pictures."""
    folder = save_llava(tmp_path_factory.mktemp("model") / "llava")
    serving.wait()
    return Server(Endpoint(serving.url, str(folder), timeout=START))


def watching(server: Server, passages: int = 3) -> RemoteReasoner:
    made = RemoteReasoner(server, answer_tokens=12)
    for number in range(passages):
        start = 5.0 * number
        line = Line(start, start + 1.0, "heard", f"hello {number}")
        times = (start, start + 1.0)
        made.watch(
            Passage(start, start + 5.0, (line,), start + 5.0, tuple(frames(2, number)), times)
        )
    return made


def test_the_server_is_found_to_take_pictures_and_to_tell_no_log_probabilities(
    tiny: Server,
) -> None:
    able = tiny.abilities()
    assert able.picture_tokens == 16  # of 32 x 32 pixels in patches of 8
    assert not able.logprobs and not able.sound_tokens


def test_an_answer_streams_and_its_tokens_are_counted_with_the_pictures(tiny: Server) -> None:
    made = watching(tiny)
    reply = made.answer("What is seen?", Evidence(15.0, ()))
    assert "".join(reply)
    assert reply.counts.fast > 3 * 2 * 16
    assert 1 <= reply.counts.generated <= 12
    assert made.usage.prompt == reply.counts.fast + reply.counts.slow + reply.counts.text


def test_a_choice_is_made_and_a_note_written(tiny: Server) -> None:
    made = watching(tiny, 1)
    shares, counts = made.choose("What is it?", ["a cat", "a dog"], Evidence(5.0, ()))
    assert sum(shares) == pytest.approx(1.0) and counts.generated > 0
    assert isinstance(made.note(Passage(0.0, 5.0, (), 5.0)), str)


def test_a_model_of_words_alone_is_sent_none_but_words_and_answers_from_them(
    serving: Serving, tiny: Server
) -> None:
    smollm2.load(home())
    server = Server(Endpoint(serving.url, str(home() / "engine" / smollm2.FOLDER), timeout=START))
    made = RemoteReasoner(server, answer_tokens=16)
    server.check()
    assert not made.takes_pictures
    line = Line(1.0, 3.0, "heard", "My name is Clara and I am a pilot.")
    made.watch(Passage(0.0, 5.0, (line,), 5.0, tuple(frames(2, 0)), (0.0, 1.0)))
    reply = "".join(made.answer("What is the name of the pilot?", Evidence(5.0, ())))
    assert "Clara" in reply


def test_killed_under_load_it_is_told_and_once_it_is_back_all_are_answered(
    serving: Serving, tiny: Server
) -> None:
    streams = [watching(tiny, 1) for _ in range(3)]
    answered = [threading.Event() for _ in streams]
    failed = [threading.Event() for _ in streams]
    back = [threading.Event() for _ in streams]
    over = threading.Event()

    def ask(number: int) -> None:
        while not over.is_set() and not back[number].is_set():
            try:
                "".join(streams[number].answer("What is seen?", Evidence(1e9, ())))
                (back if failed[number].is_set() else answered)[number].set()
            except ReasonerError:
                failed[number].set()
                over.wait(0.2)

    threads = [threading.Thread(target=ask, args=(n,), daemon=True) for n in range(len(streams))]
    for thread in threads:
        thread.start()
    try:
        assert all(event.wait(START) for event in answered)
        serving.kill()
        assert all(event.wait(60) for event in failed)
        for made in streams:  # watching goes on meanwhile
            made.watch(Passage(5.0, 10.0, (Line(5.0, 6.0, "heard", "again"),), 10.0))
        serving.start()
        serving.wait()
        assert all(event.wait(START) for event in back)
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert all(made.usage.prompt > 0 and not made.down for made in streams)
