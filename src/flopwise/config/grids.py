"""Experiments: grids over a study's axes. Each is written once, in full, in config/experiments/<study>.yaml; a scale only
chooses: which experiments, how many seeds, which of their values."""

from pydantic import BaseModel, create_model

from flopwise.config.fields import Slug, Strict, check_known, setting, source_of


class Runs(Strict):
    """What a grid says besides the values of its axes. A study may add to it."""

    seeds: int = setting(1, "runs per point, with seeds 0, 1, ...", "our choice", ge=1, le=100)


def models(axes: type[BaseModel], runs: type[Runs]) -> tuple[type[Runs], type[Runs], type[Runs]]:
    """The models of a grid, a choice and an experiment over the fields of `axes`: each axis takes a list of names."""
    values = {
        axis: (tuple[Slug, ...], setting((), field.description, source_of(field)))
        for axis, field in axes.model_fields.items()
    }
    home = axes.__module__
    grid = create_model(
        "Grid",
        __module__=home,
        __base__=runs,
        __doc__="The product of the listed values; an axis not listed is at its default.",
        **values,
    )
    parts = setting(
        (), "parts with values or seeds of their own; what stands beside `grids` holds for each", "our choice"
    )
    choice = create_model(
        "Choice",
        __module__=home,
        __base__=grid,
        __doc__="What a scale takes of an experiment: of each grid the listed values, in this order (an axis not listed: "
        "all), with the seeds given here, else with the experiment's. `{}` takes everything.",
        grids=(tuple[grid, ...], parts),
    )
    experiment = create_model(
        "Experiment",
        __module__=home,
        __base__=choice,
        __doc__="A question and the grid, or grids, of runs that answer it.",
        question=(str, setting(..., "what the experiment asks", "our choice")),
    )
    return grid, choice, experiment


def flat(entry: Runs) -> list[dict]:
    """What is given for each grid of an experiment or choice, its own values over those that hold for all."""
    own = entry.model_dump(exclude_unset=True, exclude={"grids", "question"})
    return [own | grid.model_dump(exclude_unset=True) for grid in entry.grids] or [own]


def choose(where: str, experiment: Runs, choice: Runs, defaults: dict[str, str]) -> Runs:
    """`experiment` with the grids that are left of it, every axis listed. Raises ValueError, with the key path `where`,
    for a value that the experiment does not have or a choice that nothing fits."""
    grids, found = flat(experiment), []
    known = {axis: [v for grid in grids for v in grid.get(axis) or [value]] for axis, value in defaults.items()}
    for wish in flat(choice):
        for axis in [axis for axis in defaults if axis in wish]:
            check_known(f"{where}.{axis}", wish[axis], known[axis])
        left = [grid | wish | _left(grid, wish, defaults) for grid in grids]
        left = [grid for grid in left if all(grid[axis] for axis in defaults)]
        if not left:
            words = " with ".join(f"{axis} {', '.join(wish[axis])}" for axis in defaults if axis in wish)
            raise ValueError(f"{where}: no grid has {words}")
        found += left
    return type(experiment)(question=experiment.question, grids=found)


def _left(grid: dict, wish: dict, defaults: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Values of each axis that the grid has and the choice does not leave out."""
    left = {}
    for axis, default in defaults.items():
        own = grid.get(axis) or (default,)
        left[axis] = tuple(value for value in wish[axis] if value in own) if wish.get(axis) else own
    return left


def composed(config: type[Strict], experiments: dict[str, Runs], preset: Strict) -> Strict:
    """A study's section at one scale: its preset with the grids that it chooses among `experiments`. Raises ValueError for
    a choice that is not there."""
    defaults, chosen = preset.defaults.model_dump(), {}
    check_known("experiments", preset.experiments, experiments)
    for name, choice in preset.experiments.items():
        chosen[name] = choose(f"experiments.{name}", experiments[name], choice, defaults)
    return config.model_validate({**dict(preset), "experiments": chosen})
