"""One meter of CPU seconds: every job's own count, taken last, and that of Snakemake's process. Nothing is sampled: the
operating system counts each process and, once it has ended, everything that it waited for."""

import math
import os
import resource
import sys
import time
from datetime import datetime
from pathlib import Path
from statistics import median

from flopwise.core.io import write_json
from flopwise.core.stopwatch import peak_resident
from flopwise.provenance.job import Job

VARIABLE = "FLOPWISE_ENGINE"  # how a job knows the Snakemake process that started it


def own() -> dict[str, float]:
    """CPU seconds and peak memory (MB) of this process so far, its finished child processes (a notebook's kernel)
    included; the peak is that of the largest single process."""
    times, children = os.times(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "cpu_seconds": times.user + times.system + times.children_user + times.children_system,
        "peak_memory_mb": max(peak_resident(), children * (1 if sys.platform == "darwin" else 1024)) / 1e6,
    }


def training_step_ms(repetitions: int = 7) -> float | None:
    """CPU milliseconds of a training step of a small transformer (width 32, four layers, 32 x 17 tokens, float32), the
    median of a few: how fast this machine, as loaded as it is now, trains what these studies train. None in a job that has
    not loaded torch."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    from flopwise.core.loop import adamw, update

    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        how = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        layers = torch.nn.Sequential(*(torch.nn.TransformerEncoderLayer(32, 1, 128, **how) for _ in range(4)))
        tokens, optimiser, seconds = torch.ones(32, 17, 32), adamw(layers.parameters(), 1e-3, 0.0), []
        for _ in range(repetitions + 2):  # the first two allocate
            start = time.process_time()
            update(layers(tokens).square().mean(), optimiser, 1e-3, clip_norm=math.inf)
            seconds.append(time.process_time() - start)
    return 1e3 * median(seconds[2:])


# Snakemake's process -------------------------------------------------------------------------------------------------


def announce(main: bool) -> None:
    """Tell the jobs which Snakemake process starts them: this one. main: not one that runs a single job on a cluster."""
    import psutil

    os.environ[VARIABLE] = f"{'main' if main else 'single'}/{_name(psutil.Process())}"


def _name(process) -> str:
    """Start and number of a process: the name of an invocation of Snakemake."""
    return f"{datetime.fromtimestamp(process.create_time()):%Y-%m-%dT%H-%M-%S}-{process.pid}"


def started(name: str) -> float:
    """When an invocation of Snakemake began, in seconds since the epoch."""
    return datetime.strptime(name.rpartition("-")[0], "%Y-%m-%dT%H-%M-%S").timestamp()


def _engine():
    """(name, kind, process) of the Snakemake process that started this job; None where it was called by hand."""
    kind, _, name = os.environ.get(VARIABLE, "").partition("/")
    if not name:
        return None
    import psutil

    try:
        process = psutil.Process(int(name.rpartition("-")[2]))
        return (name, kind, process) if _name(process) == name else None
    except psutil.Error:  # it has ended, or runs on another machine
        return None


def around(job: Job) -> dict:
    """What the record of a job says of the Snakemake process that started it: `engine`, the name of the invocation; where
    that process runs this job alone, on a cluster, `engine_seconds`, its CPU seconds. The former's are booked as they
    stand now, so that even an invocation that is killed has left its count up to its last finished job."""
    found = _engine()
    if found is None:
        return {}
    name, kind, process = found
    times = process.cpu_times()
    if kind == "single":
        return {"engine_seconds": times.user + times.system}
    book(job.results, name, times.user + times.system, times.children_user + times.children_system)
    return {"engine": name}


def book(results: Path, name: str, engine: float, children: float, **more: float) -> None:
    """Write what an invocation of Snakemake took: its own CPU seconds and those of all jobs that it has waited for."""
    facts = {"engine_seconds": engine, "children_seconds": children, **more}
    write_json(results / "engine" / f"{name}.json", facts)
