"""CLIP models: the embedded ones (32x32 pixels, 0.2 to 1.3 M parameters) and those of open_clip.

All are instances of open_clip's own classes. The embedded ones differ from a published model by their configuration
alone (`configs/*.json`, in open_clip's format) and by the size of their vocabulary; `perceiver-xs` has a Perceiver IO for its
image tower, whose weights open_clip cannot load. A model is called by its name or by
`<model>.<tag>`, the tag being that of a released checkpoint: it decides what a checkpoint carries beside its tensors, the
activation and how pictures are made, which open_clip's own table says.

Tokenizer. CLIP's byte-pair vocabulary of 49,408 entries would give a 64-wide model 3.2 M parameters of embeddings, ten
times the rest of it. The embedded models therefore use CLIP's own tokenizer class with the first 1,534 merges of CLIP's
own merge table: 2 x 256 bytes + 1,534 merges + 2 marks = 2,048 entries. Any string can be encoded, frequent English
words are one or two tokens, and nothing is fitted to the data.
"""

import gzip
import importlib.util
import io
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from flopwise.core.choices import check, near
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import atomic_path, read_json, write_json, write_tensors
from flopwise.core.paths import making
from flopwise.models.checkpoints import checkpoints
from flopwise.models.compat import import_open_clip, import_open_clip_alone

CONFIGS = Path(__file__).parent / "configs"
EMBEDDED = tuple(sorted(path.stem for path in CONFIGS.glob("*.json")))
WEIGHTS = "open_clip_model.safetensors"  # the file names that open_clip's `local-dir:` schema looks for
CONFIG = "open_clip_config.json"
MERGES = "bpe_merges.txt.gz"
MEAN = (0.48145466, 0.4578275, 0.40821073)  # OpenAI's CLIP statistics
STD = (0.26862954, 0.26130258, 0.27577711)
AS_RELEASED = (
    "-as-released"  # behind a tag: normalise pictures as the official code of FoMo-in-Flux does for every model
)
RESIZE_MODES = ("shortest", "squash")  # of those that open_clip knows; `flopwise.data.loader` does them
INTERPOLATIONS = ("bicubic", "bilinear")


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes a model's input: `size` x `size` pixels, resized with the filter `interpolation` as
    `resize_mode` says (`shortest`: the shorter side, then the middle is cut out; `squash`: both sides), values from 0 to 1
    less `mean` over `std`, by channel. The defaults are those of OpenAI's models and of open_clip."""

    size: int
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"


@cache
def _library() -> dict[str, Path]:
    """Name of every model of open_clip -> file of its configuration; found without importing the package, which takes
    seconds, so that names can be checked when a configuration is read."""
    package = Path(importlib.util.find_spec("open_clip").origin).parent
    return {path.stem: path for path in sorted((package / "model_configs").glob("*.json"))}


def parts(name: str) -> tuple[str, str]:
    """(model in open_clip's own spelling, in which letters may be small; tag, or nothing) of `<model>` or `<model>.<tag>`."""
    model, _, tag = name.partition(".")
    matches = [known for known in _library() if known.lower() == model.lower()]
    if not matches:
        raise UserError(
            f"model {model!r} does not exist; allowed are {', '.join(EMBEDDED)} and the names that "
            "`open_clip.list_models()` prints"
        )
    return matches[0], tag


def released(name: str) -> dict:
    """What open_clip's table says of the released checkpoint `<model>.<tag>`: mean, std, interpolation, resize_mode, and
    quick_gelu where the activation is not the model's own. Empty for a name without a tag and for a checkpoint that
    config/checkpoints.csv has and the table has not: such a one was trained with open_clip's defaults."""
    model, tag = parts(name.removesuffix(AS_RELEASED))
    if not tag:
        return {}
    open_clip = import_open_clip()
    table = open_clip.get_pretrained_cfg(model, tag)
    if not table and f"{model}.{tag}" not in checkpoints():
        tags = open_clip.list_pretrained_tags_by_model(model)
        hint = f"did you mean {', '.join(near(tag, tags))}? " if near(tag, tags) else ""
        raise UserError(
            f"model {model} has no released checkpoint {tag!r} in open_clip's table, so that its activation and "
            f"normalisation are not known; {hint}known are {', '.join(tags) or 'none'}; a checkpoint of your own, trained "
            "with open_clip's defaults, needs a row in config/checkpoints.csv"
        )
    return table


