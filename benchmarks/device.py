"""Is the simulated memory true, how fast is a step, and is a run right on a GPU? Three parts; each runs in a process of its own
under a limit of its own and writes a line of JSON per result as it comes, so that a slow part spoils no other.

    python benchmarks/device.py predict     # on any machine, before: what the cost module says of every cell
    python benchmarks/device.py             # on the machine with the GPU: memory, speed, right; then the tables
    python benchmarks/device.py --rehearse  # all parts at toy size on a CPU
"""

import argparse
import json
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

from common import show

METHODS = ("locked-image", "locked-text", "lnfit", "bitfit", "lora-r4", "lora-r64", "dora-r4", "vera-r4", "ewc", "si")
LIMITS = {"memory": 180, "speed": 190, "right": 170}  # seconds of a part; nine minutes in all
CELLS = [  # model, method, batch size, precision
    *product(["open_clip:ViT-B-32"], ["full-ft"], [64, 256, 512], ["fp16", "bf16", "fp32"]),
    *product(["open_clip:ViT-B-32"], METHODS, [256], ["fp16"]),
    *product(["open_clip:ViT-B-16"], ["full-ft", "lora-r4", "ewc"], [256], ["fp16"]),
    *product(["open_clip:ViT-B-16"], ["full-ft"], [64, 512], ["fp16"]),
    *product(
        ["open_clip:RN50", "open_clip:ViT-B-16-SigLIP", "open_clip:convnext_base"], ["full-ft"], [64, 256], ["fp16"]
    ),
    *product(["timm:resnet50", "timm:vit_base_patch16_224"], ["full-ft"], [64, 256], ["fp16"]),
    *product(["perceiver:imagenet-fourier", "perceiver:imagenet-conv"], ["full-ft"], [8, 32], ["fp16"]),
]
TOY_CELLS = [("open_clip:ViT-S-32-alt", method, 2, "bf16") for method in ("full-ft", "lora-r4")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "part", nargs="?", choices=["predict", *LIMITS], help="one part alone; default: all on a device"
    )
    parser.add_argument("--out", type=Path, default=Path("results/device"), help="folder of the results")
    parser.add_argument("--rehearse", action="store_true", help="toy size, on a CPU")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # in this process
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.here:
        for row in {"predict": predict, "memory": memory, "speed": speed, "right": right}[options.part](options):
            with (options.out / f"{options.part}.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
        return
    chosen = [options.part] if options.part else [*(["predict"] if options.rehearse else []), *LIMITS]
    for part in chosen:
        (options.out / f"{part}.jsonl").unlink(missing_ok=True)
        print(f"{part}: {_run(part, options)}", flush=True)
    report(options.out)


def _run(part: str, options) -> str:
    """Do a part in a process of its own; how it ended."""
    command = [sys.executable, __file__, part, "--here", "--out", str(options.out)]
    start = time.monotonic()
    try:
        done = subprocess.run([*command, *(["--rehearse"] if options.rehearse else [])], timeout=_limit(part, options))
        ended = "done" if done.returncode == 0 else f"failed with status {done.returncode}"
    except subprocess.TimeoutExpired:
        ended = "stopped at its limit; what it had is kept"
    return f"{ended} after {time.monotonic() - start:.0f} s"


def _limit(part: str, options) -> float | None:
    """Seconds that a part may take; a CPU gets more."""
    return LIMITS[part] * (6 if options.rehearse else 1) if part in LIMITS else None


def device(options) -> str:
    return "cpu" if options.rehearse else "cuda"


def cells(options) -> list[tuple]:
    return TOY_CELLS if options.rehearse else CELLS


# memory ----------------------------------------------------------------------------------------------------------------


def predict(options):
    """Simulated peaks, bytes: of tensors, and with the allocator's blocks and the CUDA runtime."""
    from flopwise.cost import price, subjects

    for model, method, size, precision in cells(options):
        peak = price.peak(subjects.load(model), method, size, precision, published=False)
        named = {"model": model, "method": method, "batch": size, "precision": precision}
        yield {**named, "allocated": peak.allocated, "total": peak.total}


def memory(options):
    """Peaks of the first training step where it runs, bytes: of tensors by the allocator, and what the driver has given."""
    import torch

    from flopwise.cost import memory, subjects

    for model, method, size, precision in cells(options):
        named = {"model": model, "method": method, "batch": size, "precision": precision}
        try:
            step = _step(subjects.load(model), method, size, precision, device(options))
            reserved = memory.measured_peak(step)
            on_gpu = torch.cuda.is_available()
            free, total = torch.cuda.mem_get_info() if on_gpu else (0, 0)
            allocated = torch.cuda.max_memory_allocated() if on_gpu else reserved
            yield {**named, "allocated": allocated, "reserved": reserved, "driver": total - free}
        except torch.OutOfMemoryError:
            yield {**named, "out of memory": True}
        step = None


def _step(subject, method: str, size: int, precision: str, where: str):
    """A function that makes the model on the device and trains it for one step with torch's own AdamW, as the prediction
    assumes it. Weights are noise: memory does not depend on them."""
    import torch

    from flopwise.cost import price

    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": None}[precision]

    def step() -> None:
        module = price.prepared(subject, method, published=False).to_empty(device=where)
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.fill_(0.01) if tensor.is_floating_point() else tensor.zero_()
        optimiser = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=1e-5, foreach=True)
        batch = subject.inputs(size, device=where)
        with torch.autocast(where, dtype, enabled=dtype is not None):
            loss = subject.loss(module, batch)
        loss.backward()
        optimiser.step()

    return step


# speed and right ---------------------------------------------------------------------------------------------------------


def speed(options):
    """See device_speed.py."""
    import device_speed

    return device_speed.speed(device(options))


def right(options):
    """See device_right.py."""
    import device_right

    return device_right.right(options.out / "runs", device(options))


# tables ----------------------------------------------------------------------------------------------------------------


def report(out: Path) -> None:
    """Print every part's table; memory beside its prediction."""
    import statistics

    found = {part: _rows(out / f"{part}.jsonl") for part in ("predict", *LIMITS)}
    key = lambda row: (row["model"], row["method"], row["batch"], row["precision"])  # noqa: E731
    predicted = {key(row): row for row in found["predict"]}
    rows = [
        {**{name: row[name] for name in ("model", "method", "batch", "precision")}, "GiB": row["allocated"] / 2**30,
         "predicted": predicted[key(row)]["allocated"] / 2**30,
         "error, %": 100 * (predicted[key(row)]["allocated"] / row["allocated"] - 1) if row["allocated"] else 0.0,
         "driver, GiB": row["driver"] / 2**30, "predicted for it": predicted[key(row)]["total"] / 2**30}
        for row in found["memory"] if key(row) in predicted and "allocated" in row
    ]  # fmt: skip
    if rows:
        show(rows, None)
        errors = [abs(row["error, %"]) for row in rows]
        print(f"{len(rows)} cells; error: median {statistics.median(errors):.1f} %, worst {max(errors):.1f} %")
    for part in ("speed", "right"):
        for row in found[part]:
            show([row], None)


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


if __name__ == "__main__":
    main()
