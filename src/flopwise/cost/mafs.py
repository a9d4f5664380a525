"""Memory-adjusted FLOPs (MAFs) and the training steps that a budget of them buys.

    MAF per step = c * a,   a = M / M_full-ft

with c the FLOPs of a training step, M its peak device memory and M_full-ft that of full fine-tuning (arXiv 2408.14471,
cost table). The published table multiplies by a rounded to four digits; so does this module, and with the budget
F = 1.8e9 GFLOPs `steps` gives all of its 16 x 4 step counts.
"""

import math

from flopwise.core.choices import check
from flopwise.cost.names import ACCOUNTINGS

BUDGET_GFLOPS = 1.8e9
TASKS = (20, 50, 100, 200)


def multiplier(peak_memory: float, full_fine_tuning: float) -> float:
    """a, rounded to the four digits of the published table; both in the same unit."""
    return round(peak_memory / full_fine_tuning, 4)


def steps(
    budget: float,
    tasks: int,
    flops_per_step: float,
    multiplier: float,
    end_of_task_steps: int = 0,
    accounting: str = "published",
) -> int:
    """Training steps per task that `budget` buys, spread evenly over `tasks`; all FLOPs in one unit.

    end_of_task_steps: passes at the end of a task, of which each costs as much as a training step (EWC's
        Fisher pass: 98 batches of 512)

    `published` charges every step with the end-of-task passes: N = round(F / (T * a * c * (1 + e))).
    `per-task-once` pays them once per task, out of the budget first: N = floor((F/T - a*c*e) / (a*c)).
    """
    check("accounting", accounting, ACCOUNTINGS)
    step = flops_per_step * multiplier
    if accounting == "published":
        return round(budget / (tasks * step * (1 + end_of_task_steps)))
    return max(0, math.floor((budget / tasks - step * end_of_task_steps) / step))
