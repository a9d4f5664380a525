"""Where models run: precision on a CPU, loss scaling, and GPUs handed out one process at a time."""

import subprocess
import sys

import pytest
import torch

from flopwise.core.device import Placement, place, take, visible
from flopwise.core.errors import UserError
from flopwise.core.loop import adamw, update

HOLD = """
import pathlib, sys
from flopwise.core.device import take
print(take(["0", "1"], pathlib.Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def holder(folder) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdin=-1, stdout=-1, text=True)


def test_two_processes_get_two_gpus_and_a_killed_one_gives_its_own_back(tmp_path):
    folder = tmp_path / "locks"
    first, second = holder(folder), None
    try:
        assert first.stdout.readline() == "0\n"
        second = holder(folder)
        assert second.stdout.readline() == "1\n"
        assert take(["0", "1"], folder, wait=False) is None
        first.kill()
        first.wait()
        assert take(["0", "1"], folder, wait=False) == 0
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.wait()


def test_names_are_those_of_the_environment():
    assert visible(2, "GPU-a, GPU-b") == ["GPU-a", "GPU-b"]
    assert visible(2, None) == ["0", "1"]
    assert visible(1, "3") == ["3"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_cpu_computes_in_float32_or_bfloat16():
    assert place("auto", "fp16") == Placement("cpu", "fp32")
    assert place("cpu", "bf16").precision == "bf16"
    with pytest.raises(UserError, match="torch finds no GPU"):
        place("cuda", "fp32")


def test_matrix_products_have_the_precision_and_weights_do_not():
    layer = torch.nn.Linear(4, 4)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        placement = Placement("cpu", precision)
        with placement.autocast():
            assert layer(torch.ones(2, 4)).dtype == dtype
        assert placement.scaler() is None
    assert layer.weight.dtype == torch.float32


def trained(scaler, weights):
    """(weights after six steps, steps at which `before_update` was called)."""
    parameter, seen = torch.nn.Parameter(weights.clone()), []
    optimiser = adamw([parameter], 0.1, 0.0)
    for step in range(6):
        loss, called = (parameter - step).square().mean(), lambda rate, step=step: seen.append(step)
        update(loss, optimiser, 0.1, clip_norm=1.0, scaler=scaler, before_update=called)
    return parameter.detach(), seen


def test_loss_scaling_changes_no_update_and_leaves_out_those_that_overflow():
    weights = torch.randn(5, generator=torch.Generator().manual_seed(0))
    plain, _ = trained(None, weights)
    scaled, seen = trained(torch.amp.GradScaler("cpu"), weights)
    torch.testing.assert_close(scaled, plain)
    assert seen == list(range(6))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)  # the scaled loss of later steps is infinite
    _, seen = trained(scaler, weights)
    assert seen != list(range(6))
    assert scaler.get_scale() == 2.0 ** (127 - (6 - len(seen))), "halved at every overflow"
