"""Loading by folder or hub id, and what is said when that cannot be done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from huggingface_hub import errors
from transformers import LlamaConfig

from models.reasoning.multimodal import engine
from models.reasoning.multimodal.engine import load_multimodal
from models.reasoning.multimodal.generic import GenericModel
from models.reasoning.reasoner import Counts, Evidence, Line, Passage, Reasoner, ReasonerError
from tests.models.reasoning.multimodal.tiny import FAMILIES, frames, save_llava, tiny

LIMITS: dict[str, Any] = {"context_tokens": 2000, "frame_tokens": 16, "answer_tokens": 12}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    saved = {kind: tiny(kind).save(root / kind) for kind in FAMILIES}
    return saved | {"llava": save_llava(root / "llava")}


@pytest.fixture(scope="module")
def stretch(sample: Path) -> list[Passage]:
    """Two segments of the sample clip: one frame a second, as a source would give them."""
    with av.open(str(sample)) as container:
        pictures = [
            (float(f.time), f.to_ndarray(format="rgb24"))
            for f, _ in zip(container.decode(video=0), range(200), strict=False)
        ][::24]
    return [
        Passage(
            start=times[0],
            end=times[-1] + 1.0,
            lines=(Line(times[0], times[0] + 1, "heard", "hello there"),),
            known_at=times[-1] + 1.0,
            frames=images,
            frame_times=times,
        )
        for times, images in (
            zip(*pictures[:4], strict=True),
            zip(*pictures[4:8], strict=True),
        )
    ]


@pytest.mark.parametrize("kind", [*FAMILIES, "llava"])
def test_a_folder_is_loaded_watches_the_sample_and_answers(
    kind: str, folders: dict[str, Path], stretch: list[Passage]
) -> None:
    model = load_multimodal(str(folders[kind]), **LIMITS)
    assert "transformers" in model.name
    assert kind in model.name
    reasoner: Reasoner = model.reasoner()
    for passage in stretch:
        reasoner.watch(passage)
    evidence = Evidence(stretch[-1].known_at, tuple(stretch))
    reply = reasoner.answer("what is seen?", evidence)
    assert "".join(reply)
    assert reply.counts.generated > 0
    likely, _ = reasoner.choose("which?", ["a cat", "a mat"], evidence)
    assert sum(likely) == pytest.approx(1)
    assert "\n" not in reasoner.note(stretch[0])


def test_compression_is_on_unless_it_is_turned_off(
    folders: dict[str, Path], stretch: list[Passage]
) -> None:
    spent = []
    for options in ({}, {"compressor": None}):
        limits = LIMITS | {"clip_frames": 4, "frame_tokens": None} | options
        reasoner = load_multimodal(str(folders["qwen3_vl"]), **limits).reasoner()
        for passage in stretch:
            reasoner.watch(passage)
        reply = reasoner.answer("what is seen?", Evidence(stretch[-1].known_at, ()))
        list(reply)
        spent.append(reply.counts)
    assert spent[0].fast < spent[1].fast
    assert spent[0].slow > spent[1].slow == 0


def test_the_frames_of_the_sample_change_the_answer(
    folders: dict[str, Path], stretch: list[Passage]
) -> None:
    model = load_multimodal(str(folders["qwen3_vl"]), **LIMITS)
    likely = []
    for passage in stretch:
        reasoner = model.reasoner()
        words_alone = Passage(0.0, 4.0, (), 4.0, passage.frames, passage.frame_times)
        reasoner.watch(words_alone)
        likely.append(reasoner.choose("which?", ["a cat", "a mat"], Evidence(9.0, ()))[0])
    assert abs(likely[0][0] - likely[1][0]) > 1e-3


def test_the_weights_are_those_of_the_folder(folders: dict[str, Path]) -> None:
    for kind in FAMILIES:
        loaded = load_multimodal(str(folders[kind]), **LIMITS)._model
        saved = tiny(kind).model.state_dict()
        assert all(torch.equal(weight, saved[name]) for name, weight in loaded.state_dict().items())


def test_dtype_and_attention_are_as_asked_and_named(folders: dict[str, Path]) -> None:
    model = load_multimodal(str(folders["smolvlm"]), dtype="bfloat16", attention="eager", **LIMITS)
    assert model.name.endswith("bfloat16")
    assert model.backend == "eager"
    assert {p.dtype for p in model._model.parameters()} == {torch.bfloat16}


def test_bfloat16_answers(folders: dict[str, Path], stretch: list[Passage]) -> None:
    for kind in FAMILIES:
        reasoner = load_multimodal(str(folders[kind]), dtype="bfloat16", **LIMITS).reasoner()
        reasoner.watch(stretch[0])
        assert "".join(reasoner.answer("what?", Evidence(4.0, ())))


def test_any_other_model_says_that_it_reads_again(folders: dict[str, Path]) -> None:
    model = load_multimodal(str(folders["llava"]), **LIMITS)
    assert isinstance(model, GenericModel)
    assert "re-reading at each question" in model.name
    assert model.reasoner().context_tokens == (0, 0)


def test_any_other_model_generates_what_the_library_does(
    folders: dict[str, Path], stretch: list[Passage]
) -> None:
    """In slices on one cache, with pictures, as in one call."""
    model = load_multimodal(str(folders["llava"]), **LIMITS)
    assert isinstance(model, GenericModel)
    reasoner = model.reasoner()
    inputs = reasoner._inputs("what?", Evidence(8.0, tuple(stretch)), Counts())
    whole = model.model.generate(**inputs, max_new_tokens=20, do_sample=False)
    expected = whole[0, inputs["input_ids"].shape[1] :].tolist()
    assert list(reasoner._generate(inputs, 20, Counts(), lambda: False)) == expected
    assert len(expected) == 20


def test_any_other_model_sees_nothing_later_than_the_question(
    folders: dict[str, Path], stretch: list[Passage]
) -> None:
    model = load_multimodal(str(folders["llava"]), **LIMITS)
    early, both = model.reasoner(), model.reasoner()
    early.watch(stretch[0])
    for passage in stretch:
        both.watch(passage)
    asked = "which?", ["a cat", "a mat"], Evidence(stretch[0].known_at, ())
    assert both.choose(*asked)[0] == early.choose(*asked)[0]


def refused(*model: str, **options: Any) -> str:
    with pytest.raises(ReasonerError) as caught:
        load_multimodal(*model, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_is_asked_wrongly_is_named(tmp_path: Path) -> None:
    assert "dtype 'int3' is unknown" in refused("any/model", dtype="int3")
    assert "quantisation '2bit' is unknown" in refused("any/model", quantise="2bit")
    assert "is no model id" in refused("not an id!")
    assert "there is no folder ./nowhere" in refused("./nowhere")
    assert "there is no folder /no/such" in refused("/no/such")
    assert "config.json is missing" in refused(str(tmp_path))


def test_the_quantiser_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "has_package", lambda name: name != "bitsandbytes")
    assert "pip install bitsandbytes" in refused("any/model", quantise="4bit")


def test_a_model_that_is_not_here_needs_the_network() -> None:
    message = refused("Qwen/Qwen3-VL-4B-Instruct", local_files_only=True)
    assert "the hub cannot be reached" in message
    assert "give its path" in message


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (errors.GatedRepoError, "is gated: accept its terms"),
        (errors.RepositoryNotFoundError, "there is no model some/model on the hub"),
        (errors.RevisionNotFoundError, "no such revision"),
    ],
)
def test_what_the_hub_refuses_is_explained(
    cause: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        # The library wraps what the hub says.
        error = cause.__new__(cause)
        Exception.__init__(error, "401")
        raise OSError("a long story\nin several lines") from error

    monkeypatch.setattr(engine.AutoConfig, "from_pretrained", refuse)
    assert said in refused("some/model")


def test_too_little_memory_is_known_before_loading(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "free_memory", lambda: 1_000_000)
    monkeypatch.setattr(engine, "free_graphics_memory", list)
    message = refused(str(folders["qwen3_vl"]), **LIMITS)
    assert "needs about" in message
    assert "fewer context tokens" in message


def test_the_estimate_counts_every_weight(folders: dict[str, Path]) -> None:
    from transformers import AutoConfig

    skeleton = engine._skeleton(AutoConfig.from_pretrained(folders["qwen2_5_vl"]))
    saved = tiny("qwen2_5_vl").model
    numbers = [sum(p.numel() for p in m.parameters()) for m in (skeleton, saved)]
    assert numbers[0] == numbers[1]
    assert {p.device.type for p in skeleton.parameters()} == {"meta"}
    assert engine._bytes_a_token(skeleton, torch.float32) == 4 * 2 * 2 * 8 * 4


def test_a_model_that_reads_no_pictures_is_refused(tmp_path: Path) -> None:
    LlamaConfig(num_hidden_layers=1).save_pretrained(tmp_path)
    assert "does not take pictures" in refused(str(tmp_path))


def test_a_broken_folder_is_said_to_be_one(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((folders["qwen3_vl"] / "config.json").read_text())
    assert "cannot be loaded" in refused(str(tmp_path), **LIMITS)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no-such-type"}))
    assert "cannot be loaded" in refused(str(tmp_path), **LIMITS)


def test_what_the_machine_lacks_is_said(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(folders["smolvlm"])
    assert "device map 'moon' is unknown" in refused(folder, device_map="moon", **LIMITS)
    if not torch.cuda.is_available():
        assert "there is no cuda:0" in refused(folder, device_map="cuda:0", **LIMITS)
        assert "'flash' cannot run on cpu" in refused(folder, attention="flash", **LIMITS)
    assert "'fast' is unknown" in refused(folder, attention="fast", **LIMITS)
    monkeypatch.setattr(engine, "has_package", lambda name: name != "num2words")
    assert "pip install num2words" in refused(folder, **LIMITS)


def test_frames_of_one_colour_are_pictures_too(folders: dict[str, Path]) -> None:
    """SmolVLM's own code drops pictures that are all zero as padding."""
    family = load_multimodal(str(folders["smolvlm"]), **LIMITS).family
    for level in (0, 127, 128, 255):
        picture = frames(1, 0)[0] * 0 + level
        assert len(family.encode([picture, picture], [0.0, 1.0]).tokens) == 2


