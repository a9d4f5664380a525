"""Released checkpoints that the larger scales start from: the catalogue, where each is expected, and whether a user's
copy fits the model it is for. Nothing is downloaded, nothing in a file is executed, no weight is allocated."""

import csv
import io
import re
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import sha256_file
from flopwise.core.root import ROOT
from flopwise.core.text import read_text
from flopwise.models.compat import import_timm

CATALOGUE = ROOT / "config" / "checkpoints.csv"
ENDINGS = ("safetensors", "pt", "pth", "bin")
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")  # under which training programs store the weights
# buffers that the libraries compute themselves; released files hold them or not
COMPUTED = re.compile(r"(num_batches_tracked|relative_position_index|position_ids|attn_mask)$")
SHOWN = 5  # tensors named in a text before "and N more"


@dataclass(frozen=True)
class Checkpoint:
    """One row. `file` is the released file that `sha256` (64 digits, or the prefix that a file name carries) belongs
    to; `params_m` counts the model that the library makes, in millions."""

    name: str
    study: str
    library: str
    model: str
    tag: str
    file: str
    params_m: str
    sha256: str
    licence: str
    source: str
    notes: str


@cache
def checkpoints() -> dict[str, Checkpoint]:
    """Name -> row of config/checkpoints.csv."""
    rows = csv.DictReader(io.StringIO(read_text(CATALOGUE, UserError), newline=""))
    return {row["name"]: Checkpoint(**row) for row in rows}


def checkpoint(name: str) -> Checkpoint:
    known = {key.lower(): row for key, row in checkpoints().items()}
    if name.lower() not in known:
        near = [key for key in checkpoints() if name.lower() in key.lower()][:SHOWN]
        hint = f"did you mean {', '.join(near)}?" if near else "`flopwise weights list` prints all names"
        raise UserError(f"checkpoint {name!r} is not in the catalogue; {hint}")
    return known[name.lower()]


def find_file(row: Checkpoint, root: Path | str) -> Path:
    """`<root>/<model>/<tag>.<ending>`; the case of the model's folder does not matter. `UserError` where it is not."""
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root} is no folder; give the folder of released checkpoints by --root")
    folders = [path for path in root.iterdir() if path.name.lower() == row.model.lower()]
    files = [folder / f"{row.tag}.{ending}" for folder in sorted(folders) for ending in ENDINGS]
    found = [path for path in files if path.is_file()]
    if not found:
        raise UserError(
            f"{row.name} is missing: no {root / row.model / row.tag}.{{{','.join(ENDINGS)}}}; it is released as {row.source}"
        )
    return found[0]


