"""One family's engine side and the library's side, on equal weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.reasoning.context import Fork, StreamingContext
from models.reasoning.gate import PriorityGate
from models.reasoning.multimodal.family import Clip, LibraryFamily, metadata
from models.reasoning.multimodal.omni import Qwen25Omni
from models.reasoning.multimodal.qwen import Qwen3VL, Qwen25VL
from models.reasoning.multimodal.smolvlm import SmolVLM
from models.reasoning.multimodal.visual import VisualFeatures, VisualTokens
from tests.models.reasoning.multimodal.tiny import Tiny, frames, tiny

SYSTEM = "You are asked of a stream."
BEGIN = "The stream:\n"
"""Runs meet after a newline, where no tokenizer joins what follows to what came before."""
FRAMES = 4
"""Frames a segment, a second apart."""


@dataclass(frozen=True)
class Shot:
    """A segment of the stream: words before and after the pictures, and sound."""

    head: str
    words: str
    frames: list[NDArray[np.uint8]]
    times: list[float]
    samples: NDArray[np.float32] | None


def shots(count: int, sound: bool) -> list[Shot]:
    """Segments of 4 s, each with other words, pictures and sound."""
    random = np.random.default_rng(3)
    return [
        Shot(
            head=f"[{4 * i}.0 s to {4 * i + 4}.0 s]\n",
            words=f"heard: the man says hello {i}.\n",
            frames=frames(FRAMES, seed=i),
            times=[4.0 * i + step for step in range(FRAMES)],
            samples=random.normal(0, 0.2, 64_000).astype(np.float32) if sound else None,
        )
        for i in range(count)
    ]


class Rig:
    """One family's engine side and the library's side, on equal weights."""

    def __init__(self, kind: str) -> None:
        self.tiny: Tiny = tiny(kind)
        self.reference = copy.deepcopy(self.tiny.model)
        self.hears = kind == "qwen2_5_omni_thinker"
        self.family = _family(self.tiny)
        self.chat = self.family.chat(SYSTEM)

    def watch(self, seen: list[Shot], context: StreamingContext) -> list[int]:
        """Appends the segments as the engine does; the lengths after each."""
        lengths = []
        for shot in seen:
            group = self.family.group
            visual = VisualFeatures.join(
                [
                    self.family.encode(shot.frames[i : i + group], shot.times[i : i + group])
                    for i in range(0, FRAMES, group)
                ]
            )
            sound = None if shot.samples is None else self.family.listen(shot.samples)
            context.append(
                self.family.render(
                    [shot.head, Clip(VisualTokens.all_of(visual), sound), shot.words]
                )
            )
            lengths.append(context.length)
        return lengths

    def context(self, chunk: int = 48) -> StreamingContext:
        context = StreamingContext(
            self.tiny.model, capacity=4096, chunk=chunk, gate=PriorityGate(patience=0.0)
        )
        context.append(self.family.render([self.chat.opening + BEGIN]))
        return context

    def ask(self, fork: Fork, question: str) -> torch.Tensor:
        """Logits of all the question's tokens, from the fork."""
        return fork.append(
            self.family.render(["".join(self.chat.closing(question))]), all_logits=True
        )

    @torch.inference_mode()
    def one_shot(
        self,
        seen: Sequence[Shot],
        question: str,
        generated: Sequence[int] = (),
        system: str = SYSTEM,
    ) -> torch.Tensor:
        """The library's logits for the whole prompt, and for an answer begun so far."""
        content: list[dict[str, str]] = []
        for shot in seen:
            content += [text(shot.head), {"type": "video"}, text(shot.words)]
        turns = [
            {"role": "system", "content": [text(system)]},
            {"role": "user", "content": [text(BEGIN), *content, text(question)]},
        ]
        processor = self.tiny.processor
        prompt = processor.tokenizer.apply_chat_template(
            turns,
            chat_template=processor.chat_template,
            tokenize=False,
            add_generation_prompt=True,
        )
        media: dict[str, Any] = {
            "videos": [np.stack(shot.frames) for shot in seen],
            "video_metadata": [metadata(shot.times) for shot in seen],
            "do_sample_frames": False,
        }
        if self.hears:
            media["fps"] = 1.0
            media["audio"] = [shot.samples for shot in seen]
            media["load_audio_from_video"] = True
            media["audio_from_video_indices"] = list(range(len(seen)))
        inputs = processor(text=[prompt], return_tensors="pt", **media)
        if self.tiny.kind == "qwen2_5_vl":
            inputs["second_per_grid_ts"] = torch.full((len(seen),), 2.0)
        if self.hears:
            inputs["use_audio_in_video"] = True
            inputs["video_second_per_grid"] = torch.as_tensor(inputs["video_second_per_grid"])
        extra = len(generated)
        if extra:
            inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([generated])], dim=1)
            for name in ("attention_mask", "mm_token_type_ids"):
                if name in inputs:
                    fill = int(name == "attention_mask")
                    more = torch.full((1, extra), fill, dtype=inputs[name].dtype)
                    inputs[name] = torch.cat([inputs[name], more], dim=1)
        logits: torch.Tensor = self.reference(**inputs).logits[0]
        return logits


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def _family(made: Tiny) -> LibraryFamily:
    # The library gives a clip's frames a size that depends on their number: the same here.
    limits: dict[str, Any] = {"clip_frames": FRAMES}
    match made.kind:
        case "qwen3_vl":
            return Qwen3VL(made.model, made.processor, **limits)
        case "qwen2_5_vl":
            return Qwen25VL(made.model, made.processor, **limits)
        case "qwen2_5_omni_thinker":
            return Qwen25Omni(made.model, made.processor, **limits)
    return SmolVLM(made.model, made.processor)


@cache
def rig(kind: str) -> Rig:
    return Rig(kind)


def difference(logits: torch.Tensor, whole: torch.Tensor) -> float:
    """Greatest absolute difference over the last tokens."""
    return float((logits - whole[-len(logits) :]).abs().max())