def test_files_in_the_older_layout_are_read(folders: dict[str, Path], tmp_path: Path) -> None:
    """As Qwen2.5-VL's lie on the hub: one file for pictures, a template in JSON."""
    folder = tmp_path / "older"
    shutil.copytree(folders["qwen2_5_vl"], folder)
    template = (folder / "chat_template.jinja").read_text()
    for name in ("chat_template.jinja", "video_preprocessor_config.json", "processor_config.json"):
        (folder / name).unlink()
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    pictures = {
        "min_pixels": 784, "max_pixels": 3136, "patch_size": 8, "temporal_patch_size": 2,
        "merge_size": 2, "image_mean": [0.48, 0.45, 0.4], "image_std": [0.26, 0.26, 0.27],
        "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor",
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    family = load_multimodal(str(folder), **(LIMITS | {"frame_tokens": None})).family
    assert list(family.processor.video_processor.image_mean) == [0.48, 0.45, 0.4]
    height, width = family.frame_size(360, 640)
    assert 784 <= height * width <= 3136


def test_files_in_the_newer_layout_are_read(folders: dict[str, Path], tmp_path: Path) -> None:
    """As the library writes them now: all of a processor in one file."""
    folder = tmp_path / "newer"
    shutil.copytree(folders["qwen2_5_omni_thinker"], folder)
    eyes = json.loads((folder / "video_preprocessor_config.json").read_text())
    ears = json.loads((folder / "preprocessor_config.json").read_text())
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        (folder / name).unlink()
    whole = {
        "processor_class": "Qwen2_5OmniProcessor",
        "video_processor": eyes | {"image_mean": [0.1, 0.2, 0.3]},
        "feature_extractor": ears,
    }
    (folder / "processor_config.json").write_text(json.dumps(whole))
    family = load_multimodal(str(folder), **LIMITS).family
    assert list(family.processor.video_processor.image_mean) == [0.1, 0.2, 0.3]
    assert family.processor.feature_extractor.feature_size == 16


def test_smolvlm_takes_its_own_sampling_settings(folders: dict[str, Path], tmp_path: Path) -> None:
    """As SmolVLM2's lie on the hub: video settings inside those for pictures."""
    folder = tmp_path / "smol"
    shutil.copytree(folders["smolvlm"], folder)
    (folder / "video_preprocessor_config.json").unlink()
    pictures = {
        "do_image_splitting": True, "image_processor_type": "SmolVLMImageProcessor",
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 1,
        "max_image_size": {"longest_edge": 64}, "size": {"longest_edge": 128},
        "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 64}},
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    family = load_multimodal(str(folder), **LIMITS).family
    assert family.encode(frames(2, 0), [0.0, 1.0]).tokens.shape == (2, 2, 2, 48)
