"""Make torchvision, and with it open_clip and timm, importable on a CPU-only torch, and quickly.

The package index carries one torchvision wheel per platform, a CUDA build. Beside a CPU build of torch its native
library cannot load, and `import torchvision` then stops at an operator that the library would have declared. Declaring
the two missing schemas is all that the Python side needs; the compiled operators themselves (non-maximum suppression,
region pooling) are used by nothing here.

Half of what importing open_clip costs (3 s) goes into packages that an embedded model never calls: torchvision's region
pooling imports torch's compiler for one function, and open_clip imports transformers, timm and huggingface_hub where
they are installed."""

import importlib
import importlib.util
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

OPTIONAL = ("huggingface_hub", "timm", "transformers")  # open_clip does without them, save for models made of them
_LIBRARY = None  # keeps the declarations alive for the life of the process


@cache
def prepare_torchvision() -> None:
    """Import torchvision; declare its detection operators where its native library does not load. Call before the first
    import of torchvision, open_clip or timm; calling it again does nothing."""
    global _LIBRARY
    import torch

    specification = importlib.util.find_spec("torchvision")
    if specification is None:
        return
    if not hasattr(torch.ops.torchvision, "nms"):
        try:
            for native in Path(specification.origin).parent.glob("_C.*"):
                torch.ops.load_library(native)
        except OSError:  # a CUDA build beside a CPU torch
            _LIBRARY = torch.library.Library("torchvision", "DEF")
            for operator in ("nms", "qnms"):
                _LIBRARY.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    with without_compiler():
        importlib.import_module("torchvision")


@contextmanager
def without_compiler():
    """Keep the code inside, which compiles nothing, from importing torch's compiler (1 s): torchvision wants one function
    of it by name, torch's shape functions of the meta device want `disable`. Does nothing where it is already there."""
    compiler, utilities = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    compiler.disable = lambda function, *_, **__: function
    utilities.is_compile_supported = _is_compile_supported
    with _modules({"torch._dynamo": compiler, "torch._dynamo.utils": utilities}):
        yield


def _is_compile_supported(device_type: str) -> bool:
    """The function that torchvision keeps; looked up when it is called."""
    return importlib.import_module("torch._dynamo.utils").is_compile_supported(device_type)


@contextmanager
def _modules(replacements: dict):
    """Let these modules stand in for the ones of the same names (None: not installed); those not yet imported only."""
    placed = [name for name in replacements if name not in sys.modules]
    sys.modules.update({name: replacements[name] for name in placed})
    try:
        yield
    finally:
        for name in placed:  # whoever imports them later must get the real ones
            del sys.modules[name]


@cache
def import_open_clip():
    """Return the `open_clip` module."""
    prepare_torchvision()
    return importlib.import_module("open_clip")


def import_open_clip_alone():
    """Return the `open_clip` module; the first import in this process leaves open_clip's optional packages out, so that
    models which need them (timm or Hugging Face towers) cannot be made in it."""
    prepare_torchvision()
    with _modules(dict.fromkeys(OPTIONAL)):
        return import_open_clip()


@cache
def import_timm():
    """Return the `timm` module."""
    prepare_torchvision()
    return importlib.import_module("timm")
