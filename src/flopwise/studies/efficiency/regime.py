"""The regime of the study: how long trainings are beside their pools; the paper's values beside this scale's."""

from flopwise.config import Settings
from flopwise.config.efficiency import EfficiencyConfig
from flopwise.cost.closed_forms import VIT_B16, pretraining
from flopwise.studies.efficiency.plan import Grid
from flopwise.studies.efficiency.price import step_flops
from flopwise.studies.regime import NOT_SOURCED, Quantity

RATIOS = "counted here for ViT-B/16 with the published recipes' heads (docs/efficiency.md)"
PAPER_FLOPS = {name: pretraining(name, VIT_B16) for name in ("supervised", "clip", "simclr", "byol", "dino", "mae")}
PAPER_FLOPS["mae-tiny"] = pretraining("mae", VIT_B16, kept=0.15, decoder=(512, 2))
PAPER_RATIO = {name: flops / PAPER_FLOPS["supervised"] for name, flops in PAPER_FLOPS.items() if name != "supervised"}
RATIO = "FLOPs per image of {} over those of supervised"
PLANNED = (
    *(RATIO.format(name) for name in PAPER_RATIO),
    "budgets, largest over smallest", "passes over the default pool", "optimiser steps of supervised, f1",
)  # fmt: skip


def runs(study: EfficiencyConfig, quantity: str) -> bool:
    """Whether the scale runs what a quantity is of."""
    methods = {cell.method for cell in Grid(study).trained}
    return all(name in methods for name in PAPER_RATIO if quantity == RATIO.format(name))


def planned(settings: Settings) -> list[Quantity]:
    """What is known before anything runs."""
    study = settings.preset.efficiency
    cells = {cell.method: cell for cell in Grid(study).trained if cell.size == study.defaults.size}
    step = {name: step_flops(study, cell) for name, cell in cells.items()}
    budgets = [study.budgets[cell.budget] for cell in Grid(study).trained]
    own = step.get("supervised")
    here = [step[name] / own if own and name in step else None for name in PAPER_RATIO]
    steps = int(study.budget_gflops * 1e9 // own) if own else None
    pictures = _pictures(settings)
    passes = steps * study.batch_size / pictures if steps and pictures else None
    values = [*here, max(budgets) / min(budgets) if budgets else None, passes, steps]
    paper = [*PAPER_RATIO.values(), 8.0, None, None]
    sources = [*[RATIOS] * len(PAPER_RATIO), "lengths of MAE on JFT-300M, digitised: 1 to 8", NOT_SOURCED, NOT_SOURCED]
    return [
        Quantity(name, value, source, None if mine is None else float(mine))
        for name, value, source, mine in zip(PLANNED, paper, sources, values)
    ]


def _pictures(settings: Settings) -> int | None:
    """Of the default pool."""
    study = settings.preset.efficiency
    pool = study.pools[study.defaults.pool]
    if pool.dataset:
        from flopwise.data.catalogue import dataset

        return dataset(pool.dataset).n_train
    stored = settings.preset.data.materials.get(pool.material, {}).get("train")
    return stored and {"all": stored, "quarter": stored // 4}.get(pool.part)
