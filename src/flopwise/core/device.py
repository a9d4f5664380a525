"""Where models run and with which precision; which of a machine's GPUs a job may take."""

import os
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flopwise.core.errors import UserError

POLL = 2.0  # seconds between two looks for a free GPU


@dataclass(frozen=True)
class Placement:
    """`device`: torch's name of it; `precision` of matrix products: fp32, fp16 or bf16 (weights stay float32)."""

    device: str = "cpu"
    precision: str = "fp32"

    def put(self, value):
        """A tensor or a module on the device."""
        return value.to(self.device, non_blocking=True)

    def clock(self) -> float:
        """Seconds on a clock: CPU seconds of this process, or where a GPU computes seconds that passed."""
        return time.process_time() if self.device == "cpu" else time.perf_counter()

    def autocast(self):
        """Context in which matrix products have the precision."""
        import torch

        if self.precision == "fp32":
            return nullcontext()
        dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[self.precision]
        return torch.autocast(self.device.partition(":")[0], dtype)

    def scaler(self):
        """Dynamic loss scaling, which small gradients need in fp16; None for any other precision."""
        import torch

        return torch.amp.GradScaler(self.device.partition(":")[0]) if self.precision == "fp16" else None


def place(device: str, precision: str) -> Placement:
    """The placement for the settings `device` (auto, cpu, cuda) and `precision`; takes a free GPU for as long as the
    process lives. On a CPU fp16 becomes fp32."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device is cuda, but torch finds no GPU; allowed here are auto and cpu")
    if device == "cpu" or not torch.cuda.is_available():
        return Placement("cpu", "fp32" if precision == "fp16" else precision)
    # fp32 must mean fp32: TF32 would round the factors of every product to 10 bits of mantissa
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return Placement(f"cuda:{_taken()}", precision)


@cache
def _taken() -> int:
    """Index, among the visible GPUs, of the one that this process took."""
    import torch

    names = visible(torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    if "SLURM_JOB_ID" in os.environ and len(names) == 1:
        return 0  # the scheduler gave this job one GPU of its own
    return take(names, Path(tempfile.gettempdir()) / f"flopwise-gpus-{os.getuid()}")


def visible(count: int, listed: str | None) -> list[str]:
    """Names of the `count` GPUs that a process sees: those that CUDA_VISIBLE_DEVICES lists, else their numbers."""
    names = [name.strip() for name in listed.split(",")] if listed else []
    return names[:count] if len(names) >= count else [str(index) for index in range(count)]


def take(names: list[str], folder: Path, wait: bool = True) -> int | None:
    """Index of the first of `names` whose lock nobody holds; waits for one, or returns None. Snakemake counts GPUs but
    assigns none. The operating system frees the lock when the process ends, however it ends."""
    import fcntl

    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        for index, name in enumerate(names):
            handle = os.open(folder / name.replace("/", "_"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return index  # the handle stays open, and with it the lock
            except BlockingIOError:
                os.close(handle)
        if not wait:
            return None
        time.sleep(POLL)
