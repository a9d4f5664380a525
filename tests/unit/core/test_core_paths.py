"""What messages say of paths."""

from pathlib import Path

from flopwise.core.paths import making, not_below


def test_the_command_that_makes_a_file_names_its_scale_and_folder():
    assert making("results/smoke/a.csv") == "snakemake --config scale=smoke -- results/smoke/a.csv"
    assert (
        making(Path("/x/laptop/a.csv"), True) == "snakemake --force --config scale=laptop results=/x -- /x/laptop/a.csv"
    )
    assert making("elsewhere/a.csv") == "snakemake elsewhere/a.csv"


def test_a_root_that_is_not_set_is_no_folder_called_none():
    assert "config/config.yaml" in not_below("CUB", None)
    assert "None" not in not_below("CUB", None)
    assert not_below("CUB", "/x") == "no CUB/ below data_root (/x)"
