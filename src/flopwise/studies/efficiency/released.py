"""Encoders that others pre-trained, and random ones of their kind: where their weights lie, what is missing."""

import shutil
from collections.abc import Callable
from pathlib import Path

from flopwise.config import Settings
from flopwise.config.efficiency import SCRATCH, Checkpoint, EfficiencyConfig
from flopwise.core.errors import UserError
from flopwise.core.paths import not_below
from flopwise.core.seeds import derive
from flopwise.studies.efficiency.plan import Cell, Grid


def weights_of(settings: Settings, name: str) -> Path:
    """The file of a checkpoint below `weights_root`. Raises `UserError` where it is not."""
    from flopwise.models.weights import find_file

    one: Checkpoint = settings.preset.efficiency.checkpoints[name]
    if settings.config.weights_root is None:
        raise UserError(f"the weights of {one.pretrained} lie below `weights_root`; set it in config/config.yaml")
    model, _, tag = one.pretrained.partition(".")
    return find_file(model, tag, settings.config.weights_root)


def maker(settings: Settings, cell: Cell, trained: Path) -> Callable:
    """A function that makes the cell's encoder, each time from its weights: a checkpoint's, or those in the file `trained`; a
    random one from its seed."""
    import torch
    from safetensors.torch import load_file

    from flopwise.models import vit_tokens

    study, drop_path = settings.preset.efficiency, settings.preset.efficiency.scenes.drop_path
    if cell.released:
        pretrained, path = study.checkpoints[cell.budget].pretrained, weights_of(settings, cell.budget)
        return lambda: vit_tokens.released(pretrained, path, drop_path)

    def drawn():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(cell.seed, "efficiency", "trunk"))
            made = vit_tokens.VitTokens(study.sizes[cell.size].network, drop_path)
        if cell.method != SCRATCH:
            made.load_state_dict(load_file(trained))
        return made

    return drawn


def clear(folder: Path) -> None:
    """Remove the state of a transfer that has been written."""
    shutil.rmtree(folder, ignore_errors=True)


def missing(settings: Settings) -> list[str]:
    """What is not found below `weights_root` and `data_root`, a line each."""
    study, lines = settings.preset.efficiency, []
    for name in study.released:
        try:
            weights_of(settings, name)
        except UserError as error:
            lines.append(f"efficiency checkpoint {name}: {error}")
    for name in sorted(_sets(study)):
        from flopwise.data.catalogue import dataset

        folder, root = dataset(name).folder, settings.config.data_root
        if not (root and (Path(root) / folder).is_dir()):
            lines.append(f"data set {name} of the efficiency study: {not_below(folder, root)}")
    return lines


def _sets(study: EfficiencyConfig) -> set[str]:
    """Data sets that the study reads from a user's folder."""
    pools = {study.pools[cell.pool].dataset for cell in Grid(study).trained}
    return {name for name in (*pools, study.scenes and study.scenes.dataset) if name}