def configuration(name: str) -> dict:
    """open_clip's configuration of the model called `name`: an embedded one or any that can be trained here. Raises
    `UserError` for another one, with the reason."""
    if name in EMBEDDED:
        return read_json(CONFIGS / f"{name}.json")
    model, _ = parts(name)
    config = read_json(_library()[model])
    if reason := _unfit(config):
        raise UserError(f"model {model} cannot be trained here: {reason}")
    table = released(name)
    return {**config, "quick_gelu": table.get("quick_gelu", False)} if table else config


def _unfit(config: dict) -> str | None:
    """Why a model cannot be trained here, if it cannot."""
    text = config["text_cfg"]
    if "multimodal_cfg" in config:
        return "it is a captioning model (CoCa), with a text decoder and a loss of its own"
    if "hf_model_name" in text:
        return f"its text tower ({text['hf_model_name']}) would have to be downloaded"
    if "hf_tokenizer_name" in text:
        return f"its tokenizer ({text['hf_tokenizer_name']}) would have to be downloaded"
    if "init_logit_bias" in config:
        return "it was made for a sigmoid loss, whose bias (init_logit_bias) the contrastive loss does not have"
    return None


def preprocessing(name: str) -> Preprocessing:
    """How the pictures of the model called `name` are made, with OpenAI's mean and deviation where the name ends in
    `-as-released`. Raises `UserError` for a way that cannot be kept."""
    table = released(name) if name not in EMBEDDED else {}
    normalisation = () if name.endswith(AS_RELEASED) else ("mean", "std")
    kept = {key: table[key] for key in (*normalisation, "interpolation", "resize_mode") if key in table}
    found = Preprocessing(configuration(name)["vision_cfg"]["image_size"], **kept)
    check(f"resize_mode of checkpoint {name}", found.resize_mode, RESIZE_MODES)
    check(f"interpolation of checkpoint {name}", found.interpolation, INTERPOLATIONS)
    return found


def import_minimal(name: str) -> None:
    """Announce that this process uses no other model than `name`: the import of open_clip takes a sixth of the time for
    an embedded one. Call before anything else here."""
    if name in EMBEDDED:
        import_open_clip_alone()


def create(name: str, *, seed: int = 0, device: str = "cpu"):
    """A freshly initialised `open_clip.CLIP`, or `open_clip.CustomTextCLIP` where the configuration asks for a text tower
    of its own, in float32.

    Parameters: `seed` fixes the initial weights; `device` may be `meta` (shapes only, for counting).
    """
    import torch

    open_clip = import_open_clip()
    config = configuration(name)
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    perceiver = config["vision_cfg"].pop("perceiver", None)
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        if perceiver is None:
            return kind(**config, output_dict=False)
        from flopwise.models.perceiver.towers import ImageTower

        side = config["vision_cfg"]["image_size"]
        config["vision_cfg"] |= {"layers": 1, "width": 8, "head_width": 8}  # of a tower that is thrown away
        model = kind(**config, output_dict=False)
        model.visual = ImageTower(side, config["embed_dim"], **perceiver)
        return model


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
        return open_clip.get_tokenizer(parts(name)[0])
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
    `open_clip.create_model("local-dir:<directory>")` loads it, activation and preprocessing included. The weights are
    written last."""
    directory = Path(directory)
    kept = asdict(preprocessing(name))
    del kept["size"]  # stands in the model's configuration
    write_json(directory / CONFIG, {"model_cfg": configuration(name), "preprocess_cfg": kept, "flopwise": name})
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
        raise RunFailure(f"checkpoint {path} is missing; `{making(path)}` makes it") from error
    except (SafetensorError, ValueError) as error:
        raise RunFailure(f"checkpoint {path} is damaged ({error}); delete it and run again") from error


def preprocess(images, mean=MEAN, std=STD):
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W), mean and standard deviation removed; channels last in memory."""
    import torch

    images = torch.as_tensor(images)
    line = images.shape[2]
    mean, std = (255 * torch.tensor(values, device=images.device).repeat(line) for values in (mean, std))
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
