"""Pre-training of the paper's models from scratch: data, length and rates as published. No torch."""

from dataclasses import dataclass

from flopwise.core.choices import check


@dataclass(frozen=True)
class Recipe:
    """model: of models.perceiver.published; datasets: of the catalogue, with the share of samples from each; kind: of
    studies.perceiver.sources; flat: share of the steps before the cosine to 0; evaluations: what its weights are scored on."""

    model: str
    datasets: dict[str, float]
    kind: str
    steps: int
    batch_size: int
    learning_rate: float
    evaluations: tuple[str, ...]
    source: str
    weight_decay: float = 0.1
    clip_norm: float = 10.0
    warm_up: int = 0
    flat: float = 0.0


_IMAGES = dict(
    datasets={"imagenet_1k": 1.0}, kind="images", steps=137_625, batch_size=1024, learning_rate=2e-3, flat=0.5,
    source="110 epochs, rate flat for 55: arXiv 2107.14795, section A, and the released code",
)  # fmt: skip
RECIPES = {
    "imagenet-fourier": Recipe("imagenet-fourier", evaluations=("imagenet-fourier",), **_IMAGES),
    "imagenet-learned": Recipe("imagenet-learned", evaluations=("imagenet-learned",), **_IMAGES),
    "optical-flow": Recipe(
        "optical-flow", {"autoflow": 1.0}, "flow", 37_500, 512, 4e-4, ("sintel-clean", "sintel-final", "kitti"),
        "480 epochs of the 40,000 public pairs (paper: 400,000): arXiv 2107.14795, appendix H; decay, clipping as for images",
    ),
    "multimodal": Recipe(
        "multimodal", {"kinetics_700": 1.0}, "clips", 50_000, 1024, 1e-3, ("kinetics",),
        "batch and rate: arXiv 2107.14795, appendix I; length, optimiser and schedule are not stated and ours",
    ),
    "audioset-raw": Recipe(
        "audioset-raw", {"audioset": 1.0}, "tags", 166_000, 1024, 1e-3, ("audioset-raw",),
        "100 epochs of 1.7 million clips: arXiv 2107.14795, section C; batch and rate are not stated and ours",
    ),
    "language-bytes": Recipe(
        "language-bytes", {"c4": 0.7, "wikipedia_en": 0.3}, "text", 500_000, 2048, 1.25e-3,
        tuple(f"glue-{task}" for task in ("cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb")),
        "arXiv 2107.14795, section F.3 and table 12", weight_decay=0.01, warm_up=1000,
    ),
}  # fmt: skip


def find(name: str) -> Recipe:
    return RECIPES[check("recipe", name, RECIPES)]
