"""Published Slow-Fast checkpoints: the numbers are those of the authors' own code, see
tests/data/make_slowfast_reference.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import SiglipVisionConfig, SiglipVisionModel

from models.reasoning.context import StreamingContext
from models.reasoning.hybrid.published import PICTURE, Pooling, Published, load
from models.reasoning.hybrid.slow_keys import SlowKeys
from models.reasoning.reasoner import ReasonerError
from tests.models.reasoning.test_context import one_thread  # noqa: F401

DATA = Path(__file__).resolve().parents[2] / "data"
SIDE = 128
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model() -> Published:
    return load(DATA / "slowfast", side=SIDE)


@pytest.fixture(scope="module")
def reference() -> dict[str, torch.Tensor]:
    made: dict[str, torch.Tensor] = load_file(DATA / "slowfast_reference.safetensors")
    return made


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "model"
    shutil.copytree(DATA / "slowfast", folder)
    yield folder


def set_config(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("sampling", "temporal", "spatial", "frames"),
    [(1, 2, 1, 5), (2, 1, 1, 5), (2, 2, 1, 5), (1, 4, 2, 5), (1, 2, 1, 1)],
)
def test_logits_are_those_of_the_authors_code(
    model: Published,
    reference: dict[str, torch.Tensor],
    sampling: int,
    temporal: int,
    spatial: int,
    frames: int,
) -> None:
    pooling = replace(model.pooling, sampling=sampling, temporal=temporal, spatial=spatial)
    given = reference["frames"][:frames].numpy()
    got = replace(model, pooling=pooling).logits(reference["ids"], given)
    expected = reference[f"{sampling}.{temporal}.{spatial}.{frames}"]
    assert expected.std() > 0.5
    assert torch.allclose(got, expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_slow_tokens_matter_to_the_reference(
    model: Published, reference: dict[str, torch.Tensor]
) -> None:
    fast, _ = model.see(reference["frames"].numpy())
    blind = model.model(inputs_embeds=model.prompt(reference["ids"], fast)[0]).logits
    assert (blind - reference["1.2.1.5"]).abs().max() > 0.1


def test_configuration_is_read(model: Published) -> None:
    assert list(model.hybrid.layers) == [0, 2, 4]
    assert model.pooling == Pooling(video=2, sampling=1, temporal=2, spatial=1, least=2)
    assert model.model.config.rope_parameters["rope_theta"] == 1e6


@torch.inference_mode()
def test_published_model_runs_in_the_streaming_context(
    model: Published, reference: dict[str, torch.Tensor]
) -> None:
    frames, ids = reference["frames"].numpy(), reference["ids"]
    place = int((ids == PICTURE).nonzero())
    context = StreamingContext(model.model, 64)
    keys = SlowKeys(model.hybrid, 64, 16)
    context.append(ids[:place])
    seen = [model.see(frames[:2]), model.see(frames[2:])]
    for segment, (fast, slow) in enumerate(seen):
        context.append(fast)
        keys.append(segment, slow)
    fork = context.fork(more={"slow": keys.look()})
    got = fork.append(ids[place + 1 :], all_logits=True)
    fast, slow = (torch.cat(both) for both in zip(*seen, strict=True))
    embeds, text = model.prompt(ids, fast)
    text[:, :place] = False  # the past does not look
    look = model.hybrid.look(slow[None], text=text)
    expected = model.model(inputs_embeds=embeds, slow=look).logits[0, place + len(fast) :]
    assert torch.allclose(got, expected, atol=TOLERANCE)


def test_siglip_is_looked_through_from_its_own_folder(
    copied: Path, tmp_path: Path, reference: dict[str, torch.Tensor]
) -> None:
    config = SiglipVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
    )
    torch.manual_seed(1)
    tower = SiglipVisionModel(config).eval()
    tower.save_pretrained(tmp_path / "siglip")
    set_config(copied, mm_vision_tower="google/siglip-so400m-patch14-384")
    with pytest.raises(ReasonerError, match="google/siglip-so400m-patch14-384, which it does not"):
        load(copied)
    made = load(copied, tower=tmp_path / "siglip")
    frames = torch.full((2, 56, 56, 3), 255, dtype=torch.uint8)
    got = made.tower.encode(frames.numpy())
    with torch.no_grad():
        white = torch.ones(2, 3, 56, 56)  # of mean and deviation a half
        states = tower(white, output_hidden_states=True).hidden_states
    assert got.shape == (2, 4, 4, 16)
    assert torch.allclose(got.flatten(1, 2), states[-2], atol=1e-5)
    logits = made.logits(reference["ids"], reference["frames"].numpy())
    assert logits.shape == (1, 7 + 2 * 4, 32)


def test_projector_of_a_single_layer(copied: Path) -> None:
    path = copied / "model.safetensors"
    state = load_file(path)
    kept = {k: v for k, v in state.items() if ".mm_projector." not in k}
    kept["model.mm_projector.weight"] = torch.eye(16).half()
    kept["model.mm_projector.bias"] = torch.zeros(16).half()
    save_file(kept, path, {"format": "pt"})
    given = torch.rand(2, 16)
    assert torch.equal(load(copied, side=SIDE).projector(given), given)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "llava_qwen"),
        ("cross_attn_gating_type", "channel-wise-dynamic-sigmoid"),
        ("cross_attn_implementation", "vanilla"),
        ("mm_vision_tower", "openai/clip-vit-large-patch14"),
    ],
)
def test_other_kinds_of_model_are_refused(copied: Path, field: str, value: str) -> None:
    set_config(copied, **{field: value})
    with pytest.raises(ReasonerError, match=f"'{value}': what can be loaded is"):
        load(copied)


@pytest.mark.parametrize(
    "lost",
    [
        "model.layers.2.self_attn.cross_attn_warm_up_gate",
        "model.layers.1.self_attn.q_proj.weight",
        "model.vision_tower.vision_tower.stages.2.blocks.1.conv_dw.bias",
    ],
)
def test_incomplete_checkpoint_is_refused(copied: Path, lost: str) -> None:
    path = copied / "model.safetensors"
    state = load_file(path)
    del state[lost]
    save_file(state, path, {"format": "pt"})
    with pytest.raises(ReasonerError, match="is not complete"):
        load(copied)


def test_folder_without_a_model_and_prompt_without_a_picture_are_refused(
    tmp_path: Path, model: Published
) -> None:
    with pytest.raises(ReasonerError, match=r"holds no config\.json"):
        load(tmp_path)
    with pytest.raises(ValueError, match="one place for pictures: this has 0"):
        model.prompt(torch.tensor([1, 2]), torch.zeros(1, 16))
