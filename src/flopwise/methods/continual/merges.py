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


def _cell(init: str, deploy: str) -> Method:
    return Method(prepare, init, deploy, unroll_from_initial=False)


METHODS = {
    "ema-merge": Method(prepare, "unrolled", "unrolled"),
    "zs-merge": Method(prepare, "initial", "unrolled"),
    "ft-merge": Method(prepare, "with-initial", "with-initial"),
    "ft-merge-latest": Method(prepare, "latest", "with-initial"),
    "offline-merge": Method(prepare, "initial", "all"),
    "all-all": _cell("all", "all"),
    "all-latest": _cell("all", "latest"),
    "all-unrolled": _cell("all", "unrolled"),
    "latest-all": _cell("latest", "all"),
    "latest-unrolled": _cell("latest", "unrolled"),
    "unrolled-all": _cell("unrolled", "all"),
    "unrolled-latest": _cell("unrolled", "latest"),
    "initial-unrolled": _cell("initial", "unrolled"),
    "initial-latest": _cell("initial", "latest"),
}
