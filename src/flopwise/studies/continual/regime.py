"""The regime of the study: how often a stream sees its data, how large its tasks are, where it starts, what there is to
gain; the paper's values beside this scale's, computed by the same formulas from what either trains with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flopwise.config import Settings
from flopwise.core.metrics import normalised
from flopwise.data.catalogue import catalogue
from flopwise.data.counts import pool_samples, training_counts
from flopwise.data.mixtures import Composition, composition
from flopwise.data.validation import PARTS
from flopwise.studies.continual.budget import schedule_of
from flopwise.studies.continual.plan import Cell
from flopwise.studies.regime import NOT_SOURCED, Quantity

if TYPE_CHECKING:
    import pandas

CONFIGURATION = "official configuration: 20 tasks, batch 512, mixture 0.33 / 0.34 / 0.33"
COST_TABLE = "table 4 (README of the code): 1,420 steps a task, full fine-tuning of ViT-B/16"
SET_TABLE = "table of adaptation sets (README of the code): 1,759,782 samples"
STREAMS = "published stream files: 18,381 entries"
POOL = "official code, download_laion400m: about 1.38 M pairs"
ZERO_SHOT = "zero-shot table (README of the code), ViT-B/32; chance from the tables of sets"


@dataclass(frozen=True)
class Regime:
    """A stream of full fine-tuning and its data.

    steps: optimiser steps of each task. shares: of a batch, (pre-training, update, buffer). samples, classes: training
    samples and stream entries of all adaptation sets. pool: pairs of the pre-training pool; None: not known. trials: on
    validation data, per method; None: not sourced."""

    steps: tuple[int, ...]
    batch_size: int
    shares: tuple[float, float, float]
    samples: float
    classes: int
    pool: int | None
    trials: int | None

    @property
    def tasks(self) -> int:
        return len(self.steps)

    @property
    def draws(self) -> Composition:
        """Samples that the whole stream draws from each pool; in the first task the buffer is empty."""
        parts = [
            [steps * size for size in composition(self.batch_size, self.shares, first_task=task == 0)]
            for task, steps in enumerate(self.steps)
        ]
        return Composition(*map(sum, zip(*parts)))

    @property
    def last_buffer(self) -> float | None:
        """Passes over the buffer in the last task, where it holds the samples of all tasks before; None for one task."""
        drawn = self.steps[-1] * composition(self.batch_size, self.shares).buffer
        return drawn / (self.samples * (self.tasks - 1) / self.tasks) if self.tasks > 1 else None


PAPER = Regime(  # from the sources named above
    steps=(1420,) * 20, batch_size=512, shares=(0.33, 0.34, 0.33), samples=1_759_782, classes=18_381, pool=1_380_000,
    trials=None,
)  # fmt: skip

DRAWS = (COST_TABLE, CONFIGURATION, SET_TABLE)
# quantity -> how it follows from a regime, what the paper's value rests on
PLANNED: dict[str, tuple[Callable[[Regime], float | None], tuple[str, ...]]] = {
    "passes over the update data, each in its task": (lambda r: r.draws.update / r.samples, DRAWS),
    "passes over the same data from the buffer": (lambda r: r.draws.buffer / r.samples, DRAWS),
    "passes over the adaptation data in all": (lambda r: (r.draws.update + r.draws.buffer) / r.samples, DRAWS),
    "passes over the buffer in the last task": (lambda r: r.last_buffer, DRAWS),
    "passes over the pool in a task": (
        lambda r: r.pool and r.draws.pretraining / r.pool / r.tasks, (COST_TABLE, CONFIGURATION, POOL),
    ),
    "passes over the pool in the stream": (
        lambda r: r.pool and r.draws.pretraining / r.pool, (COST_TABLE, CONFIGURATION, POOL),
    ),
    "passes over all data, the pool included": (
        lambda r: r.pool and sum(r.draws) / (r.samples + r.pool), (*DRAWS, POOL),
    ),
    "optimiser steps per task": (lambda r: sum(r.steps) / r.tasks, (COST_TABLE,)),
    "training samples per class": (lambda r: r.samples / r.classes, (SET_TABLE, STREAMS)),
    "classes per task over batch size": (lambda r: r.classes / r.tasks / r.batch_size, (STREAMS, CONFIGURATION)),
    "classes per task": (lambda r: r.classes / r.tasks, (STREAMS, CONFIGURATION)),
    "classes in the stream": (lambda r: r.classes, (STREAMS,)),
    "tasks": (lambda r: r.tasks, (CONFIGURATION,)),
    "batch size": (lambda r: r.batch_size, (CONFIGURATION,)),
    "trials of tuning per method": (lambda r: r.trials, (NOT_SOURCED,)),
}  # fmt: skip


def regime_of(settings: Settings) -> Regime:
    """Full fine-tuning at the scale's default point, known before anything runs. Under `evaluation.split: validation` a
    fifth of the training samples is held out."""
    study, data = settings.preset.continual, settings.preset.data
    default = study.defaults.model_copy(update={"method": "full-ft"})
    cell = Cell(default.method, **default.model_dump(), seed=0)
    cache = settings.results.parent / "state" / "step_cost"
    samples, classes = zip(*(training_counts(data, name) for name in data.adaptation))
    trained = 1 - 1 / PARTS if study.evaluation.split == "validation" else 1
    return Regime(
        steps=schedule_of(study, cell, len(data.adaptation), cache).steps, batch_size=study.batch_size,
        shares=study.mixtures[default.mixture], samples=trained * sum(samples), classes=sum(classes),
        pool=pool_samples(data, default.pool), trials=len(study.tuning.rate) * study.tuning.seeds,
    )  # fmt: skip


def planned(settings: Settings) -> list[Quantity]:
    """What is known before anything runs."""
    here = regime_of(settings)
    return [
        Quantity(name, formula(PAPER), "; ".join(sources), formula(here))
        for name, (formula, sources) in PLANNED.items()
    ]


def measured(settings: Settings, zero_shot: "pandas.DataFrame", final: "pandas.DataFrame") -> list[Quantity]:
    """What only a run can know, of the default model: its scores before the stream, and what the oracle adds to them.

    zero_shot, final: the study's tables of these names. What the oracle gains in the paper is not sourced."""
    model = settings.preset.continual.defaults.model
    paper, here = _start(_published()), _start(zero_shot[zero_shot["model"] == model])
    start = [Quantity(name, paper[name], ZERO_SHOT, here[name]) for name in paper]
    gains = [
        Quantity(f"{name} that the oracle gains, points", None, NOT_SOURCED, _oracle_gain(settings, final, metric))
        for name, metric in (("A_KA", "a_ka"), ("A_ZS", "a_zs"))
    ]
    return [*start, *gains]


