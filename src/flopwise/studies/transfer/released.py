"""Released models and real data at the larger scales: what the study reads from the user's copies."""

from pathlib import Path

from flopwise.config import Settings
from flopwise.core.errors import UserError
from flopwise.core.paths import not_below


def missing(settings: Settings) -> list[str]:
    """What is not found below `weights_root` and `data_root`, a line each."""
    from flopwise.models.weights import find_file

    study, lines = settings.preset.transfer, []
    root = settings.config.weights_root
    for name in study.models:
        if tagged := study.zoo[name].pretrained or study.zoo[name].image_tower:
            model, _, tag = tagged.partition(".")
            try:
                find_file(model, tag, root or "")
            except UserError as error:
                lines.append(
                    f"transfer model {name}: {error}"
                    if root
                    else f"transfer model {name}: weights_root is not set ({tagged})"
                )
    others = [study.zoo[name].tuned_on for name in study.models]
    for name in dict.fromkeys(name for name in (study.dataset, *others) if name):
        lines += _missing_data(name, settings.config.data_root)
    return lines


def _missing_data(name: str, root: str | None) -> list[str]:
    from flopwise.data.catalogue import dataset

    folder = dataset(name).folder
    if root and ((path := Path(root) / folder).is_dir() or path.with_name(f"{folder}.tar").is_file()):
        return []
    return [f"data set {name} of the transfer study: {not_below(folder, root)}"]
