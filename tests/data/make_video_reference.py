"""Makes ``video_reference.safetensors``: what the library's own video processors give.

They need torchvision, which Onlooker does not. Run where it is installed, from the root:
``python -m tests.data.make_video_reference`` (torch, torchvision, transformers, av).
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import torch
from safetensors.torch import save_file
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

HERE = Path(__file__).resolve().parent
SETTINGS = {
    "qwen3_vl": {"size": {"shortest_edge": 1024, "longest_edge": 3 * 32 * 32 * 3}},
    "qwen2_5_vl": {"size": {"shortest_edge": 784, "longest_edge": 28 * 28 * 3}},
    "smolvlm": {"size": {"longest_edge": 96}, "max_image_size": {"longest_edge": 48}},
}
"""Small pictures, so that the file stays small; all else is the library's default."""


def main() -> None:
    # Cannot even be imported without torchvision.
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    with av.open(str(HERE.parent.parent / "assets" / "sample.mp4")) as container:
        pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    frames = np.stack(pictures[10:70:20])[:, ::4, ::4]  # three: the last pair is not full
    made = {"frames": torch.from_numpy(frames.copy())}
    for name, processor, output in (
        ("qwen3_vl", Qwen3VLVideoProcessor, "pixel_values_videos"),
        ("qwen2_5_vl", Qwen2VLVideoProcessor, "pixel_values_videos"),
        ("smolvlm", SmolVLMVideoProcessor, "pixel_values"),
    ):
        out = processor(**SETTINGS[name])(frames, do_sample_frames=False, return_tensors="pt")
        made[name] = out[output].contiguous()
        print(name, tuple(made[name].shape))
    save_file(made, HERE / "video_reference.safetensors")


if __name__ == "__main__":
    main()
