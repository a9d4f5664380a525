"""Notebooks: what they write, that they write it twice alike, and how a failing one is reported."""

import json
import re

import fixtures
import pandas as pd
import pytest

from flopwise.core.errors import RunFailure, UserError
from flopwise.report import notebook
from flopwise.report.chapters import notebook as find
from flopwise.report.chapters import outline

NOTEBOOKS = [find(name) for chapter in outline() for name in chapter["notebooks"]]
CONTINUAL = (
    ("trajectories", "over_time", "final", "ewc", "effects", "by_set", "sets_over_time"),
    ("final_values", "budgets"),
)
WORLD = (
    ("adaptation", "evaluation", "pools", "sizes", "zero_shot", "orderings"),
    ("cards", "pool_cards", "captions", "zero_shot_values", "ordering_rules", "ordering_agreement"),
)


def names(study: str, figures, tables) -> set[str]:
    """File names that a notebook writes."""
    wanted = {f"{study}_{name}.{kind}" for name in figures for kind in ("svg", "png", "csv")}
    return wanted | {f"{study}_{name}.{kind}" for name in tables for kind in ("csv", "md", "tex")}


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_continual_notebook_writes_every_file_and_the_same_twice(smoke_run, repository):
    before = contents(smoke_run / "figures")
    assert set(before) == names("continual", *CONTINUAL)
    text = (smoke_run / "continual.ipynb").read_text()
    notebook.execute(repository / "notebooks" / "continual_trajectories.py", smoke_run / "again.ipynb",
                     {"tables": smoke_run / "tables", "figures": smoke_run / "figures", "scale": "smoke"})  # fmt: skip
    assert contents(smoke_run / "figures") == before
    assert (smoke_run / "again.ipynb").read_text() == text
    assert "One seed per point: no interval can be given." in text
    assert "This scale does not run the experiment `ewc-accounting`." in text


def test_every_figure_and_table_has_a_caption_that_is_read_without_running():
    for one in NOTEBOOKS:
        for name, caption in (one.figures | one.tables).items():
            assert len(caption) > 15, name
            assert caption.strip().endswith((".", "..")), name


def test_every_notebook_is_part_of_a_chapter_and_reads_what_its_parameters_say(repository):
    assert {one.source for one in NOTEBOOKS} == set((repository / "notebooks").glob("*.py"))
    for one in NOTEBOOKS:
        text = one.source.read_text()
        (cell,) = [part for part in text.split("# %%") if part.startswith(' tags=["parameters"]')]
        given = set(re.findall(r"^(\w+) =", cell, flags=re.MULTILINE))
        assert given == {*one.reads, "figures", "scale"}, one.name


@pytest.mark.slow
def test_world_notebook_writes_every_file(world_run):
    assert set(contents(world_run / "figures")) == names("world", *WORLD)
    shown = pd.read_csv(world_run / "figures" / "world_adaptation.csv")
    assert set(shown["dataset"]) == {name for name, role in fixtures.SETS.items() if role == "adaptation"}
    assert set(pd.read_csv(world_run / "figures" / "world_pools.csv")["dataset"]) == {"pool", "web"}
    spoilt = pd.read_csv(world_run / "figures" / "world_pool_cards.csv")["Spoilt captions %"]
    assert spoilt.tolist() == pytest.approx([20, float("nan")], nan_ok=True)


@pytest.mark.slow
def test_executed_notebook_holds_no_times_and_no_temporary_paths(smoke_run):
    text = (smoke_run / "continual.ipynb").read_text()
    for word in ("papermill", "duration", "start_time", "flopwise-", "execution_time"):
        assert word not in text.replace(str(smoke_run), "")


def test_failing_cell_is_one_line_with_notebook_cell_and_error(tmp_path):
    source = tmp_path / "broken.py"
    source.write_text('# %% tags=["parameters"]\nfigures = ""\n\n# %%\nx = 1\n\n# %%\nint("seven")\n')
    with pytest.raises(RunFailure) as failure:
        notebook.execute(source, tmp_path / "out.ipynb", {"figures": "here"})
    message = str(failure.value)
    assert "\n" not in message
    assert f"{source}, cell 3" in message
    assert "ValueError: invalid literal" in message
    assert not (tmp_path / "out.ipynb").exists()


def test_unknown_parameter_names_the_allowed_ones(tmp_path):
    source = tmp_path / "plain.py"
    source.write_text('# %% tags=["parameters"]\ntables = ""\nscale: str = ""\n')
    with pytest.raises(UserError, match="no parameter 'table'; allowed are tables, scale"):
        notebook.execute(source, tmp_path / "out.ipynb", {"table": "x"})


def test_scrub_removes_addresses_and_random_ids(tmp_path):
    import nbformat

    cell = nbformat.v4.new_code_cell("x", metadata={"papermill": {"duration": 1.5}, "tags": ["kept"]})
    cell.outputs = [nbformat.v4.new_output("stream", text="<object at 0x7f00deadbeef>")]
    cleaned = notebook.scrub(nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {}}))
    assert cleaned.cells[0].id == "cell-1"
    assert cleaned.cells[0].metadata == {"tags": ["kept"]}
    assert cleaned.cells[0].outputs[0].text == "<object at 0x...>"
    assert "papermill" not in json.dumps(cleaned)


def test_kernels_of_two_notebooks_share_no_socket():
    """Without an own place, both would meet in the working directory under one name."""
    places = {notebook._manager(folder)().ip for folder in ("/tmp/a", "/tmp/b")}
    assert places == {"/tmp/a/kernel", "/tmp/b/kernel"}
