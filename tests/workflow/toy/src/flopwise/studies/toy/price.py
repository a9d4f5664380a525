"""What the toy study costs before it runs."""

import pandas
from flopwise.studies.toy.plan import cells

from flopwise.core.io import atomic_path


def write_plan(config, out) -> None:
    """Write cells.tsv."""
    with atomic_path(out) as temporary:
        pandas.DataFrame(cells(config)).to_csv(temporary, sep="\t", index=False, lineterminator="\n")
