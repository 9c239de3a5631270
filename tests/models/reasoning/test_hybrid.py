"""Text tokens look into slow tokens, and nothing else of the decoder changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from models.reasoning.context import Fork, StreamingContext
from models.reasoning.gate import PriorityGate
from models.reasoning.hybrid import decoder
from models.reasoning.hybrid.decoder import HybridDecoder, every
from models.reasoning.hybrid.slow_keys import SlowKeys
from models.reasoning.rolling import RollingContext
from tests.models.reasoning.test_context import FAMILIES, numbers, one_thread, tiny  # noqa: F401

SIZE = 48
TOLERANCE = 1e-4


def opened(model: Any, layers: list[int] | None = None) -> HybridDecoder:
    """A hybrid with gates that let through."""
    hybrid = HybridDecoder(model, layers or [0, 2])
    generator = torch.Generator().manual_seed(3)
    for layer in hybrid.layers.values():
        for weight in layer.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.data += 0.3 * noise
        layer.strength.data.fill_(1.5)
    return hybrid


def features(rows: int, count: int, seed: int = 5) -> Tensor:
    return torch.randn(rows, count, SIZE, generator=torch.Generator().manual_seed(seed))


def ids(rows: int, count: int, seed: int = 1) -> Tensor:
    return torch.tensor(numbers(rows * count, seed)).view(rows, count)


@pytest.fixture(params=FAMILIES, scope="module")
def model(request: pytest.FixtureRequest) -> Any:
    return tiny(request.param)


@pytest.fixture(scope="module")
def llama() -> Any:
    return tiny("llama")


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_closed_gate_is_the_plain_model_bit_by_bit(model: Any, attention: str) -> None:
    model.set_attn_implementation(attention)
    plain = model(ids(2, 11)).logits
    hybrid = HybridDecoder(model, [0, 2])
    assert torch.equal(model(ids(2, 11), slow=hybrid.look(features(2, 5))).logits, plain)
    assert torch.equal(model(ids(2, 11)).logits, plain)
    opened(model)
    assert torch.equal(model(ids(2, 11)).logits, plain), "without slow tokens nothing changes"


def by_hand(hybrid: HybridDecoder, tokens: Tensor, slow: Tensor, use: Tensor, text: Tensor) -> Any:
    """The hybrid anew, by hooks before the output projection and a loop over tokens."""
    hooks, seen = [], {}

    def remember(index: int) -> Any:
        def hook(own: Any, args: Any, kwargs: dict[str, Any]) -> None:
            state = kwargs["hidden_states"]
            query = own.q_proj(state).view(*state.shape[:2], -1, own.head_dim)
            if hasattr(own, "q_norm"):
                query = own.q_norm(query)
            query = query.transpose(1, 2)
            seen[index] = apply_rotary_pos_emb(query, query, *kwargs["position_embeddings"])[0]

        return hook

    def add(index: int) -> Any:
        block, layer = hybrid.body.layers[index], hybrid.layers[index]

        def hook(projection: Any, args: Any) -> Any:
            found = args[0].clone()
            for row in range(len(tokens)):
                kept = block.input_layernorm(slow[row][use[row]])
                if not len(kept):
                    continue
                both = (kept @ layer.key_value.weight.T + layer.key_value.bias).view(
                    len(kept), 2, 2, 8
                )
                for n in range(tokens.shape[1]):
                    if not text[row, n]:
                        continue
                    heads = []
                    for head in range(6):
                        key, value = both[:, head // 3, 0], both[:, head // 3, 1]
                        if hasattr(block.self_attn, "k_norm"):
                            key = block.self_attn.k_norm(key)
                        weights = (key @ seen[index][row, head, n] / 8**0.5).softmax(0)
                        heads.append(weights @ value)
                    gate = torch.tanh(layer.gate(args[0][row, n])) * torch.tanh(layer.strength)
                    found[row, n] += gate * torch.cat(heads)
            return (found,)

        return hook

    for index in hybrid.layers:
        own = hybrid.body.layers[index].self_attn
        hooks.append(own.register_forward_pre_hook(remember(index), with_kwargs=True))
        hooks.append(own.o_proj.register_forward_pre_hook(add(index)))
    return hooks


@torch.no_grad()
def test_text_tokens_get_what_they_see_and_visual_ones_and_padding_nothing(model: Any) -> None:
    hybrid = opened(model)
    tokens, slow = ids(3, 7), features(3, 6)
    use = torch.tensor([[1] * 6, [1, 1, 1, 1, 0, 0], [0] * 6]).bool()
    text = torch.tensor([[1, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 0, 1, 1], [1] * 7]).bool()
    plain = model(tokens).logits
    got = model(tokens, slow=hybrid.look(slow, use, text)).logits
    hooks = by_hand(hybrid, tokens, slow, use, text)
    expected = model(tokens).logits
    for hook in hooks:
        hook.remove()
    assert torch.allclose(got, expected, atol=TOLERANCE, rtol=TOLERANCE)
    assert not torch.allclose(got[:2], plain[:2], atol=0.1), "the gates are open"
    assert torch.allclose(got[2], plain[2], atol=TOLERANCE), "a row with nothing sees nothing"
    noise = torch.where(use[..., None], slow, 1e3)
    again = model(tokens, slow=hybrid.look(noise, use, text)).logits
    assert torch.allclose(again, got, atol=TOLERANCE), "padding is not looked at"
    blind = model(tokens, slow=hybrid.look(slow, use, torch.zeros_like(text))).logits
    assert torch.equal(blind, plain), "a pass without text tokens is the plain one"


@torch.no_grad()
def test_unmasked_looks_are_masked_ones_with_all_present(model: Any) -> None:
    hybrid = opened(model)
    tokens, slow = ids(2, 5), features(2, 6)
    everything = torch.ones(2, 6).bool(), torch.ones(2, 5).bool()
    got = model(tokens, slow=hybrid.look(slow)).logits
    assert torch.allclose(got, model(tokens, slow=hybrid.look(slow, *everything)).logits, atol=1e-4)


def test_gradients_reach_the_new_weights_alone(model: Any) -> None:
    hybrid = opened(model)
    hybrid.train_new_weights_only()
    model.zero_grad()
    look = hybrid.look(features(2, 5), torch.ones(2, 5).bool())
    model(ids(2, 6), labels=ids(2, 6), slow=look).loss.backward()
    assert all(weight.grad is None for weight in model.parameters())
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in hybrid.weights.parameters())
    model.requires_grad_(True)


def test_closed_gate_opens_by_training_and_learns_what_is_in_the_slow_tokens(llama: Any) -> None:
    torch.manual_seed(0)
    hybrid = HybridDecoder(llama, [0, 2])
    hybrid.train_new_weights_only()
    step = torch.optim.AdamW(hybrid.weights.parameters(), lr=0.01)
    kinds = features(4, 3)
    tokens = ids(1, 4).expand(4, -1)

    def loss() -> Tensor:
        logits = llama(tokens, slow=hybrid.look(kinds)).logits[:, -1]
        return torch.nn.functional.cross_entropy(logits, torch.tensor([10, 20, 30, 40]))

    before = float(loss().detach())
    for _ in range(120):
        step.zero_grad()
        loss().backward()
        step.step()
    # The question is the same: only the slow tokens tell the four apart.
    assert float(loss().detach()) < 0.3 < before
    llama.requires_grad_(True)


def test_new_projection_begins_as_the_layers_own(model: Any) -> None:
    block = model.get_decoder().layers[2]
    for projection in (block.self_attn.k_proj, block.self_attn.v_proj):
        if projection.bias is not None:
            torch.nn.init.normal_(projection.bias)
    hybrid = HybridDecoder(model, [2])
    state = block.input_layernorm(features(1, 5))
    key, value = hybrid.layers[2].project(state)
    assert torch.allclose(key.flatten(2), block.self_attn.k_proj(state), atol=1e-5)
    assert torch.allclose(value.flatten(2), block.self_attn.v_proj(state), atol=1e-5)


def test_weights_are_saved_and_loaded_apart_from_the_model(llama: Any) -> None:
    first, second = opened(llama), HybridDecoder(llama, [0, 2])
    assert sum(w.numel() for w in first.weights.parameters()) == 2 * (32 * 49 + 49 + 1)
    second.weights.load_state_dict(first.weights.state_dict())
    slow = features(1, 4)
    got = llama(ids(1, 5), slow=second.look(slow)).logits
    assert torch.equal(got, llama(ids(1, 5), slow=first.look(slow)).logits)


def test_published_layers_are_every_eighth() -> None:
    assert every(28) == [0, 8, 16, 24]
    assert every(28, 8, 2, 20) == [2, 10, 18]


def test_layers_that_cannot_be_hybrid_are_refused(llama: Any) -> None:
    with pytest.raises(ValueError, match="layer 3 cannot be hybrid: the decoder has 3"):
        HybridDecoder(llama, [3])
    config = AutoConfig.for_model("bloom", hidden_size=16, n_head=2, n_layer=1, vocab_size=9)
    with pytest.raises(ValueError, match="use a Llama, Qwen2 or Qwen3 decoder"):
        HybridDecoder(AutoModelForCausalLM.from_config(config), [0])


def kept(hybrid: HybridDecoder, counts: list[int], block: int = 8, blocks: int = 9) -> SlowKeys:
    keys = SlowKeys(hybrid, blocks * block, block)
    for segment, run in enumerate(features(1, sum(counts))[0].split(counts)):
        keys.append(segment, run)
    return keys


@torch.no_grad()
def offline(
    model: Any, hybrid: HybridDecoder, past: list[int], asked: list[int], slow: Tensor
) -> Any:
    """Logits of the question in one plain pass, in which the past does not look."""
    text = torch.tensor([[False] * len(past) + [True] * len(asked)])
    look = hybrid.look(slow, torch.ones(slow.shape[:2]).bool(), text)
    return model(torch.tensor([past + asked]), slow=look).logits[0, len(past) :]


def asked(context: StreamingContext, keys: SlowKeys, segments: list[int] | None = None) -> Fork:
    return context.fork(more={"slow": keys.look(segments)})


def test_fork_of_a_streaming_context_gives_what_a_plain_pass_gives(model: Any) -> None:
    hybrid = opened(model)
    past, question = numbers(21, 1), numbers(9, 2)
    context = StreamingContext(model, 64, chunk=5)
    context.append(past)
    keys = kept(hybrid, [3, 7, 11, 4])
    expected = offline(model, hybrid, past, question, features(1, 25))
    got = asked(context, keys).append(question, all_logits=True)
    assert torch.allclose(got, expected, atol=TOLERANCE)
    some = features(1, 25)[:, list(range(3)) + list(range(10, 25))]
    expected = offline(model, hybrid, past, question, some)
    got = asked(context, keys, [3, 0, 2, 99]).append(question, all_logits=True)
    assert torch.allclose(got, expected, atol=TOLERANCE)
    plain = context.fork().append(question, all_logits=True)
    assert torch.equal(plain, asked(context, keys, []).append(question, all_logits=True))


def test_fork_of_a_rolling_context_looks_too_also_when_rebuilt(llama: Any) -> None:
    hybrid = opened(llama)
    keys = kept(hybrid, [6, 4])
    question = numbers(5, 2)
    gate = PriorityGate(patience=0.0)
    context = RollingContext(lambda: StreamingContext(llama, 40, gate=gate), [3, 1], shrink_to=0.4)
    passages = [numbers(8, seed) for seed in range(10, 16)]
    for place, passage in enumerate(passages):
        context.append(passage, passage[:2], known_at=float(place))
    assert context.rebuilds
    spans = context.view().spans
    past = [3, 1]
    for span in spans:
        past += passages[span.key][: span.stop - span.start]
    expected = offline(llama, hybrid, past, question, features(1, 10))
    fork = context.fork(more={"slow": keys.look()})
    assert torch.allclose(fork.append(question, all_logits=True), expected, atol=TOLERANCE)
    blind = context.fork().append(question, all_logits=True)
    assert not torch.allclose(blind, expected, atol=0.01)


def test_new_weights_in_float32_work_on_a_decoder_in_bfloat16() -> None:
    halved = tiny("llama").bfloat16()
    hybrid = opened(halved)
    hybrid.weights.float()
    hybrid.train_new_weights_only()
    text = torch.ones(2, 5).bool()
    for told in (None, text):
        hybrid.weights.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            look = hybrid.look(features(2, 7), text=told)
            logits = halved(ids(2, 5), slow=look, use_cache=False).logits
        logits.float().logsumexp(-1).sum().backward()
        assert logits.dtype == torch.bfloat16
        assert all(w.grad is not None and w.grad.any() for w in hybrid.weights.parameters())
        assert all(w.dtype == torch.float32 for w in hybrid.weights.parameters())


def test_generated_and_scored_tokens_look_too(model: Any) -> None:
    hybrid = opened(model)
    past, question = numbers(12, 1), numbers(5, 2)
    context = StreamingContext(model, 64)
    context.append(past)
    keys = kept(hybrid, [3, 7])
    fork = asked(context, keys)
    fork.append(question)
    branch = fork.fork()
    endings = [[4, 9, 2], [8, 1], [5]]
    scores = fork.score(endings)
    for score, ending in zip(scores, endings, strict=True):
        logits = offline(model, hybrid, past, question + ending, features(1, 10))
        likely = logits.log_softmax(-1)[len(question) - 1 : -1]
        assert score == pytest.approx(float(likely[range(len(ending)), ending].sum()), abs=1e-3)
    made = list(branch.generate(4))
    for place, token in enumerate(made):
        logits = offline(model, hybrid, past, question + made[:place], features(1, 10))
        assert int(logits[-1].argmax()) == token


def test_slow_keys_are_made_once_and_shared_by_forks(
    llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hybrid = opened(llama)
    made: list[int] = []
    plain = hybrid.key_values
    monkeypatch.setattr(
        hybrid, "key_values", lambda given: made.append(given.shape[1]) or plain(given)
    )
    keys = kept(hybrid, [3, 7, 11])
    assert sum(made) == 21
    looks = [keys.look() for _ in range(3)]
    rooms = {t.untyped_storage().data_ptr() for look in looks for t in look.parts[0][0]}
    assert sum(made) == 21
    assert len(rooms) == 2, "one room of keys and one of values, whoever looks"
    assert [k.shape[2] for k, _ in looks[0].parts[0]] == [8, 8, 5]


@torch.no_grad()
def test_what_is_appended_later_is_not_seen_by_an_earlier_look(llama: Any) -> None:
    hybrid = opened(llama)
    keys = kept(hybrid, [3, 7])
    look = keys.look()
    before = llama(ids(1, 5), slow=look).logits
    keys.append(2, features(1, 9, seed=8)[0])
    assert torch.equal(llama(ids(1, 5), slow=look).logits, before)
    assert not torch.allclose(llama(ids(1, 5), slow=keys.look()).logits, before, atol=1e-3)


def test_oldest_blocks_are_let_go_and_a_look_at_them_stays_good(llama: Any) -> None:
    hybrid = opened(llama)
    keys = kept(hybrid, [5, 5, 5], block=8, blocks=2)
    old = keys.look()
    before = old.parts[0][0][0].clone()
    assert (keys.segments, keys.length) == ([0, 1, 2], 15)
    keys.append(3, features(1, 5)[0])
    assert (keys.segments, keys.length) == ([2, 3], 12), "segment 1 began in the block let go"
    assert keys.nbytes == 2 * 8 * (2 * 2 * 2 * 8) * 4
    assert sum(k.shape[2] for k, _ in keys.look().parts[0]) == 10
    assert not keys.look([0, 1]).parts[0]
    assert torch.equal(old.parts[0][0][0], before)


def test_wrong_segments_are_refused(llama: Any) -> None:
    keys = kept(opened(llama), [5], block=8, blocks=2)
    with pytest.raises(ValueError, match="segment 0 come after those of a later one"):
        keys.append(0, features(1, 1)[0])
    with pytest.raises(ValueError, match="segment 1 has 9 slow tokens: 8 are the most here"):
        keys.append(1, features(1, 9)[0])
    with pytest.raises(ValueError, match="room for two blocks of 8"):
        SlowKeys(opened(llama), 15, 8)


def test_cost_of_a_question_grows_with_the_slow_tokens_linearly(
    llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "choose_backend", lambda *_: "eager")  # others are not counted
    hybrid = opened(llama)
    context = StreamingContext(llama, 64)
    context.append(numbers(12, 1))
    costs = []
    for count in (0, 40, 80, 120):
        keys = SlowKeys(hybrid, 256, 128)
        keys.append(0, features(1, count)[0])
        with FlopCounterMode(display=False) as counter:
            asked(context, keys).append(numbers(5, 2))
        costs.append(counter.get_total_flops())
    pairs = 2 * 5 * 40 * 6  # layers, text tokens, slow tokens, heads
    assert costs[2] - costs[1] == costs[3] - costs[2] == pairs * (2 * 2 * 8)
