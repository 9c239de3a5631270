"""The transformers engine behind a whole session: a tiny random model watches the sample."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memory.memory import Memory
from models.reasoning.multimodal.engine import load_multimodal
from models.reasoning.multimodal.streaming import MultimodalModel
from pipeline.session import Session
from pipeline.sources import open_source
from pipeline.spill import SpillFolder
from tests.models.reasoning.multimodal.tiny import tiny
from tests.pipeline.fakes import engine, hashed


@pytest.fixture
def model(tmp_path: Path) -> MultimodalModel:
    folder = tiny("qwen3_vl").save(tmp_path / "model")
    loaded = load_multimodal(
        str(folder), context_tokens=1000, frame_tokens=16, answer_tokens=8, slow_bytes=4_000
    )
    assert isinstance(loaded, MultimodalModel)
    return loaded


def test_it_encodes_as_it_watches_spills_to_disk_and_answers_from_slow_tokens(
    model: MultimodalModel, sample: Path, tmp_path: Path
) -> None:
    encoded: list[tuple[float, ...]] = []
    encode = model.family.encode

    def noting(frames: Any, times: Any) -> Any:
        encoded.append(tuple(times))
        return encode(frames, times)

    model.family.encode = noting  # type: ignore[method-assign]
    whole = replace(engine(), new_reasoner=lambda scratch: model.reasoner(SpillFolder(scratch)))
    path = tmp_path / "session.onlooker"
    with Memory.open(path, hashed) as memory:
        with Session(open_source(str(sample)), whole, memory, stepped=True) as session:
            session.watch_until(40.0)
            assert len(encoded) == len(set(encoded)), "a frame group was encoded twice"
            spilled = list(path.with_suffix(".slow").iterdir())
            assert spilled, "slow tokens beyond the budget lie on disk"
            answer = session.ask("what is seen?")
            "".join(answer)
            assert answer.counts.slow > 0
            assert answer.counts.fast > 0
            assert len(encoded) == len(set(encoded)), "asking looked again at what is kept"
        del session, answer
    gc.collect()
    assert not path.with_suffix(".slow").exists()
