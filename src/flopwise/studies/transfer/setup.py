"""The set-up of the study as the report shows it: the paper beside this run."""

from flopwise.config import Settings


def rows(settings: Settings) -> list[tuple[str, str, str]]:
    """(what, in the paper, in this run)"""
    study = settings.preset.transfer
    from flopwise.studies.transfer.plan import Grid

    grid = Grid(study)
    cells = grid.cells.values()
    networks = {study.zoo[name].network or name for name in study.models}
    default = study.amounts[study.defaults.amount]
    teachers = {name for cell in cells for name in study.teachers(cell.teacher)}
    views = ", ".join(dict.fromkeys(cell.view for cell in cells))
    return [
        ("models", "more than 300 of timm", f"{len(study.models)} of {len(networks)} networks"),
        ("students x teachers", "20 x 20", f"{len(grid.students)} x {len(teachers)}, not all combined"),
        ("data", "ImageNet, 1000 classes", study.material or study.dataset or ""),
        ("transferred on", "10 % of the training data", f"{100 * default.share:g} %"),
        ("epochs", "20", str(default.epochs)),
        ("batch size", "as fits into memory", str(study.batch_size)),
        ("optimiser", "SGD, momentum 0.9, 1e-4 x batch / 256 (0.01 x batch / 256 with MCL)",
         f"SGD, momentum {study.momentum:g}, {study.learning_rate:g} ({study.slow_learning_rate:g} with MCL)"),
        ("views", "fresh flip and colour distortion", views),
        ("seeds", "1", str(max(cell.seed for cell in cells) + 1)),
    ]  # fmt: skip
