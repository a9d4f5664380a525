"""The set-up of the study as the report shows it: the paper beside this run."""

from flopwise.config import Settings
from flopwise.config.perceiver_evaluations import EVALUATIONS
from flopwise.config.perceiver_recipes import RECIPES
from flopwise.methods.perceiver import find
from flopwise.studies.perceiver.plan import Grid


def rows(settings: Settings) -> list[tuple[str, str, str]]:
    """(what, in the paper, in this run)"""
    study = settings.preset.perceiver
    cells, found = Grid(study).cells.values(), []
    for task in dict.fromkeys(cell.task for cell in cells):
        work, how = find(task), study.tasks[task]
        arms = [work.arms[arm].label for arm in dict.fromkeys(cell.arm for cell in cells if cell.task == task)]
        steps = f"{how.steps}{f' + {how.tuning_steps}' * bool(how.tuning_steps)} steps of {how.batch_size}"
        found.append((work.title, work.stands_for, f"{', '.join(arms)}; {steps}"))
    for name in study.released.evaluations:
        one = EVALUATIONS[name]
        found.append((f"released model, {name}", one.source, f"{one.checkpoint} on {one.dataset}"))
    for name in study.pretraining.recipes:
        recipe = RECIPES[name]
        length = f"{study.pretraining.share * recipe.steps:,.0f} steps of {recipe.batch_size:,}"
        found.append((f"from scratch, {name}", recipe.source, f"{length} on {', '.join(recipe.datasets)}, LAMB"))
    if not cells:
        return found
    how = f"AdamW, weight decay {study.weight_decay:g}, one rate for all arms of a task"
    return [
        *found, ("optimiser", "LAMB, AdamW in some domains", how), ("seeds", "1", str(len({cell.seed for cell in cells}))),
    ]  # fmt: skip
