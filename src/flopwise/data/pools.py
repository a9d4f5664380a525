"""Pre-training pools of real image-text pairs: tar shards, listed once, then read at random places.

The job that makes a pool reads every shard from front to back and keeps where each image is and what its caption says;
no image is copied. A batch then takes its samples by their number, so that it depends on nothing but the run's seed,
task and step, and an interrupted run goes on exactly where it was."""

from pathlib import Path

import numpy as np

from flopwise.core.errors import RunFailure, UserError
from flopwise.data.catalogue import catalogue, facts_of_row
from flopwise.data.files import ImageFiles
from flopwise.data.images import check_header
from flopwise.data.readers.shards import find_shards, read_shard
from flopwise.data.readers.skips import Skips
from flopwise.data.store import Split, write_set
from flopwise.data.strings import Strings

READER, GZIP = "webdataset_shards", b"\x1f\x8b"


def find_pool(source: str, root: Path | str | None) -> list[str]:
    """The shards of the user's copy of pool `source`, paths relative to `root`. Raises `UserError` where there are none."""
    pools = {name: row for name, row in catalogue().items() if row.reader == READER}
    if source not in pools:
        raise UserError(f"pool {source!r} is not in the catalogue; allowed are {', '.join(pools)}")
    if root is None:
        raise UserError(
            f"pool {source!r} is a real one: set `data_root` in config/config.yaml to the folder of your copies"
        )
    folder = Path(root) / pools[source].folder
    if not folder.is_dir():
        raise UserError(f"pool {source}: {folder} is missing; it holds the shards *.tar of your copy")
    return [str(Path(path).relative_to(root)) for path in find_shards("*.tar", folder)]


def _refuse_packed(path: Path) -> None:
    with path.open("rb") as stream:
        if stream.read(2) == GZIP:
            raise UserError(f"shard {path} is compressed: no image in it can be read alone; unpack it (gunzip)")


def build_pool_listing(name: str, source: str, root: Path | str | None, out: Path) -> dict:
    """List the pool's shards below `root` and write the listing to `out` as the pool called `name`; returns the card.

    Samples without an image or a caption, and those whose image is none by its header, are left out and counted in the
    card (`left_out`)."""
    shards, skips = find_pool(source, root), Skips()
    files, spans, captions = [], [], []
    for number, shard in enumerate(_progress(shards, name)):
        _refuse_packed(Path(root) / shard)
        for raw in read_shard(str(Path(root) / shard), skips):
            try:
                check_header(raw.image, raw.key)
            except RunFailure as error:
                skips.add("no image, or one of too many pixels", f"{shard}: {error}")
                continue
            files.append(number)
            spans.append((raw.offset, len(raw.image)))
            captions.append(raw.caption)
    if not files:
        raise UserError(
            f"pool {source}: {len(shards)} shards below {root} hold no image-caption pair; {'; '.join(skips.lines())}"
        )
    sizes = np.asarray([(Path(root) / shard).stat().st_size for shard in shards], dtype=np.int64)
    images = ImageFiles(
        Path(root),
        Strings.of(shards),
        np.asarray(files, dtype=np.int32),
        np.asarray(spans, dtype=np.int64),
        sizes=sizes,
    )
    row = facts_of_row(source)
    facts = {
        **row, "name": name, "pool": source, "where": row["folder"], "shards": len(shards), "left_out": skips.counts,
        "role": "pre-training", "task": "image-text pairs", "split": "no test split",
    }  # fmt: skip
    return write_set(out, Split(images, np.zeros(len(files), dtype=np.int64), captions), facts)


def _progress(shards: list[str], name: str):
    from tqdm import tqdm

    return tqdm(shards, desc=f"listing the pool {name}", unit="shard", disable=None)
