"""CLIP models: the embedded ones (32x32 pixels, 0.2 to 1.3 M parameters) and every model of open_clip.

All are instances of open_clip's own `CLIP` class. The embedded ones differ from a published model by their
configuration alone (`configs/*.json`, in open_clip's format) and by the size of their vocabulary.

Tokenizer. CLIP's byte-pair vocabulary of 49,408 entries would give a 64-wide model 3.2 M parameters of embeddings, ten
times the rest of it. The embedded models therefore use CLIP's own tokenizer class with the first 1,534 merges of CLIP's
own merge table: 2 x 256 bytes + 1,534 merges + 2 marks = 2,048 entries. Any string can be encoded, frequent English
words are one or two tokens, and nothing is fitted to the data.
"""

import gzip
import io
from functools import cache
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import atomic_path, read_json, write_json, write_tensors
from flopwise.models.compat import import_open_clip, import_open_clip_alone

CONFIGS = Path(__file__).parent / "configs"
EMBEDDED = tuple(sorted(path.stem for path in CONFIGS.glob("*.json")))
WEIGHTS = "open_clip_model.safetensors"  # the file names that open_clip's `local-dir:` schema looks for
CONFIG = "open_clip_config.json"
MERGES = "bpe_merges.txt.gz"
MEAN = (0.48145466, 0.4578275, 0.40821073)  # OpenAI's CLIP statistics
STD = (0.26862954, 0.26130258, 0.27577711)


def configuration(name: str) -> dict:
    """open_clip's configuration of the model called `name`: an embedded one or any that open_clip lists."""
    if name in EMBEDDED:
        return read_json(CONFIGS / f"{name}.json")
    return import_open_clip().get_model_config(official_name(name))


def official_name(name: str) -> str:
    """open_clip's own spelling of the model called `name`, in which letters may be small."""
    matches = [known for known in import_open_clip().list_models() if known.lower() == name.lower()]
    if not matches:
        raise UserError(
            f"model {name!r} does not exist; allowed are {', '.join(EMBEDDED)} and the names that "
            "`open_clip.list_models()` prints"
        )
    return matches[0]


def import_minimal(name: str) -> None:
    """Announce that this process uses no other model than `name`: the import of open_clip takes a sixth of the time for
    an embedded one. Call before anything else here."""
    if name in EMBEDDED:
        import_open_clip_alone()


def create(name: str, *, seed: int = 0, device: str = "cpu"):
    """A freshly initialised `open_clip.CLIP` in float32.

    Parameters: `seed` fixes the initial weights; `device` may be `meta` (shapes only, for counting).
    """
    import torch

    open_clip = import_open_clip()
    config = configuration(name)
    config.pop("custom_text", None)
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        return open_clip.CLIP(**config, output_dict=False)


@cache
def _merge_table(size: int) -> bytes:
    """CLIP's merge table cut so that the vocabulary has `size` entries, gzip-compressed without a date."""
    open_clip = import_open_clip()
    with gzip.open(open_clip.tokenizer.default_bpe(), "rt", encoding="utf-8") as stream:
        lines = stream.read().split("\n")[: size - 2 * 256 - 2 + 1]
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as stream:
        stream.write("\n".join(lines).encode("utf-8"))
    return buffer.getvalue()


@cache
def tokenizer(name: str):
    """Callable: list of N strings -> int64 tensor (N, context length), padded with zeros and cut at the end."""
    open_clip = import_open_clip()
    text = configuration(name)["text_cfg"]
    if name not in EMBEDDED:
        return open_clip.get_tokenizer(official_name(name))
    # open_clip reads the table by `gzip.open`, which takes a file object as well as a path
    table = io.BytesIO(_merge_table(text["vocab_size"]))
    return open_clip.SimpleTokenizer(bpe_path=table, context_length=text["context_length"])


def tokenize(name: str, texts: list[str]):
    """int64 tensor (N, context length) for `texts`, N strings of which many may be equal: each is encoded once."""
    number: dict[str, int] = {}
    order = [number.setdefault(text, len(number)) for text in texts]
    return tokenizer(name)(list(number))[order]


def save(directory: Path | str, name: str, state: dict) -> None:
    """Write `state` (parameter name -> tensor, open_clip's names) so that others can use it:
    `open_clip.create_model("local-dir:<directory>")` loads it. The weights are written last."""
    directory = Path(directory)
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    write_json(directory / CONFIG, {"model_cfg": configuration(name), "preprocess_cfg": preprocess, "flopwise": name})
    if name in EMBEDDED:
        with atomic_path(directory / MERGES) as temporary:
            temporary.write_bytes(_merge_table(configuration(name)["text_cfg"]["vocab_size"]))
    write_tensors(directory / WEIGHTS, state)


def load(directory: Path | str) -> dict:
    """The weights (parameter name -> tensor) that `save` wrote."""
    return load_tensors(Path(directory) / WEIGHTS)


def load_tensors(path: Path | str) -> dict:
    """Tensors of a safetensors file; a missing, cut or damaged file is one clear line."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise RunFailure(f"checkpoint {path} is missing; `snakemake {path}` makes it") from error
    except (SafetensorError, ValueError) as error:
        raise RunFailure(f"checkpoint {path} is damaged ({error}); delete it and run again") from error


def preprocess(images):
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W), CLIP's mean and standard deviation removed; channels last in memory."""
    import torch

    images = torch.as_tensor(images)
    line = images.shape[2]
    mean, std = (255 * torch.tensor(values, device=images.device).repeat(line) for values in (MEAN, STD))
    pixels = images.flatten(2).to(torch.float32).sub_(mean).div_(std)
    return pixels.view(images.shape).permute(0, 3, 1, 2)


def plain_state(model) -> dict:
    """A copy of the weights in main memory under open_clip's own names, adapters folded into the matrices they change."""
    import torch

    with torch.no_grad():
        state = {}
        for name, value in model.state_dict().items():
            path, _, adapted = name.partition(".parametrizations.")
            if not adapted:
                state[name] = value.detach().to("cpu", copy=True)
            elif adapted.endswith(".original"):
                tensor = adapted.removesuffix(".original")
                state[f"{path}.{tensor}"] = getattr(model.get_submodule(path), tensor).detach().to("cpu", copy=True)
        return state
