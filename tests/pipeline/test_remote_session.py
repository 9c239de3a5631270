"""A session whose reasoner is on a server that goes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory.memory import Memory
from models.reasoning.reasoner import ReasonerError
from models.reasoning.remote.endpoint import Endpoint
from models.reasoning.remote.fallback import WithFallback
from models.reasoning.remote.reasoner import RemoteReasoner
from models.reasoning.remote.server import Server
from pipeline.engine import Choice, Engine, EngineError, load_engine
from pipeline.session import Session
from tests.models.reasoning.remote.server import Rules, standing
from tests.pipeline.fakes import Echo, Scripted, engine, frames, hashed


def of(server: Server, fallback: bool = False) -> Engine:
    fakes = engine()
    made = RemoteReasoner(server)
    return Engine(
        "remote",
        fakes.senses,
        hashed,
        lambda scratch: WithFallback(made, Echo()) if fallback else made,
        {},
    )


def test_watching_goes_on_without_the_server_and_questions_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.reasoning.remote.server.RETRIES", 0)
    with standing(Rules()) as state:
        server = Server(Endpoint(state.url, timeout=20.0))
        server.check()
        url = state.url
    for fallback in (False, True):
        with Memory.open(None, hashed) as memory:
            session = Session(Scripted(frames(16.0)), of(server, fallback), memory, stepped=True)
            with session:
                session.watch_until(6.0)
                before = memory.next_index
                answer = session.ask("What was seen?")
                if fallback:
                    assert "does not answer; echo does" in "".join(answer)
                else:
                    with pytest.raises(ReasonerError, match="cannot be reached"):
                        "".join(answer)
                session.watch_until(16.0)
                assert memory.next_index > before
                assert session.status.error is None
                with standing(Rules(), port=int(url.rpartition(":")[2])) as again:
                    assert "".join(session.ask("And now?")) == "A cat."
                    assert "[0.0 s" in str(again.questions[-1]["messages"][2])


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (Choice("remote"), "needs --base-url"),
        (Choice("remote", base_url="nowhere"), "not a server's address"),
        (Choice("remote", base_url="http://h", api_key_env="NO_SUCH_KEY"), "NO_SUCH_KEY"),
        (Choice("embedded", base_url="http://h"), "--engine remote"),
    ],
)
def test_what_is_wrong_with_the_choice_of_a_server_is_told(
    choice: Choice, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.text.embedding.SentenceEmbedder", lambda: hashed)
    with pytest.raises(EngineError, match=told):
        load_engine(choice, tmp_path)
