"""The released checkpoints on the sets that the paper scored them on: what is measured, and what was published. No torch."""

from dataclasses import dataclass

from flopwise.core.choices import check

KINDS = ("flow", "images", "clips", "tags", "glue")


@dataclass(frozen=True)
class Evaluation:
    """checkpoint: model of config/checkpoints.csv; dataset: of the catalogue; part: which rendering of it; kind: of KINDS;
    published: metric -> value, from `source`; released: whether weights of it are."""

    checkpoint: str
    dataset: str
    kind: str
    published: dict[str, float]
    source: str
    part: str = ""
    released: bool = True


GLUE = {  # development sets, the byte model fine-tuned on one task at a time
    "cola": {"matthews": 50.19}, "mnli": {"accuracy_matched": 83.22, "accuracy_mismatched": 83.89}, "mrpc": {"accuracy": 87.24},
    "qnli": {"accuracy": 91.71}, "qqp": {"accuracy": 90.12}, "rte": {"accuracy": 64.84}, "sst2": {"accuracy": 93.17},
    "stsb": {"pearson": 86.81},
}  # fmt: skip
_FLOW, _IMAGES = "arXiv 2107.14795, tables 3 and 16", "arXiv 2107.14795, tables 7 and 8"
EVALUATIONS = {
    "sintel-clean": Evaluation("optical-flow", "sintel", "flow", {"epe": 1.81}, _FLOW, "clean"),
    "sintel-final": Evaluation("optical-flow", "sintel", "flow", {"epe": 2.42}, _FLOW, "final"),
    "kitti": Evaluation("optical-flow", "kitti_flow_2015", "flow", {"epe": 4.98}, _FLOW),
    "imagenet-fourier": Evaluation("imagenet-fourier", "imagenet_1k", "images", {"top1": 79.0}, _IMAGES),
    "imagenet-learned": Evaluation("imagenet-learned", "imagenet_1k", "images", {"top1": 72.7}, _IMAGES),
    "imagenet-conv": Evaluation("imagenet-conv", "imagenet_1k", "images", {"top1": 82.1}, _IMAGES),
    "kinetics": Evaluation(
        "multimodal", "kinetics_700", "clips", {"video_psnr": 24.37, "audio_psnr": 26.97, "top1": 10.2},
        "arXiv 2107.14795, tables 4 and 17",
    ),
    "audioset-raw": Evaluation(
        "audioset-raw", "audioset", "tags", {"map": 43.3}, "arXiv 2107.14795, table 10", released=False
    ),
    **{f"glue-{task}": Evaluation("language-bytes", f"glue_{task}", "glue", values, "arXiv 2107.14795, tables 1 and 14")
       for task, values in GLUE.items()},
}  # fmt: skip


def find(name: str) -> Evaluation:
    return EVALUATIONS[check("evaluation", name, EVALUATIONS)]
