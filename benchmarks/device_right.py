"""Part `right` of device.py: the smoke study's training on a device beside the same training on the CPU, interrupted and
resumed, and two at once. Each training runs in a process of its own, which then scores its final weights."""

import atexit
import os
import sys
import time
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import yaml

from flopwise.config.load import merged
from flopwise.core.io import read_json, write_json, write_text

MODEL = "vit-xs-8"
JOB = f"{MODEL}/f1/oracle/oracle/all"  # one training of all weights, saved every five steps
SHARED = ("data", "continual/base", "continual/streams")  # made once, on the CPU
TOY = {  # what the rehearsal has in place of the smoke scale's
    "data": {"adaptation": ["flags", "leaves", "charts", "signs", "symbols"], "evaluation": ["shapes", "colours"]},
    "continual": {"models": {MODEL: {"pretrain_steps": 40}}},
}


def right(root: Path, where: str):
    """Rows of results. root: folder of all runs; where: cpu (the rehearsal) or cuda."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # one card, which two jobs at once have to share
    os.environ.pop("SLURM_JOB_ID", None)  # under SLURM a job relies on it for a card of its own and takes no lock
    start = time.perf_counter()
    toy = TOY if where == "cpu" else {}
    cpu = Run(root, "cpu", "cpu", toy=toy)
    cpu.prepare()
    yield {"what": "data and initial weights, cpu", "s": time.perf_counter() - start}
    cpu.done()
    yield {"what": "cpu, fp32", **cpu.facts()}
    for precision in ("fp32", "bf16", "fp16"):
        run = Run(root, precision, where, precision, toy)
        run.done()
        first = max(abs(a - b) for a, b in zip(run.losses[:4], cpu.losses))
        yield {"what": f"{where}, {precision}", **run.facts(), "first 4 losses differ by": first, **run.against(cpu)}
    one, two = Run(root, "one", where, toy=toy), Run(root, "two", where, toy=toy)
    start = time.perf_counter()
    ended = [process.join() or process.exitcode for process in (one.start(), two.start())]
    (_, end), (begin, _) = sorted((one.held, two.held))
    yield {
        "what": "two jobs at once, fp32", "exit statuses": str(ended), "s": time.perf_counter() - start,
        "second got the card s after the first's end": begin - end, **one.against(two),
    }  # fmt: skip
    resumed = Run(root, "resumed", where, toy=toy)
    step = resumed.interrupt()
    resumed.done()
    yield {"what": "killed and resumed, fp32", "killed after step": step, **resumed.facts(), **resumed.against(one)}


class Run:
    """The training `JOB` in a results folder of its own, `root`/<name>, from the data and the weights of the run `cpu`."""

    def __init__(self, root: Path, name: str, where: str, precision: str = "fp32", toy: dict | None = None):
        self.where, self.results, self.config = where, root / name, root / f"{name}.yaml"
        self.folder = self.results / "smoke"
        root.mkdir(parents=True, exist_ok=True)
        overrides = merged(toy or {}, {"continual": {"precision": precision}})
        write_text(self.config, yaml.safe_dump({"scale": "smoke", "device": where, "overrides": overrides}))
        for part in SHARED if name != "cpu" else ():
            link = self.folder / part
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to((root / "cpu" / "smoke" / part).resolve(), target_is_directory=True)

    @property
    def settings(self):
        from flopwise.config import load

        return load(self.config, results=str(self.results))

    def prepare(self) -> None:
        """Make the data and the initial weights, in this process: as jobs, each would import torch anew."""
        from flopwise.workflow import Workflow

        workflow = Workflow(self.settings)
        sets = [("data_set", name) for name in workflow.rules["data_set"]]
        rest = [("data_pool", "pool"), ("data_index", ""), ("continual_pretrain", MODEL), ("continual_start", MODEL)]
        for rule, name in (*sets, *rest):
            job = workflow.job(rule, name)
            if not all(path.exists() for path in job.outputs):
                workflow.run(job)

    def start(self):
        """Start the training; returns its process."""
        process = get_context("spawn").Process(target=_train, args=(self,))
        process.start()
        return process

    def done(self) -> None:
        """Do the training, or what is left of it."""
        process = self.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"the training in {self.results} ended with status {process.exitcode}")

    def interrupt(self) -> int:
        """Start the training and kill it once it has saved a state; the steps that this state holds."""
        process = self.start()
        state = self.folder / "state" / "continual_train" / JOB
        while process.is_alive() and not list(state.glob("*/state.json")):
            time.sleep(0.005)
        process.kill()
        process.join()
        return max((read_json(path)["position"] for path in state.glob("*/state.json")), default=0)

    # what a finished training has left ---------------------------------------------------------------------------------

    @cached_property
    def result(self) -> dict:
        return read_json(self.folder / "continual" / "train" / f"{JOB}.json")[0]

    @property
    def losses(self) -> list[float]:
        return self.result["losses"]

    @property
    def weights(self) -> dict:
        from flopwise.models import clip

        return clip.load(self.folder / "continual" / "checkpoints" / JOB / self.result["slug"])

    @property
    def scores(self) -> dict[str, float]:
        """Data set -> score of the final weights on its full test set, percent."""
        return read_json(self.results / "scores.json")

    @property
    def held(self) -> list[float]:
        """When the process took the lock of its card, and when it ended."""
        return read_json(self.results / "held.json")

    def facts(self) -> dict:
        train, mean = self.result["train_seconds"], sum(self.scores.values()) / len(self.scores)
        return {"steps": len(self.losses), "train s": train, "last loss": self.losses[-1], "mean score": mean}

    def against(self, other: "Run") -> dict:
        """The largest differences of losses, weights and scores (points)."""
        weights = self.weights
        return {
            "losses differ by": max(abs(a - b) for a, b in zip(self.losses, other.losses, strict=True)),
            "weights differ by": max(float((weights[k] - value).abs().max()) for k, value in other.weights.items()),
            "scores differ by": max(abs(self.scores[name] - value) for name, value in other.scores.items()),
            "mean score differs by": abs(self.facts()["mean score"] - other.facts()["mean score"]),
        }  # fmt: skip


def _train(run: Run) -> None:
    """The process of a training: the job as a rule would start it, then the scores that the rule of evaluation would give
    its final weights."""
    from flopwise import cli
    from flopwise.core import device

    take = device.take

    def noted(names, folder) -> int:
        index, start = take(names, folder), time.time()
        atexit.register(lambda: write_json(run.results / "held.json", [start, time.time()]))
        return index

    device.take = noted
    if run.where == "cpu":  # a CPU has no lock: the rehearsal takes one all the same
        device.take(["rehearsal"], run.results.parent / "locks")
    sys.argv = ["flopwise", "--config", str(run.config), "--results", str(run.results), "run", "continual_train", JOB]
    try:
        cli.main()
    except SystemExit as ended:
        if ended.code:
            raise
    from flopwise.studies.continual.evaluate import Evaluator

    evaluator = Evaluator(run.settings, MODEL)
    network = evaluator.network()
    network.load_state_dict(run.weights)
    rows = evaluator.scores(network).rows
    write_json(run.results / "scores.json", {row["dataset"]: row["value"] for row in rows})
