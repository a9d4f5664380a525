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
from flopwise.report.continual import inside, study

reads = {"tables": "continual.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/continual/tables"  # folder of the study's tables
figures = "results/laptop/continual/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # Inside a task
#
# Scores after each task hide what happens within it. A model may lose much right after a task starts and recover
# before it ends: the stability gap. Dips between two upright lines are such gaps.

# %%
show.figure(
    inside.stability(runs), figures, "continual_stability",
    caption="The aggregates against the optimiser step. Small markers: the weights in training; large ones: what is "
    "deployed after a task, which differs from the trained weights where weights are merged. Upright lines "
    "are borders of tasks.",
    alt="Three line charts of the aggregates against the optimiser step with borders of tasks marked, a line per "
    "method. The numbers are in continual_stability.csv.",
)  # fmt: skip

# %% [markdown]
# # What is forgotten of each chunk
#
# Each row is a moment, each column the classes of one task. Read a column downward: it rises when its classes are
# learnt, and falls where they are forgotten. Fields above the diagonal are classes that have not been seen yet.

# %%
show.figure(
    inside.forgetting(runs), figures, "continual_forgetting",
    caption="Top-1 accuracy on the classes of each chunk after each task, in percent; retrieval sets have no classes "
    "and do not enter. Striped: not seen yet.",
    alt="Heat maps of accuracy, a row per task and a column per chunk, a panel per method and mixture; fields not "
    "seen yet are striped. The numbers are in continual_forgetting.csv.",
)  # fmt: skip

# %% [markdown]
# # Training losses
#
# Is a method short of capacity, or of steps? A loss that still falls at the end of each task speaks for too few
# steps; one that stays high for too little capacity. Penalties of regularisers count as part of the loss.

# %%
show.figure(
    inside.losses(runs), figures, "continual_losses",
    caption="Training loss over the stream, averaged over stretches of equal length; grey: reference methods, upright "
    "lines: borders of tasks. Bands are intervals.",
    alt="Line charts of the training loss against the progress through the stream, a panel per group of methods. "
    "The numbers are in continual_losses.csv.",
)  # fmt: skip
