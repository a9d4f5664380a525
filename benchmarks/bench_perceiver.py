"""Our Perceiver IO against that of transformers: the same weights, inputs and outputs, forward alone and a training step's
forward and backward, in one process and in turn. transformers' dropout is off, so that both compute the same. Ours as it
is and `folded`: the same function in another order where that takes fewer FLOPs (`flopwise.models.perceiver.config`).
"""

import argparse
import logging
from dataclasses import replace

import torch
from common import interleaved, quartiles, show

from flopwise.models.compat import prepare_torchvision

prepare_torchvision()

from transformers import PerceiverConfig  # noqa: E402
from transformers.models import perceiver  # noqa: E402

from flopwise.models.perceiver import create, from_huggingface  # noqa: E402

SMALL = {
    "num_latents": 32, "d_latents": 64, "num_self_attends_per_block": 4, "num_self_attention_heads": 4,
    "num_cross_attention_heads": 1, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
TEXT = {"vocab_size": 262, "max_position_embeddings": 128, "d_model": 64, "num_cross_attention_heads": 4}
CLIP = {
    "num_frames": 4, "audio_samples_per_frame": 64, "image_size": 4, "output_shape": [1, 4, 16, 16], "num_labels": 8,
    "output_num_channels": 32, "_label_trainable_num_channels": 32,
}  # fmt: skip


def text(batch: int):
    symbols = torch.randint(262, (batch, 128))
    return TEXT, symbols, symbols, {}


def picture(side: int):
    def make(batch: int):
        pictures = torch.randn(batch, 3, side, side)
        return {"image_size": side}, pictures, pictures, {}

    return make


def flow(batch: int):
    frames = torch.randn(batch, 2, 3, 16, 16)
    around = torch.nn.functional.unfold(frames.flatten(0, 1), 3, padding=1).view(-1, 3, 9, 256)
    return {"train_size": [16, 16]}, frames, around.transpose(1, 2).reshape(batch, 2, 27, 16, 16), {}


def clip(batch: int):
    example = {
        "audio": torch.randn(batch, 256),
        "image": torch.randn(batch, 4, 3, 16, 16),
        "label": torch.zeros(batch, 8),
    }
    points = {"image": torch.randperm(1024)[:96], "audio": torch.arange(16)}
    theirs = {"subsampled_output_points": {**points, "label": None}}
    return (
        CLIP,
        example,
        {**example, "audio": example["audio"][:, :, None]},
        {"ours": {"points": points}, "theirs": theirs},
    )


CASES = {
    "masked language model": ("MaskedLM", text), "image, Fourier": ("ImageClassificationFourier", picture(16)),
    "image, learned": ("ImageClassificationLearned", picture(16)),
    "image, convolution": ("ImageClassificationConvProcessing", picture(64)), "optical flow": ("OpticalFlow", flow),
    "multimodal": ("MultimodalAutoencoding", clip),
}  # fmt: skip


def tensors(output) -> list[torch.Tensor]:
    return [output[name] for name in sorted(output)] if isinstance(output, dict) else [output]


def compare(name: str, batch: int, repetitions: int, training: bool) -> dict:
    kind, make = CASES[name]
    torch.manual_seed(0)
    settings, example, as_theirs, options = make(batch)
    theirs = getattr(perceiver, f"PerceiverFor{kind}")(PerceiverConfig(**SMALL | settings)).eval()
    ours = from_huggingface(theirs)
    folded = create(replace(ours.config, folded=True)).eval()
    folded.load_state_dict(ours.state_dict())
    own = options.get("ours", {})
    forward = {
        "ours": lambda: tensors(ours(example, **own)),
        "folded": lambda: tensors(folded(example, **own)),
        "theirs": lambda: tensors(theirs(inputs=as_theirs, **options.get("theirs", {})).logits),
    }

    def run(key: str):
        if not training:
            with torch.no_grad():
                return forward[key]()
        sum(part.square().mean() for part in forward[key]()).backward()
        return None

    with torch.no_grad():
        expected = forward["theirs"]()
        distance = {
            key: max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(forward[key](), expected))
            for key in forward
        }
    seconds = interleaved({key: lambda key=key: run(key) for key in forward}, repetitions)
    return {
        "model": name, "what": "forward and backward" if training else "forward", "batch": batch,
        "speed-up": quartiles(seconds["theirs"] / seconds["ours"]),
        "folded": quartiles(seconds["theirs"] / seconds["folded"]),
        "examples/s ours": quartiles(batch / seconds["ours"]), "folded ": quartiles(batch / seconds["folded"]),
        "transformers": quartiles(batch / seconds["theirs"]),
        "differs by": distance["ours"], "folded differs by": distance["folded"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    rows = [
        compare(name, options.batch_size, options.repetitions, training)
        for name in options.models
        for training in (False, True)
    ]
    show(rows, options.json)


if __name__ == "__main__":
    main()