def _start(scores: "pandas.DataFrame") -> dict[str, float]:
    """Means over sets before the stream. scores: a row per set with role, value and chance (percent)."""
    means = scores.groupby("role")[["value", "chance"]].mean()
    found = {}
    for name, role in (("A_KA", "adaptation"), ("A_ZS", "evaluation")):
        value, chance = map(float, means.loc[role])
        found |= {
            f"zero-shot {name}, %": value, f"zero-shot {name} over chance": value / chance,
            f"zero-shot {name}, share of what lies above chance, %": normalised(value, chance),
        }  # fmt: skip
    return found


def _published() -> "pandas.DataFrame":
    """Published zero-shot accuracy (R@5 for retrieval) of OpenCLIP's ViT-B/32 on all sets of the study, and chance."""
    import pandas

    rows = [row for row in catalogue().values() if row.streams]
    return pandas.DataFrame(
        {"role": row.role, "value": row.zero_shot_vit_b_32,
         "chance": 100 / row.n_classes if row.task == "classification" else 100 * 5 / row.n_test}
        for row in rows
    )  # fmt: skip


def _oracle_gain(settings: Settings, final: "pandas.DataFrame", metric: str) -> float | None:
    """Mean over seeds of the oracle's score after the stream minus the start's, at the default point but for its mixture,
    in points; None where no oracle ran to its end."""
    fixed = settings.preset.continual.defaults.model_dump(exclude={"mixture"}) | {"method": "oracle", "metric": metric}
    own = final[(final[list(fixed)] == list(fixed.values())).all(axis=1) & (final["status"] != "diverged")]
    return float(own["delta"].mean()) if len(own) else None