def verify(name: str, root: Path | str) -> dict:
    """Compare the copy of checkpoint `name` under `root` with the model that its library makes.

    Returns facts: name, file, ok, problems (lines), tensors, parameters_m, expected_parameters_m, missing, unexpected
    (tensor names), misshapen (name -> [found, expected] shapes), hash (`equal`, `different`, `not compared`). Raises
    `UserError` for an unknown name or a missing file, `RunFailure` for a file that is damaged or holds code."""
    row = checkpoint(name)
    path = find_file(row, root)
    digest = _compare_hash(row, path)
    found = read_shapes(path)
    expected, parameters = expected_shapes(row)
    missing = sorted(key for key in expected.keys() - found.keys() if not COMPUTED.search(key))
    unexpected = sorted(key for key in found.keys() - expected.keys() if not COMPUTED.search(key))
    misshapen = {
        key: [found[key], expected[key]]
        for key in sorted(found.keys() & expected.keys())
        if found[key] != expected[key]
    }
    shapes = [f"{key} is {_shape(has)}, expected {_shape(wants)}" for key, (has, wants) in misshapen.items()]
    problems = [
        *([f"its SHA-256 is not {row.sha256}, that of {row.file}"] if digest == "different" else []),
        *_named("tensors are missing", missing),
        *_named("tensors are unexpected", unexpected),
        *_named("tensors have another shape", shapes),
    ]
    count = sum(_size(found[key]) for key in parameters if key in found)
    return {
        "name": row.name,
        "file": str(path),
        "ok": not problems,
        "problems": problems,
        "tensors": len(found),
        "parameters_m": round(count / 1e6, 2),
        "expected_parameters_m": round(sum(_size(expected[key]) for key in parameters) / 1e6, 2),
        "missing": missing,
        "unexpected": unexpected,
        "misshapen": misshapen,
        "hash": digest,
    }


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Tensor name -> shape, of a safetensors file or one that `torch.load(weights_only=True)` reads. Wrappers such as
    `state_dict` and the prefix `module.` of data-parallel training are taken off."""
    import torch
    from safetensors import safe_open

    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                return {key: list(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # says what the error says
            content = torch.load(path, map_location="meta", weights_only=True)
    except Exception as error:  # unpicklers fail in many ways; all mean the same
        reason = re.split(r"[.\n]", str(error), maxsplit=1)[0] or type(error).__name__
        raise RunFailure(f"{path} is damaged, or holds code and not weights alone ({reason})") from error
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not any(isinstance(value, torch.Tensor) for value in content.values()):
        raise RunFailure(f"{path} holds no named tensors")
    tensors = {str(key): list(value.shape) for key, value in content.items() if isinstance(value, torch.Tensor)}
    prefix = "module." if all(key.startswith("module.") for key in tensors) else ""
    return {key.removeprefix(prefix): shape for key, shape in tensors.items()}


def expected_shapes(row: Checkpoint) -> tuple[dict[str, list[int]], list[str]]:
    """(tensor name -> shape of the whole state, names of the parameters) of the model that the library makes."""
    model = {"open_clip": _open_clip, "timm": _timm, "transformers": _perceiver}[row.library](row)
    return {key: list(value.shape) for key, value in model.state_dict().items()}, [
        key for key, _ in model.named_parameters()
    ]


def _open_clip(row: Checkpoint):
    from flopwise.models import clip

    return clip.create(row.model, device="meta")


def _timm(row: Checkpoint):
    import torch

    timm = import_timm()
    classes = timm.get_pretrained_cfg(f"{row.model}.{row.tag}").num_classes
    with torch.device("meta"):
        return timm.create_model(row.model, pretrained=False, num_classes=classes)


def _perceiver(row: Checkpoint):
    """The published configurations in Hugging Face's terms (DeepMind's notebooks and its conversion script)."""
    import torch

    try:
        from transformers import PerceiverConfig
        from transformers.models import perceiver
    except ImportError as error:
        raise UserError(f"{row.name} is checked against the package transformers, which is not installed") from error

    image = {
        "num_latents": 512,
        "d_latents": 1024,
        "num_blocks": 8,
        "num_self_attends_per_block": 6,
        "num_labels": 1000,
    }
    image |= {"num_cross_attention_heads": 1, "num_self_attention_heads": 8}
    single = {"d_latents": 512, "num_blocks": 1, "num_cross_attention_heads": 1}
    kind, options = {
        "language-bytes": ("MaskedLM", {"qk_channels": 256, "v_channels": 1280}),
        "imagenet-learned": ("ImageClassificationLearned", {**image, "d_model": 512, "image_size": 224}),
        "imagenet-fourier": ("ImageClassificationFourier", {**image, "d_model": 261}),
        "imagenet-conv": ("ImageClassificationConvProcessing", {**image, "d_model": 322}),
        "optical-flow": (
            "OpticalFlow",
            {
                **single,
                "num_latents": 2048,
                "num_self_attends_per_block": 24,
                "num_self_attention_heads": 16,
                "d_model": 322,
            },
        ),
        "multimodal": (
            "MultimodalAutoencoding",
            {
                **single,
                "num_latents": 784,
                "num_self_attends_per_block": 8,
                "num_self_attention_heads": 8,
                "d_model": 704,
            }
            | {"num_labels": 700},
        ),
    }[row.model]
    with torch.device("meta"):
        return getattr(perceiver, f"PerceiverFor{kind}")(PerceiverConfig(**options))


def _compare_hash(row: Checkpoint, path: Path) -> str:
    """Only a file with the released file's ending can be that file; others are converted copies."""
    if not row.sha256 or path.suffix != Path(row.file).suffix:
        return "not compared"
    return "equal" if sha256_file(path).startswith(row.sha256) else "different"


def _named(what: str, names: list[str]) -> list[str]:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}"] if names else []


def _shape(sides: list[int]) -> str:
    return " x ".join(map(str, sides)) or "one number"


def _size(sides: list[int]) -> int:
    size = 1
    for side in sides:
        size *= side
    return size
