"""Readers: one function per kind of layout, `read(tree, dataset, **options) -> Listing`.

`options` are what is special to one set, from `flopwise.data.readers.sets`."""

import importlib

from flopwise.core.errors import RunFailure
from flopwise.data.formats import READERS


def read_layout(dataset, tree):
    """The listing of a set in its own on-disk layout (a `Listing`); damage is one line that names the file."""
    from flopwise.data.readers.sets import OPTIONS

    module, function = READERS[dataset.reader].split(":")
    read = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    try:
        return read(tree, dataset, **OPTIONS.get(dataset.name, {}))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        raise RunFailure(
            f"{tree.where} is not in the layout of {dataset.name} ({dataset.layout}; {dataset.annotations}): {error!r}"
        ) from error
