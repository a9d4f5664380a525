"""Methods that train like full fine-tuning and merge weights: where a task starts x what is deployed after it.

With f the merge operator of the cell (axis `merge`; interpolation with w = 0.5 unless given), theta_t the weights
trained on task t and theta_0 the initial ones:
  unrolled      m_t = f([theta_t, m_{t-1}], theta_0); m_0 = theta_0 in the methods with a name of their own, m_1 = theta_1
                in the cells of the grid
  all           f([theta_1, ..., theta_t], theta_0); theta_1 itself after the first task
  with-initial  f([theta_t, theta_0], theta_0)
  latest        theta_t
  initial       theta_0

EMA-merge with interpolation is m_t = w theta_t + (1 - w) m_{t-1}; with w = 1 it is full fine-tuning. FT-merge trains on
from the merged weights, as the official code does; `ft-merge-latest` keeps an unmerged line of training, as the official
code's comment says. `<init>-<deploy>` are the cells of the grid that the official code calls double merging, and its
missing corner `initial-latest`. Source: official code of FoMo-in-Flux (arXiv 2408.14471)."""

from flopwise.methods.continual import Method
from flopwise.methods.continual.full_ft import prepare


def _merge(label: str, init: str, deploy: str, **facts) -> Method:
    return Method(prepare, init, deploy, label=label, group="merging", **facts)


METHODS = {
    "ema-merge": _merge("EMA merge", "unrolled", "unrolled"),
    "zs-merge": _merge("ZS merge", "initial", "unrolled"),
    "ft-merge": _merge("FT merge", "with-initial", "with-initial"),
    "ft-merge-latest": _merge("FT merge, deployed only", "latest", "with-initial"),
    "offline-merge": _merge("offline merge", "initial", "all"),
}
GRID = ("all-all", "all-latest", "all-unrolled", "latest-all", "latest-unrolled", "unrolled-all", "unrolled-latest",
        "initial-unrolled", "initial-latest")  # fmt: skip
for name in GRID:
    start, deploy = name.split("-")
    METHODS[name] = Method(prepare, start, deploy, unroll_from_initial=False, label=f"start {start}, deploy {deploy}")
