"""Facts about every material; plain data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Material:
    """What a reader needs to know about a material. `sizes`: samples of each split unless a scale says otherwise."""

    name: str
    title: str
    study: str  # efficiency | perceiver | transfer
    stands_for: str
    task: str
    material: str  # real | procedural
    module: str  # in flopwise.data.materials
    unit: str  # what `sizes` counts
    sizes: dict[str, int]
    split: str  # how the splits are kept apart
    source: str = "drawn by flopwise"
    licence: str = "Apache-2.0"


_SEEDS = "every block of samples is drawn from a seed of its own; no split uses a seed of another"
_PREFIX = "one split; its first n images are the pool of n images (`pools`: which ones the study cuts from it)"
_PYTHON = "documentation that ships with Python: the topics of help() and the standard library's docstrings"
_PYTHON_LICENCE = "Python Software Foundation License 2"
_DOCUMENTS = (
    "by document (one help topic or one module): no document is in two splits, and training passages that share eight "
    "words in a row with another split's are left out"
)


def _pool(name: str, title: str, stands_for: str, task: str, images: int) -> Material:
    return Material(
        name, title, "efficiency", stands_for, task, "procedural", "pools", "images", {"train": images}, _PREFIX
    )


def _perceiver(
    name: str, title: str, stands_for: str, task: str, module: str, unit: str, split: str = _SEEDS, **sizes: int
) -> Material:
    return Material(name, title, "perceiver", stands_for, task, "procedural", module, unit, sizes, split)


def _english(name: str, title: str, stands_for: str, task: str, module: str, unit: str, **sizes: int) -> Material:
    return Material(
        name, title, "perceiver", stands_for, task, "real", module, unit, sizes, _DOCUMENTS, _PYTHON, _PYTHON_LICENCE
    )


def _transfer(name: str, title: str) -> Material:
    return Material(
        name, title, "transfer", "ImageNet", "classification", "procedural", "cues", "images",
        {"train": 4000, "test": 6000}, _SEEDS,
    )  # fmt: skip


_ALL = (
    _pool("pool-coco", "Annotated scenes", "COCO", "images with all objects and a caption", 512),
    _pool("pool-in1k", "Curated objects", "ImageNet-1K", "images with a label and a template caption", 16_384),
    _pool("pool-in21k", "Curated objects, long tail", "ImageNet-21K", "images with a label and a template caption", 8192),
    _pool("pool-jft", "Web images, machine labels", "JFT-300M", "images with a noisy label and its caption", 12_288),
    _pool("pool-align", "Web images with alt-text", "ALIGN", "images with alt-text, no labels", 16_384),
    Material(
        "segmentation", "Scenes with masks", "efficiency", "ADE20K", "semantic segmentation", "procedural",
        "segmentation", "images", {"train": 256, "validation": 256}, _SEEDS,
    ),
    _transfer("cues", "Objects known by several cues"),
    _transfer("cues-wide", "Objects known by several cues, more classes"),
    _perceiver(
        "flow-affine", "Image pairs, one affine motion", "AutoFlow, at its smallest", "optical flow", "flow", "pairs",
        train=8000, test=600,
    ),
    _perceiver(
        "flow-layers", "Image pairs, moving layers", "AutoFlow", "optical flow", "flow", "pairs", train=2000, test=300
    ),
    _perceiver(
        "flow-scenes", "Image pairs, many objects and a moving camera", "Sintel", "optical flow", "flow", "pairs",
        test=100,
    ),
    _perceiver(
        "flow-road", "Image pairs from a road, sparse truth", "KITTI 2015", "optical flow", "flow", "pairs", test=100
    ),
    _perceiver(
        "clips", "Clips with sound", "Kinetics-700 and AudioSet", "audio-video-label autoencoding", "clips", "clips",
        train=2000, test=400,
    ),
    _perceiver(
        "battles", "Battles of unit sets", "StarCraft II", "next action and outcome", "battles", "games",
        split="by game", train=300, test=60,
    ),
    _perceiver(
        "quadrants", "Small images", "ImageNet", "classification", "quadrants", "images", train=4000, test=1000
    ),
    _perceiver(
        "grammar", "Sentences of a small language", "masked language modelling and GLUE, at their smallest",
        "language modelling and four tasks", "grammar", "lines, or samples per task",
        split="every line is in one split: it is drawn again until no other split has it",
        train=6000, validation=500, task_train=1500, task_test=400,
    ),
    _english(
        "text", "English text", "Wikipedia and C4", "language modelling on bytes", "text", "bytes at most",
        train=4_000_000, validation=400_000,
    ),
    _english(
        "text-tasks", "Tasks on English sentences", "GLUE", "six tasks on sentences and pairs", "text_tasks",
        "samples per task at most", train=1500, test=400,
    ),
)  # fmt: skip
MATERIALS: dict[str, Material] = {material.name: material for material in _ALL}


def module_of(name: str) -> str:
    """Full name of the module that makes the material `name`."""
    return f"flopwise.data.materials.{MATERIALS[name].module}"
