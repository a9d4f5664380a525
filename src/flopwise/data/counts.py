"""How much a scale trains on, known before any image is drawn or read."""

from flopwise.data.catalogue import dataset
from flopwise.data.world.build import family


def training_counts(data, name: str) -> tuple[int, int]:
    """(training samples, stream entries) of the adaptation set `name`: an embedded one has `train_per_class` samples of
    each class, a real one what its row of the catalogue says. Classes of one name are one entry."""
    if data.kind == "catalogue":
        row = dataset(name)
        return row.n_train, row.n_classes_in_streams or row.n_classes
    classes, _ = family(name)
    return len(classes) * data.train_per_class, len(set(classes))


def pool_samples(data, name: str) -> int | None:
    """Image-text pairs of the pool `name`; None for a real one that the catalogue does not count."""
    pool = data.pools[name]
    return pool.samples if pool.source is None else dataset(pool.source).n_train
