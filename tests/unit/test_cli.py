"""The command line turns every mistake into one line and an exit status."""

import sys

import pytest

from flopwise import cli


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["flopwise", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code or 0, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("data verify sintel", "Missing option '--root'; `flopwise data verify --help` lists"),
        ("data verify sintel --root", "Option '--root' requires an argument"),
        ("data verify --nope", "No such option: --nope"),
        ("data", "Usage: "),
        ("plam", "No such command 'plam'"),
        ("--threads x plan", "Invalid value for '--threads'"),
        ("weights list --study bogus", "--study is 'bogus'; allowed are continual, transfer, efficiency, perceiver"),
        ("data describe CIFAR100", "did you mean cifar100, "),
        ("--scale smoke data describe Digits", "did you mean digits"),
        ("data describe zzzz", "`flopwise data list`"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(run, arguments, said):
    status, out, error = run(*arguments.split())
    assert (status, out) == (2, "")
    assert said in error
    assert error.count("\n") == 1 or said == "Usage: "  # a command without anything prints its help


def test_what_is_right_has_status_0(run):
    assert run("--help")[0] == 0
    assert run("weights", "list", "--study", "perceiver")[1].count("\n") == 6
    status, out, error = run("data", "describe", "sintel")
    assert (status, error) == (0, "")
    assert "licence: not sourced\n" in out
    assert "licence: CC0\n" in run("data", "describe", "plantvillage")[1]
