"""The set-up of the study as the report shows it: the paper beside this run."""

from flopwise.config import Settings
from flopwise.config.efficiency import EfficiencyConfig
from flopwise.studies.efficiency.plan import Grid


def rows(settings: Settings) -> list[tuple[str, str, str]]:
    """(what, in the paper, in this run)"""
    study = settings.preset.efficiency
    cells = Grid(study).cells.values()
    used = {
        axis: list(dict.fromkeys(getattr(cell, axis) for cell in cells))
        for axis in ("method", "pool", "size", "budget")
    }
    sizes = ", ".join(f"{study.sizes[name].depth} blocks, width {study.sizes[name].width}" for name in used["size"])
    budgets = [f"{study.budget_gflops * study.budgets[name]:g} GFLOPs" for name in used["budget"] if name in study.budgets
               and study.budget_gflops]  # fmt: skip
    budgets += [f"that of {study.checkpoints[name].pretrained}" for name in study.released]
    return [
        ("objectives", "CLIP, DINO, SimCLR, BYOL, MAE, supervised", ", ".join(used["method"])),
        ("pools", "COCO, ImageNet-1K, ImageNet-21K, JFT-300M, ALIGN", ", ".join(used["pool"])),
        ("trunks", "ViT-B/16, ViT-L/16", sizes),
        ("budgets", "1, 2, 3, 4 and more of the shortest length",
         ", ".join(budgets)),
        ("optimiser, batch size", "not sourced", f"AdamW, weight decay {study.weight_decay:g}, {study.batch_size}"),
        ("transfer", "segmentation of ADE20K, fine-tuned; head and schedule not sourced",
         _transfer(study)),
        ("seeds", "not sourced", str(len({cell.seed for cell in cells}))),
    ]  # fmt: skip


def _transfer(study: EfficiencyConfig) -> str:
    if how := study.scenes:
        return f"{how.dataset}, {how.steps:,} steps of {how.batch_size} crops of {how.side} pixels, {how.head} head"
    how = study.transfer
    return f"{how.scenes} labelled scenes, {how.steps} steps of {how.batch_size}, linear head"
