"""Writing and reading files: nothing half-written, every failure one line."""

import errno
import os
import resource
import signal

import numpy as np
import pandas
import pytest
import torch
from safetensors.torch import load_file

from flopwise.core.checkpoint import StateFolder
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import atomic_path, read_json, read_table, write_json, write_rows, write_table, write_tensors
from flopwise.core.paths import expanded
from flopwise.core.seeds import derive


def test_a_full_disk_leaves_the_old_file_and_no_debris(tmp_path, monkeypatch):
    target = tmp_path / "metrics.json"
    write_json(target, {"a": 1})

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailure, match=r"cannot write .*metrics.json: No space left on device"):
        write_json(target, {"a": 2})
    assert read_json(target) == {"a": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_tensors_on_a_full_disk_are_one_line_and_no_debris(tmp_path):
    """A file-size limit stands for the full disk."""
    target, handler = tmp_path / "state.safetensors", signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    write_tensors(target, {"a": torch.ones(2)})
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(RunFailure, match=r"cannot write .*state\.safetensors: .*File too large"):
            write_tensors(target, {"a": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert load_file(target)["a"].tolist() == [1, 1]
    assert os.listdir(tmp_path) == ["state.safetensors"]


def test_an_error_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), atomic_path(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mask", [0o022, 0o007, 0o077])
def test_modes_are_those_that_open_gives(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_json(tmp_path / "x.json", {})
        write_tensors(tmp_path / "x.safetensors", {"a": torch.ones(2)})
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~mask}


def test_a_file_system_without_modes_is_no_error(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    for name in ("chmod", "fchmod", "lchmod"):
        monkeypatch.setattr(os, name, refused, raising=False)
    write_json(tmp_path / "x.json", {"a": 1})
    assert read_json(tmp_path / "x.json") == {"a": 1}


def test_names_may_be_as_long_as_the_file_system_allows(tmp_path):
    longest = "é" * 120 + "x" * 10 + ".json"  # 255 bytes
    write_json(tmp_path / longest, {"a": 1})
    assert os.listdir(tmp_path) == [longest]
    with pytest.raises(RunFailure, match=r"cannot write .*: File name too long"):
        write_json(tmp_path / f"x{longest}", {})
    assert os.listdir(tmp_path) == [longest]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailure, match=r"cannot write .*file/x.json: (Not a directory|File exists)"):
        write_json(tmp_path / "file" / "x.json", 1)


@pytest.mark.parametrize(("reader", "name", "text"), [(read_json, "x.json", '{"a": '), (read_table, "x.csv", "")])
def test_damaged_and_missing_files_are_one_line(tmp_path, reader, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(RunFailure, match=rf"{name} is damaged .*delete it and run again"):
        reader(tmp_path / name)
    with pytest.raises(RunFailure, match=r"absent is missing; `snakemake"):
        reader(tmp_path / "absent")


@pytest.mark.parametrize(
    ("reader", "name", "text"), [(read_json, "x.json", '["ä"]'), (read_table, "x.csv", "a,b\n1,ä\n")]
)
def test_results_saved_again_by_a_spreadsheet(tmp_path, reader, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    plain = str(reader(tmp_path / name))
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert str(reader(tmp_path / name)) == plain
    for encoding in ("cp1252", "utf-16"):
        (tmp_path / name).write_text(text, encoding=encoding)
        with pytest.raises(RunFailure, match=rf"{name} is not UTF-8 \(byte 0x.*: save it as UTF-8$"):
            reader(tmp_path / name)


def test_state_survives_a_kill_between_its_two_files(tmp_path, monkeypatch):
    folder = StateFolder(tmp_path / "s", "key")
    folder.save(3, {"w": torch.ones(2)}, {"losses": [1.0]})
    monkeypatch.setattr("flopwise.core.checkpoint.write_json", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        folder.save(4, {"w": torch.zeros(2)}, {"losses": [1.0, 0.5]})
    position, tensors, record = StateFolder(tmp_path / "s", "key").load()
    assert position == 3
    assert torch.equal(tensors["w"], torch.ones(2))
    assert record == {"losses": [1.0]}


def test_state_of_another_configuration_is_ignored_and_a_damaged_one_is_named(tmp_path):
    folder = StateFolder(tmp_path / "s", "key")
    folder.save(3, {"w": torch.ones(2)}, {})
    assert StateFolder(tmp_path / "s", "other").load() is None
    (tmp_path / "s" / "3.safetensors").write_bytes(b"garbage")
    with pytest.raises(RunFailure, match=r"3.safetensors is damaged"):
        folder.load()
    folder.clear()
    assert not (tmp_path / "s").exists()


def test_seeds_are_the_same_everywhere_and_differ_by_name():
    assert derive(0, "stream", "random") == 8201052300732756036
    assert len({derive(s, name) for s in range(10) for name in "abc"}) == 30


def test_rows_are_written_as_pandas_writes_their_frame(tmp_path):
    columns = ("whole", "holes", "real", "mixed", "text", "flag", "maybe", "empty", "big")
    rows = [
        {"whole": 3, "holes": 1, "real": 0.1, "mixed": 1, "text": 'a,"b"', "flag": True, "maybe": True, "big": 1e22},
        {
            "whole": 4,
            "holes": None,
            "real": float("nan"),
            "mixed": 2.5,
            "text": "",
            "flag": False,
            "maybe": None,
            "big": 1e-7,
        },
        {"whole": 5, "real": np.float64(1 / 3), "mixed": 7, "text": None, "flag": True, "big": 123456789.123},
    ]
    write_rows(tmp_path / "rows.csv", rows, columns)
    write_table(tmp_path / "frame.csv", pandas.DataFrame(rows, columns=columns))
    assert (tmp_path / "rows.csv").read_bytes() == (tmp_path / "frame.csv").read_bytes()
    write_rows(tmp_path / "none.csv", [], columns)
    assert (tmp_path / "none.csv").read_text() == ",".join(columns) + "\n"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("~/data", "/home/me/data"),
        ("$SCRATCH/x", "/scratch/x"),
        ("${SCRATCH}x", "/scratchx"),
        ("a/~/b", "a/~/b"),
        ("~", "/home/me"),
    ],
)
def test_paths_mean_what_they_mean_in_a_shell(monkeypatch, given, path):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch")
    assert expanded(given) == path


@pytest.mark.parametrize("given", ["~nobody-of-this-name/x", "$NOT_SET_ANYWHERE/x", "x/${NOT_SET_ANYWHERE}"])
def test_a_home_or_variable_that_does_not_exist_is_refused(given):
    with pytest.raises(UserError, match=r"is no user's home|is not set"):
        expanded(given)
