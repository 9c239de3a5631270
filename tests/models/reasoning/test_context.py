"""The streaming context gives what a plain forward pass gives, at no copy of the past."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from models.reasoning.attention import attend, choose_backend, merge
from models.reasoning.context import ContextFull, StreamingContext, Tokens
from models.reasoning.gate import PriorityGate

TOLERANCE = 1e-4
FAMILIES = ("llama", "qwen2", "qwen3")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tiny models gain nothing from threads, and on a busy machine lose much by them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tiny(family: str) -> Any:
    torch.manual_seed(7)
    config = AutoConfig.for_model(
        family,
        vocab_size=97,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=4096,
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    # Random weights are small, and logits then hardly depend on the past: make them larger.
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(8)
    return model


@pytest.fixture(params=FAMILIES, scope="module")
def model(request: pytest.FixtureRequest) -> Any:
    return tiny(request.param)


@pytest.fixture(scope="module")
def llama() -> Any:
    return tiny("llama")


@torch.inference_mode()
def plain(model: Any, ids: list[int]) -> torch.Tensor:
    out: torch.Tensor = model(torch.tensor([ids])).logits[0]
    return out


def numbers(count: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 97, (count,), generator=generator).tolist()


@pytest.mark.parametrize("chunk", [1, 5, 256])
def test_logits_equal_a_plain_forward_whatever_the_chunk(model: Any, chunk: int) -> None:
    past, question = numbers(37, 1), numbers(11, 2)
    context = StreamingContext(model, capacity=64, chunk=chunk)
    context.append(past[:20])
    context.append(past[20:])
    logits = context.fork().append(question, all_logits=True)
    expected = plain(model, past + question)[len(past) :]
    assert (logits - expected).abs().max() < TOLERANCE


def test_the_past_matters_to_these_models(model: Any) -> None:
    """Guards the other tests: they could not fail if the past were ignored by the model."""
    question = numbers(11, 2)
    seen = plain(model, numbers(37, 1) + question)[-1]
    other = plain(model, numbers(37, 3) + question)[-1]
    assert (seen - other).abs().max() > 100 * TOLERANCE


def test_embeddings_and_ids_are_the_same_tokens(llama: Any) -> None:
    ids = torch.tensor(numbers(9, 1))
    by_ids, by_embeds = (StreamingContext(llama, 32) for _ in range(2))
    by_ids.append(ids)
    by_embeds.append(llama.get_input_embeddings()(ids)[None])
    assert torch.equal(by_ids.fork().append([5]), by_embeds.fork().append([5]))


def test_generation_equals_greedy_decoding_while_the_watcher_appends(model: Any) -> None:
    past, question, later = numbers(30, 1), numbers(7, 2), numbers(15, 3)
    # One thread does both here: its chunks cannot wait for its own answer to end.
    context = StreamingContext(model, capacity=128, chunk=4, gate=PriorityGate(patience=0.0))
    context.append(past)
    fork = context.fork()
    fork.append(question)
    made = []
    for token in fork.generate(max_new_tokens=12):
        made.append(token)
        if len(made) in (1, 4, 8):
            context.append(later)
    ids = past + question
    expected = []
    for _ in range(12):
        expected.append(int(plain(model, ids)[-1].argmax()))
        ids = [*ids, expected[-1]]
    assert made == expected
    # and the watcher's own past was not disturbed by the fork
    tail = context.fork().append(question)
    assert (tail - plain(model, past + later * 3 + question)[-1]).abs().max() < TOLERANCE


def test_a_fork_as_of_an_earlier_length_sees_nothing_later(model: Any) -> None:
    past, question = numbers(40, 1), numbers(6, 2)
    context = StreamingContext(model, capacity=64)
    context.append(past)
    logits = context.fork(length=17).append(question)
    assert (logits - plain(model, past[:17] + question)[-1]).abs().max() < TOLERANCE


def test_a_branch_of_a_fork_continues_it(llama: Any) -> None:
    context = StreamingContext(llama, 64)
    context.append(numbers(10, 1))
    fork = context.fork()
    fork.append(numbers(5, 2))
    logits = fork.fork().append(numbers(4, 3))
    expected = plain(llama, numbers(10, 1) + numbers(5, 2) + numbers(4, 3))[-1]
    assert (logits - expected).abs().max() < TOLERANCE


def test_scores_are_the_log_likelihoods_and_leave_the_fork_alone(model: Any) -> None:
    past, question = numbers(20, 1), numbers(5, 2)
    options = [[3, 4, 5], [6], [7, 8]]
    context = StreamingContext(model, capacity=64)
    context.append(past)
    fork = context.fork()
    fork.append(question)
    before = fork.length
    scores = fork.score(options)
    for option, score in zip(options, scores, strict=True):
        likely = plain(model, past + question + option).log_softmax(-1)
        start = len(past) + len(question) - 1
        expected = sum(float(likely[start + i, t]) for i, t in enumerate(option))
        assert score == pytest.approx(expected, abs=TOLERANCE)
    assert fork.length == before
    follow = fork.append([9])
    assert (follow - plain(model, [*past, *question, 9])[-1]).abs().max() < TOLERANCE


def test_given_positions_are_used_and_continued(llama: Any) -> None:
    """A hole in the positions, as after a picture under M-RoPE."""
    positions = torch.cat([torch.arange(6), torch.arange(20, 24)])
    context = StreamingContext(llama, 64)
    context.append(numbers(10, 1), positions=positions)
    assert context.next_position == 24
    logits = context.fork().append([1, 2])
    with torch.inference_mode():
        expected = llama(
            torch.tensor([[*numbers(10, 1), 1, 2]]),
            position_ids=torch.cat([positions, torch.tensor([24, 25])])[None],
        ).logits[0, -1]
    assert (logits - expected).abs().max() < TOLERANCE


def test_a_fork_allocates_the_same_bytes_whatever_the_past(llama: Any) -> None:
    sizes = []
    for length in (10, 100, 1000):
        context = StreamingContext(llama, capacity=1024)
        context.append(numbers(length, 1))
        fork = context.fork()
        fork.append(numbers(20, 2))
        sizes.append(fork.nbytes)
        shared = fork._cache.layers[0].past[0][0]
        assert shared.data_ptr() == context._cache.layers[0].keys.data_ptr()
    assert sizes[0] == sizes[1] == sizes[2] > 0


def test_a_tail_grows_beyond_its_first_slots(llama: Any) -> None:
    context = StreamingContext(llama, capacity=16, chunk=50)
    context.append(numbers(5, 1))
    logits = context.fork().append(numbers(170, 2))
    expected = plain(llama, numbers(5, 1) + numbers(170, 2))[-1]
    assert (logits - expected).abs().max() < TOLERANCE


def test_what_does_not_fit_is_refused_whole(llama: Any) -> None:
    context = StreamingContext(llama, capacity=8)
    context.append([1, 2, 3, 4, 5])
    with pytest.raises(ContextFull, match="4 tokens do not fit"):
        context.append([1, 2, 3, 4])
    assert context.length == 5


def test_a_question_on_an_empty_context_is_a_plain_prompt(llama: Any) -> None:
    logits = StreamingContext(llama, capacity=8).fork().append(numbers(5, 1))
    assert (logits - plain(llama, numbers(5, 1))[-1]).abs().max() < TOLERANCE


def test_generation_stops_at_a_stop_token_and_when_cancelled(llama: Any) -> None:
    context = StreamingContext(llama, capacity=32)
    context.append(numbers(9, 1))
    fork = context.fork()
    fork.append(numbers(3, 2))
    free = list(fork.fork().generate(8))
    stop = free[-1]
    until = free[: free.index(stop)]
    assert list(fork.fork().generate(8, stop_ids=[stop])) == until
    calls = iter([False, False, True, True, True])
    assert len(list(fork.fork().generate(8, cancelled=lambda: next(calls)))) <= 2


def test_backends_agree_and_parts_merge_to_the_whole() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, n, 16) for n in (4, 30, 30))
    whole, _ = attend(query, key, value, 0.25, False, "eager")
    for backend in ("sdpa", "eager"):
        parts = [
            attend(query, key[:, :, run], value[:, :, run], 0.25, False, backend)
            for run in (slice(0, 1), slice(1, 13), slice(13, 30))
        ]
        assert (merge(parts) - whole).abs().max() < 1e-5


def test_a_backend_this_machine_lacks_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"flash.*cannot run on cpu"):
        choose_backend(torch.device("cpu"), torch.float32, "flash")
    with pytest.raises(ValueError, match="unknown"):
        choose_backend(torch.device("cpu"), torch.float32, "fast")


def test_deepstack_is_cut_along_with_its_tokens() -> None:
    visual = torch.tensor([0, 1, 1, 0, 1, 0, 1], dtype=torch.bool)
    layer = torch.arange(4.0)[:, None]
    tokens = Tokens(ids=torch.arange(7), visual=visual, deepstack=(layer,))
    assert [t.deepstack[0].flatten().tolist() for t in tokens.split(3)] == [[0, 1], [2], [3]]


def test_an_answer_waits_for_no_more_than_the_chunk_that_runs() -> None:
    gate = PriorityGate(patience=30.0)
    order: list[str] = []
    running, finish = threading.Event(), threading.Event()

    def watch() -> None:
        for chunk in range(3):
            with gate.background():
                order.append(f"chunk {chunk}")
                running.set()
                assert finish.wait(10)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert running.wait(10)
    with gate.answering():
        finish.set()
        for step in range(3):
            with gate.foreground():
                order.append(f"token {step}")
    watcher.join(10)
    assert order == ["chunk 0", "token 0", "token 1", "token 2", "chunk 1", "chunk 2"]


def test_a_long_answer_does_not_blind_the_watcher() -> None:
    gate = PriorityGate(patience=0.05)
    passed = threading.Event()

    def watch() -> None:
        with gate.background():
            passed.set()

    with gate.answering():
        watcher = threading.Thread(target=watch)
        watcher.start()
        assert passed.wait(10)
    watcher.join(10)


def test_a_run_with_relative_positions_can_stand_anywhere(llama: Any) -> None:
    """Two runs with a hole in their positions, one after the other, in chunks of 3."""
    hole = torch.tensor([0, 1, 2, 7, 7, 8])
    run = Tokens(ids=torch.tensor(numbers(6, 1)), positions=hole, next_position=10, relative=True)
    context = StreamingContext(llama, 64, chunk=3)
    context.append(run)
    context.append(run)
    assert context.next_position == 20
    fork = context.fork()
    logits = fork.append(run)
    with torch.inference_mode():
        expected = llama(
            torch.tensor([numbers(6, 1) * 3]),
            position_ids=torch.cat([hole, hole + 10, hole + 20])[None],
        ).logits[0, -1]
    assert (logits - expected).abs().max() < TOLERANCE
    assert fork.next_position == 30
