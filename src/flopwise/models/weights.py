"""Released checkpoints: where each is expected, one reader for all of them, and whether a user's copy fits the model that
it is for. `flopwise weights verify` and the start of a run both go through here, so that what one takes the other takes.
Nothing is downloaded, nothing in a file is executed; to verify, no weight is allocated."""

import re
import warnings
from dataclasses import asdict
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import sha256_file
from flopwise.models.checkpoints import Checkpoint, checkpoints

ENDINGS = ("safetensors", "pt", "pth", "bin")
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")  # under which training programs store the weights
PREFIX = re.compile(rf"(?:module|{'|'.join(WRAPPERS)})\.")  # the same, and data-parallel training, in flat names
# what wrappers of single layers put inside names: torch.compile, FSDP, activation checkpointing
INSIDE = re.compile(r"\b(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
COUNTER = "n_averaged"  # of torch's averaged models; counts updates
# buffers that the libraries compute themselves; released files hold them or not
COMPUTED = re.compile(r"(num_batches_tracked|relative_position_index|position_ids|attn_mask)$")
SHOWN = 5  # tensors named in a text before "and N more"


def checkpoint(name: str) -> Checkpoint:
    known = {key.lower(): row for key, row in checkpoints().items()}
    if name.lower() not in known:
        near = [key for key in checkpoints() if name.lower() in key.lower()][:SHOWN]
        hint = f"did you mean {', '.join(near)}?" if near else "`flopwise weights list` prints all names"
        raise UserError(f"checkpoint {name!r} is not in the catalogue; {hint}")
    return known[name.lower()]


def find_file(model: str, tag: str, root: Path | str) -> Path:
    """`<root>/<model>/<tag>.<ending>`; the case of the model's folder does not matter. `UserError` where it is not."""
    root = Path(root)
    if not root.is_dir():
        raise UserError(
            f"{root} is no folder; the folder of released checkpoints is --root, or weights_root in config/config.yaml"
        )
    folders = [path for path in root.iterdir() if path.name.lower() == model.lower()]
    files = [folder / f"{tag}.{ending}" for folder in sorted(folders) for ending in ENDINGS]
    found = [path for path in files if path.is_file()]
    if not found:
        row = checkpoints().get(f"{model}.{tag}")
        source = f"; it is released as {row.source}" if row else ""
        raise UserError(f"{model}.{tag} is missing: no {root / model / tag}.{{{','.join(ENDINGS)}}}{source}")
    return found[0]


def verify(name: str, root: Path | str) -> dict:
    """Compare the copy of checkpoint `name` under `root` with the model that its library makes.

    Returns facts: name, file, ok, problems (lines), tensors, parameters_m, expected_parameters_m, missing, unexpected
    (tensor names), misshapen (name -> [found, expected] shapes), hash (`equal`, `different`, `not compared`), carries
    (what the library's table says of it beside its tensors). Raises `UserError` for an unknown name or a missing file,
    `RunFailure` for a file that is damaged or holds code."""
    row = checkpoint(name)
    path = find_file(row.model, row.tag, root)
    digest, found = _compare_hash(row, path), read_shapes(path)
    expected, parameters = expected_shapes(row)
    differences = _differences(found, expected)
    problems = [*_other_file(row, digest), *_problems(**differences)]
    count = sum(_size(found[key]) for key in parameters if key in found)
    return {
        "name": row.name,
        "file": str(path),
        "ok": not problems,
        "problems": problems,
        "tensors": len(found),
        "parameters_m": round(count / 1e6, 2),
        "expected_parameters_m": round(sum(_size(expected[key]) for key in parameters) / 1e6, 2),
        **differences,
        "hash": digest,
        "carries": carries(row),
    }


def load(model, name: str, path: Path) -> None:
    """Put the tensors of a released checkpoint into the model that it is for. `name`: `<model>.<tag>`. Raises
    `RunFailure` with the line of `flopwise weights verify` where they do not fit."""
    row = checkpoints().get(name)
    other = _other_file(row, _compare_hash(row, path)) if row else []
    state = read(path)
    found, expected = (
        {key: list(value.shape) for key, value in tensors.items()} for tensors in (state, model.state_dict())
    )
    if problems := [*other, *_problems(**_differences(found, expected))]:
        raise RunFailure(misfit(path, name, problems))
    model.load_state_dict(state, strict=False)  # but for what the library computes itself, which was left out above


def misfit(path: Path | str, name: str, problems: list[str]) -> str:
    return f"{path} does not fit {name}: {problems[0]}"


def carries(row: Checkpoint) -> dict:
    """What a checkpoint carries beside its tensors, as the library's own table says."""
    if row.library == "open_clip":
        from flopwise.models import clip

        facts = asdict(clip.preprocessing(row.name))
        return {"quick_gelu": clip.configuration(row.name).get("quick_gelu", False), **facts}
    if row.library == "timm":
        from flopwise.models import zoo

        kept = ("input_size", "mean", "std", "interpolation", "crop_pct")
        return {key: value for key, value in zoo.released(row.name).items() if key in kept}
    return {}


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Tensor name -> shape, without reading a value."""
    return {key: list(value.shape) for key, value in read(path, "meta").items()}


def read(path: Path, device: str = "cpu") -> dict:
    """Tensor name -> tensor, of a safetensors file or of one that `torch.load(weights_only=True)` reads; on the device
    `meta` shapes alone. What training programs wrap around weights is taken off: dictionaries (`WRAPPERS`, also one in
    another), the same and `module.` before every name, and what `INSIDE` lists anywhere in a name. Of a file that holds
    averaged weights beside others, the averaged ones are read."""
    import torch

    try:
        content = _safetensors(path, device) if path.suffix == ".safetensors" else _pickled(path, device)
    except Exception as error:  # unpicklers fail in many ways; all mean the same
        reason = re.split(r"[.\n]", str(error), maxsplit=1)[0] or type(error).__name__
        raise RunFailure(f"{path} is damaged, or holds code and not weights alone ({reason})") from error
    while isinstance(content, dict) and (inside := [key for key in WRAPPERS if isinstance(content.get(key), dict)]):
        content = content[inside[0]]
    items = content.items() if isinstance(content, dict) else ()
    tensors = {str(key): value for key, value in items if isinstance(value, torch.Tensor) and key != COUNTER}
    if not tensors:
        raise RunFailure(f"{path} holds no named tensors")
    named = dict(zip(_plain(list(tensors)), tensors.values()))
    if len(named) < len(tensors):
        raise RunFailure(f"{path} holds tensors twice, with and without what training programs put into names")
    return named


def _safetensors(path: Path, device: str) -> dict:
    import torch
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        if device == "meta":
            shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
            return {key: torch.empty(shape, device=device) for key, shape in shapes.items()}
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def _pickled(path: Path, device: str):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # says what the error says
        return torch.load(path, map_location=device, weights_only=True)


def _plain(names: list[str]) -> list[str]:
    """Names without what training programs put into them; a prefix is one where all names have it."""
    names = [INSIDE.sub("", name) for name in names]
    while (prefix := PREFIX.match(names[0])) and all(name.startswith(prefix[0]) for name in names):
        names = [name.removeprefix(prefix[0]) for name in names]
    return names


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
    from flopwise.models import zoo

    return zoo.create(row.name)


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


def _other_file(row: Checkpoint, digest: str) -> list[str]:
    return [f"its SHA-256 is not {row.sha256}, that of {row.file}"] if digest == "different" else []


def _differences(found: dict[str, list[int]], expected: dict[str, list[int]]) -> dict:
    """Names of tensors that are missing or unexpected, and name -> [found, expected] shapes of those misshapen; what the
    libraries compute themselves may be there or not."""
    both = sorted(found.keys() & expected.keys())
    return {
        "missing": sorted(key for key in expected.keys() - found.keys() if not COMPUTED.search(key)),
        "unexpected": sorted(key for key in found.keys() - expected.keys() if not COMPUTED.search(key)),
        "misshapen": {key: [found[key], expected[key]] for key in both if found[key] != expected[key]},
    }


def _problems(missing: list[str], unexpected: list[str], misshapen: dict) -> list[str]:
    shapes = [f"{key} is {_shape(has)}, expected {_shape(wants)}" for key, (has, wants) in misshapen.items()]
    return [
        *_named("tensors are missing", missing),
        *_named("tensors are unexpected", unexpected),
        *_named("tensors have another shape", shapes),
    ]


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
