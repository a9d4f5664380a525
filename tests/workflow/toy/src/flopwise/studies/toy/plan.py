"""The toy study's cells."""


def cells(config) -> list[dict]:
    """A row for every size and seed of every experiment."""
    return [
        {"cell": f"{size}-s{seed}", "size": size, "seed": seed, "training": f"{size}-s{seed}"}
        for experiment in config.experiments.values()
        for grid in experiment.grids
        for size in grid.size
        for seed in range(grid.seeds)
    ]
