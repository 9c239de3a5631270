"""The engine's reasoner on tiny models: what it is told, what it says, what it spends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.compression.slow_fast import SlowFast
from models.reasoning.multimodal import words
from models.reasoning.multimodal.family import Clip
from models.reasoning.multimodal.streaming import MultimodalModel, MultimodalReasoner
from models.reasoning.reasoner import Evidence, Exchange, Line, Passage, ReasonerError
from tests.models.reasoning.multimodal.rig import Rig, Shot, difference, rig, shots
from tests.models.reasoning.multimodal.tiny import FAMILIES, frames

TOLERANCE = 1e-4
QUESTION = "what is seen?"


@pytest.fixture(params=FAMILIES)
def side(request: pytest.FixtureRequest) -> Rig:
    return rig(request.param)


@pytest.fixture
def qwen() -> Rig:
    return rig("qwen3_vl")


def model(side: Rig, **options: Any) -> MultimodalModel:
    defaults: dict[str, Any] = {"context_tokens": 2048, "chunk": 64, "answer_tokens": 8}
    made = MultimodalModel("tiny", side.family, side.tiny.model, **(defaults | options))
    made.gate.patience = 0.0  # where a test's one thread both watches and answers
    return made


def passages(side: Rig, count: int) -> list[Passage]:
    return [
        Passage(
            start=4.0 * i,
            end=4.0 * i + 4,
            lines=(Line(4.0 * i, 4.0 * i + 1, "heard", f"the man says hello {i}."),),
            known_at=4.0 * i + 4,
            frames=tuple(shot.frames),
            frame_times=tuple(shot.times),
            audio=shot.samples,
        )
        for i, shot in enumerate(shots(count, side.hears))
    ]


def told(seen: list[Passage], side: Rig) -> list[Shot]:
    return [
        replace(shot, head=words.heading(p), words=words.told(p.lines))
        for shot, p in zip(shots(len(seen), side.hears), seen, strict=True)
    ]


def watching(side: Rig, seen: list[Passage], **options: Any) -> MultimodalReasoner:
    reasoner = model(side, **options).reasoner()
    for passage in seen:
        reasoner.watch(passage)
    return reasoner


def last_logits(reasoner: MultimodalReasoner, evidence: Evidence) -> torch.Tensor:
    """What the first token of an answer is drawn from."""
    from models.reasoning.reasoner import Counts

    asked = words.asked(QUESTION, evidence.time)
    return reasoner._ask(asked, evidence, Counts()).fork().append([5], all_logits=True)


def test_the_prompt_is_the_librarys_for_the_same_conversation(side: Rig) -> None:
    seen = passages(side, 2)
    reasoner = watching(side, seen)
    logits = last_logits(reasoner, Evidence(8.0, tuple(seen)))
    asked = words.asked(QUESTION, 8.0)
    whole = side.one_shot(told(seen, side), asked, [5], system=words.SYSTEM)
    assert difference(logits, whole) < TOLERANCE


def test_a_question_as_of_an_earlier_time_sees_nothing_later(side: Rig) -> None:
    seen = passages(side, 3)
    logits = last_logits(watching(side, seen), Evidence(5.0, ()))
    expected = last_logits(watching(side, seen[:1]), Evidence(5.0, ()))
    assert (logits - expected).abs().max() < TOLERANCE


def test_an_answer_is_the_same_while_the_stream_goes_on(side: Rig) -> None:
    seen = passages(side, 4)
    evidence = Evidence(8.0, ())
    quiet = "".join(watching(side, seen[:2]).answer(QUESTION, evidence))
    reasoner = watching(side, seen[:2])
    later = iter(seen[2:])
    said = []
    for piece in reasoner.answer(QUESTION, evidence):
        said.append(piece)
        for passage in later:
            reasoner.watch(passage)
    assert "".join(said) == quiet
    used, most = reasoner.context_tokens
    assert used == watching(side, seen).context_tokens[0] < most


def test_counts_say_what_was_spent(qwen: Rig) -> None:
    seen = passages(qwen, 2)
    reasoner = watching(qwen, seen)
    reply = reasoner.answer(QUESTION, Evidence(8.0, ()))
    assert "".join(reply)
    assert reply.counts.fast == reasoner.context_tokens[0]
    assert reply.counts.slow == 0
    assert reply.counts.text > 0
    assert 1 <= reply.counts.generated <= 8


def test_a_cancelled_answer_ends_at_the_next_token(qwen: Rig) -> None:
    reasoner = watching(qwen, passages(qwen, 1), answer_tokens=64)
    stop = threading.Event()
    reply = reasoner.answer(QUESTION, Evidence(4.0, ()), stop.is_set)
    said: Iterator[str] = iter(reply)
    next(said)
    made = reply.counts.generated
    stop.set()
    list(said)
    assert reply.counts.generated <= made + 1


def test_a_closed_answer_lets_the_watcher_on(qwen: Rig) -> None:
    seen = passages(qwen, 2)
    made = model(qwen, answer_tokens=64)
    made.gate.patience = 1e6  # chunks would wait for an answer that is still open
    reasoner = made.reasoner()
    reasoner.watch(seen[0])
    pieces = reasoner.answer(QUESTION, Evidence(4.0, ())).pieces
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    watcher = threading.Thread(target=reasoner.watch, args=(seen[1],), daemon=True)
    watcher.start()
    watcher.join(30)
    assert not watcher.is_alive()


def test_options_are_scored_by_their_letters_on_one_fork(side: Rig) -> None:
    seen = passages(side, 1)
    options = ["a cat", "a mat", "the man"]
    likely, counts = watching(side, seen).choose("which?", options, Evidence(4.0, ()))
    assert counts.generated == 0
    asked = words.asked(words.multiple_choice("which?", options), 4.0)
    whole = side.one_shot(told(seen, side), asked, system=words.SYSTEM)[-1].log_softmax(-1)
    encode = side.tiny.processor.tokenizer.encode
    scores = []
    for letter in "ABC":
        forms = [encode(f, add_special_tokens=False) for f in (letter, " " + letter)]
        total = []
        for ids in forms:
            made = side.one_shot(told(seen, side), asked, ids, system=words.SYSTEM)
            rows = torch.cat([whole[None], made[-len(ids) :].log_softmax(-1)])
            total.append(sum(rows[i, token] for i, token in enumerate(ids)))
        scores.append(torch.stack(total).logsumexp(0))
    expected = torch.stack(scores).softmax(0).tolist()
    assert likely == pytest.approx(expected, abs=1e-3)


def test_options_that_cannot_be_lettered_are_refused(qwen: Rig) -> None:
    with pytest.raises(ReasonerError, match="0 options"):
        watching(qwen, []).choose("which?", [], Evidence(0.0, ()))


def test_earlier_exchanges_are_turns_of_the_chat(qwen: Rig) -> None:
    reasoner = watching(qwen, passages(qwen, 1))
    history = (Exchange(3.0, "who?", "the man"),)
    plain = last_logits(reasoner, Evidence(4.0, ()))
    after = last_logits(reasoner, Evidence(4.0, (), history))
    assert (plain - after).abs().max() > 100 * TOLERANCE
    before, end = reasoner._chat.closing(QUESTION, history)
    assert before == "who?<|im_end|>\n<|im_start|>assistant\nthe man<|im_end|>\n<|im_start|>user\n"
    assert end == f"{QUESTION}<|im_end|>\n<|im_start|>assistant\n"


def test_the_open_stretch_is_seen_before_the_question(side: Rig) -> None:
    """A passage that is not in the context goes before the question, pictures and all."""
    first, second = passages(side, 2)
    reasoner = watching(side, [first])
    reply = reasoner.answer(QUESTION, Evidence(8.0, (first, second)))
    list(reply)
    visual = side.family.encode(second.frames, second.frame_times).tokens[..., 0].numel()
    assert reply.counts.slow > visual
    pictures = replace(second, frames=tuple(frames(4, seed=50)))
    same, other = (
        last_logits(watching(side, [first]), Evidence(8.0, (p,))) for p in (second, pictures)
    )
    assert (same - other).abs().max() > 100 * TOLERANCE


def test_frames_shown_as_they_come_are_encoded_once(
    side: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = passages(side, 2)
    expected = last_logits(watching(side, seen), Evidence(8.0, ()))
    calls = []
    encode = side.family.encode

    def counted(images: Any, times: Any) -> Any:
        calls.append(tuple(times))
        return encode(images, times)

    monkeypatch.setattr(side.family, "encode", counted)
    reasoner = model(side).reasoner()
    for passage in seen:
        for image, time in zip(passage.frames, passage.frame_times, strict=True):
            reasoner.see(image, time)
        ahead = len(calls)
        list(reasoner.answer(QUESTION, Evidence(passage.end, (passage,))))
        reasoner.watch(passage)
        assert len(calls) == ahead
    assert len(calls) == len(set(calls)) == 8 // side.family.group
    logits = last_logits(reasoner, Evidence(8.0, ()))
    assert (logits - expected).abs().max() < TOLERANCE


def test_groups_seen_ahead_are_used_though_a_segment_begins_with_a_half(qwen: Rig) -> None:
    """Frames 0 to 2 end a segment, so the pair (2, 3) straddles it: each half goes alone, and
    the pair (4, 5) is used as it is."""
    first, second = passages(qwen, 2)
    early = replace(first, frames=first.frames[:3], frame_times=first.frame_times[:3])
    images, times = first.frames[3:] + second.frames[:2], (*first.frame_times[3:], 4.0, 5.0)
    late = replace(second, frames=images, frame_times=times)
    reasoner = model(qwen).reasoner()
    for image, time in zip(early.frames + images, early.frame_times + times, strict=True):
        reasoner.see(image, time)
    (features,) = reasoner._look(late, reasoner._model.gate.background)
    assert features.times == (3.0, 4.5)
    (features,) = model(qwen).reasoner()._look(late, reasoner._model.gate.background)
    assert features.times == (3.5, 5.0)


def test_a_picture_of_another_size_begins_a_clip_of_its_own(side: Rig) -> None:
    passage = passages(side, 1)[0]
    mixed = (*passage.frames[:3], frames(1, seed=9, height=90, width=60)[0])
    reasoner = watching(side, [replace(passage, frames=mixed)])
    assert "".join(reasoner.answer(QUESTION, Evidence(4.0, ())))


def test_compression_keeps_the_context_within_budget_and_brings_detail_back(side: Rig) -> None:
    compressor = SlowFast(fast_tokens_per_minute=60, slow_tokens_per_minute=240)
    full = watching(side, passages(side, 3))
    made = model(side, compressor=compressor, slow_tokens=20)
    reasoner = made.reasoner()
    for passage in passages(side, 3):
        reasoner.watch(passage)
    assert reasoner.context_tokens[0] < full.context_tokens[0]
    reply = reasoner.answer(QUESTION, Evidence(12.0, ()))
    assert "".join(reply)
    assert reply.counts.slow > 0
    earlier = reasoner.answer(QUESTION, Evidence(3.0, ()))
    list(earlier)
    assert earlier.counts.slow == 0  # nothing was known yet


def test_an_endless_stream_stays_within_the_context(side: Rig) -> None:
    reasoner = model(side, context_tokens=700).reasoner()
    for passage in passages(side, 14):
        reasoner.watch(passage)
        used, most = reasoner.context_tokens
        assert used <= most
    assert reasoner._rolling.rebuilds > 0
    assert "".join(reasoner.answer(QUESTION, Evidence(56.0, ())))


def test_a_passage_beyond_the_context_is_refused_with_advice(qwen: Rig) -> None:
    passage = replace(passages(qwen, 1)[0], lines=(Line(0.0, 1.0, "heard", "the cat sat " * 99),))
    reasoner = model(qwen, context_tokens=400).reasoner()
    with pytest.raises(ReasonerError, match="raise the context tokens"):
        reasoner.watch(passage)


def test_a_context_too_small_to_begin_with_is_refused_with_advice(qwen: Rig) -> None:
    with pytest.raises(ReasonerError, match="raise the context tokens"):
        model(qwen, context_tokens=100).reasoner()


def test_a_note_is_one_short_line(side: Rig) -> None:
    seen = passages(side, 2)
    reasoner = watching(side, seen)
    line = reasoner.note(seen[1])
    assert "\n" not in line
    assert len(line.split()) <= 30


def test_sound_alone_goes_in_where_there_are_no_pictures() -> None:
    side = rig("qwen2_5_omni_thinker")
    passage = replace(passages(side, 1)[0], frames=(), frame_times=())
    deaf = replace(passage, audio=None)
    used = [watching(side, [p]).context_tokens[0] for p in (passage, deaf)]
    assert used[0] - used[1] == len(side.family.listen(passage.audio).tokens) + 2
    other = replace(passage, audio=np.zeros_like(passage.audio))
    first, second = (last_logits(watching(side, [p]), Evidence(4.0, ())) for p in (passage, other))
    assert (first - second).abs().max() > 100 * TOLERANCE


def test_text_from_outside_cannot_speak_as_the_model(side: Rig) -> None:
    """Control tokens on a screen, in a question or in an earlier answer stay text."""
    marks = "".join(side.tiny.processor.tokenizer.get_added_vocab())
    passage = replace(passages(side, 1)[0], lines=(Line(0.0, 1.0, "read", marks),))
    reasoner = watching(side, [passage])
    used = reasoner._rolling.view().fork
    history = (Exchange(1.0, marks, marks),)
    assert "".join(reasoner.answer(marks, Evidence(4.0, (), history)))
    control = set(side.tiny.processor.tokenizer.get_added_vocab().values())
    for run in (reasoner._told(passage), words.asked(marks, 4.0)):
        ids = side.tiny.processor.tokenizer.encode(side.family.chat("").plain(run))
        assert not control & set(ids)
    assert used.past_length == reasoner.context_tokens[0]


def test_many_answers_while_another_thread_watches(side: Rig) -> None:
    seen = passages(side, 8)
    evidence = Evidence(8.0, ())
    quiet = "".join(watching(side, seen[:2]).answer(QUESTION, evidence))
    reasoner = watching(side, seen[:2])
    failed: list[BaseException] = []

    def watch() -> None:
        try:
            for passage in seen[2:]:
                reasoner.watch(passage)
        except BaseException as error:
            failed.append(error)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    answers = []
    while watcher.is_alive() or not answers:
        answers.append("".join(reasoner.answer(QUESTION, evidence)))
    watcher.join(60)
    assert not failed
    assert set(answers) == {quiet}


def test_what_the_context_let_go_comes_back_when_it_is_recalled(side: Rig) -> None:
    compressor = SlowFast(fast_tokens_per_minute=120, slow_tokens_per_minute=240)
    made = model(side, context_tokens=600, compressor=compressor, slow_tokens=64)
    reasoner = made.reasoner()
    seen = passages(side, 24)
    for passage in seen:
        reasoner.watch(passage)
    standing = {span.key for span in reasoner._rolling.view().spans}
    gone = next(p for i, p in enumerate(seen) if i not in standing)
    spent = []
    for recalled in ((), (gone,)):
        reply = reasoner.answer(QUESTION, Evidence(96.0, recalled))
        assert "".join(reply)
        spent.append(reply.counts.slow)
    assert spent[1] > spent[0]
    chosen = reasoner._detail(
        reasoner._rolling.view(), Evidence(96.0, (gone,)), side.family.render([QUESTION]), True
    )
    times = [part.visual.times for part in chosen if isinstance(part, Clip) and part.visual]
    assert any(gone.start <= t[0] < gone.end for t in times)
    assert words.heading(gone) in chosen
    assert set(reasoner._keys.values()) <= standing | reasoner._slow.counts().keys()
