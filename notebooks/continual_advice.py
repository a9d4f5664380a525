# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %%
from flopwise.report import show
from flopwise.report.continual import advice, study

reads = {"tables": "continual.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/continual/tables"  # folder of the study's tables
figures = "results/laptop/continual/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # Which method at which budget
#
# $A_\mathrm{KA}$ is the mean accuracy over the adaptation sets, whose classes stream in (knowledge accumulation);
# $A_\mathrm{ZS}$ is the mean over the evaluation sets, which never do (zero-shot retention). Retrieval sets enter
# both with recall at 5. $\mathrm{GM} = \sqrt{A_\mathrm{KA} \cdot A_\mathrm{ZS}}$ is their geometric mean.
#
# The table answers a practitioner's question: with this much compute for keeping this model current, which way of
# updating ends with the best balance of new and old knowledge? It lists every budget at which two or more methods
# were run. A lead is resolved where its interval, paired over the seeds that both methods have, leaves out zero. The
# best of many methods is partly the luckiest, and no interval here is corrected for that: the more methods were
# compared, the larger a lead should be before it is trusted.

# %%
show.table(
    advice.best(runs), figures, "continual_advice",
    caption="A row per model and budget: allowance of one stream in memory-adjusted FLOPs (MAFs), or in FLOPs where "
    "steps are held equal; FLOPs charged and processor time of training of the best method by GM; "
    "number of methods compared, and the best ones with their final value in percent ± half the 95 % "
    "t-interval over seeds. Lead: GM of the best minus the runner-up.",
)  # fmt: skip

# %% [markdown]
# # Did all methods get the same?
#
# A comparison at equal compute stands and falls with the compute being equal. For every training the table shows the
# allowance, the cost planned before the run, the charge for the steps that ran, and the FLOPs that these steps executed.
# Unless the published rounding is asked for, a stream never costs more than its budget, and what remains would not have
# paid for another step. Where the published accounting is used, EWC's extra pass is charged with every step, as in the
# paper's table; where steps are held equal, the allowance is what these steps cost.

# %%
show.table(
    advice.audit(runs), figures, "continual_audit",
    caption="Planned and charged cost of a stream against its allowance, a row per training method, model, budget "
    "and number of tasks; the unit is that in which the budget is held equal, in units of 10⁹. Share: the "
    "smallest share of the allowance that a finished training used, under the budget's own accounting. Executed: mean, "
    "counted on a batch of each training. Steps short: how many more steps the rest would have paid for.",
)  # fmt: skip

# %% [markdown]
# # Every point of the grid
#
# All final results of this study in one table, for looking up what no figure shows. Axes that this scale does not
# vary have no column.

# %%
show.table(
    advice.every_point(runs), figures, "continual_every_point",
    caption="Change of the aggregates from zero-shot to the end of the stream at every point of the grid, in "
    "percentage points: mean ± half the 95 % t-interval over seeds. Diverged runs are counted and left out.",
)  # fmt: skip
