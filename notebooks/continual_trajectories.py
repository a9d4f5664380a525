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
from flopwise.report.continual import advice, methods, study

reads = {"tables": "continual.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/continual/tables"  # folder of the study's tables
figures = "results/laptop/continual/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # What each method gains and loses
#
# Which way of updating learns most, and which forgets least? A path starts at the model as it was before the stream;
# across is the gain on the adaptation sets, upward the change on the evaluation sets. A path to the right learns; a
# path that falls forgets. The panels group the methods by what they change: which parameters train, what is added
# beside them, what the loss punishes, or how weights are combined after each task. Full fine-tuning and EMA merging
# stand in every panel for reference.
#
# While streaming, each test set is scored on the part that the protocol draws from it; final values are scores on
# whole test sets.

# %%
show.figure(
    methods.trajectories(runs), figures, "continual_trajectories",
    caption=r"Change of $A_\mathrm{KA}$ and $A_\mathrm{ZS}$ from the zero-shot point (open circle), a marker per "
    r"update step; grey: reference methods. Crosses at the last step and at the oracle are intervals of each "
    r"coordinate, cut where they leave the panel. Above the dotted line the geometric mean is higher than that "
    r"of the zero-shot model.",
    alt="Paths of the methods in the plane of accumulation gain (across) and zero-shot change (up), a panel per "
    "group of methods. The numbers are in continual_trajectories.csv.",
)  # fmt: skip

# %% [markdown]
# # How it builds up over the stream
#
# When does a method gain, and when does it lose: at once, or a little with every task? The rows are the panels above,
# read against time.

# %%
show.figure(
    methods.over_time(runs), figures, "continual_over_time",
    caption="The three aggregates after each update step; step 0 is the zero-shot model, whose value the dotted line "
    "carries on. Bands are intervals, cut where they leave the panel; grey lines are the reference methods.",
    alt="Line charts of accumulation, zero-shot retention and their geometric mean against the update step, a "
    "line per method and a row per group of methods. The numbers are in continual_over_time.csv.",
)  # fmt: skip

# %% [markdown]
# # Where the stream ends
#
# What is left when all tasks are over? The oracle trains once on all tasks together with the same total budget: what
# a model could reach that need not wait for its data.

# %%
show.figure(
    methods.final(runs), figures, "continual_final",
    caption="Aggregates after the last update step, for each method and data mixture. Bars are intervals, cut where "
    "they leave the panel, hollow markers runs with another mixture than the setting's, the dotted line the "
    "zero-shot model.",
    alt="Dot chart of the final aggregates with intervals, a row per method and mixture. The numbers are in "
    "continual_final.csv.",
)  # fmt: skip

# %%
show.table(
    methods.final_values(runs), figures, "continual_final_values",
    caption="Change of the aggregates from zero-shot to the end of the stream for each method, in percentage points: "
    "mean ± half the 95 % t-interval over seeds. Diverged runs are counted and left out.",
)  # fmt: skip

# %% [markdown]
# # What the budget buys
#
# All methods get the same memory-adjusted FLOPs: the FLOPs of a step times its peak memory relative to full
# fine-tuning. Where a step is cheaper, more of them fit. The oracle has a single task.

# %%
show.table(
    advice.budgets(runs), figures, "continual_budgets",
    caption="Steps per task and cost of one stream at the setting, mean over seeds: planned before the run, charged for the "
    "steps that ran, and executed (a budget charges the model's whole forward; on a CPU the one that runs leaves out "
    "padding and what nothing reads). Methods that share a training with another are left out.",
)  # fmt: skip

# %% [markdown]
# # What charging EWC's extra pass with every step does
#
# EWC looks at a sample of each task's data once more when the task ends. The published table charges this pass with
# every training step, which leaves few steps; charged once per task, as it is spent, it leaves many. How much of
# EWC's result is the method, and how much the accounting?

# %%
show.figure(
    methods.ewc(runs), figures, "continual_ewc",
    caption="Final aggregates of EWC under both ways to charge its extra pass, and of full fine-tuning. Bars are "
    "intervals, the dotted line the zero-shot model.",
    alt="Dot chart of the final aggregates with intervals: full fine-tuning and EWC under two accountings. The "
    "numbers are in continual_ewc.csv.",
)  # fmt: skip

# %% [markdown]
# # Which choice matters most
#
# An update has many settings. For each axis of the grid, how far apart do its best and its worst value end when
# everything else stays at the setting? Long bars are choices worth thinking about; short ones hardly matter in the
# range that was tried. How long a bar is also depends on how wide that range is and on how many values there are.

# %%
show.figure(
    methods.effects(runs), figures, "continual_effects",
    caption="Final change of GM at every value of each axis (dots: mean over seeds) and their range (bar), the lowest "
    "and the highest value by name. Axes with the widest range stand on top.",
    alt="Range chart with a row per axis of the grid, a bar for full fine-tuning and one for EMA merging, ends "
    "named. The numbers are in continual_effects.csv.",
)  # fmt: skip

# %% [markdown]
# # Which data sets gain, which lose
#
# A mean over data sets hides much. Which sets carry the gain, and which pay for it? Rows are sorted by the mean over
# methods.

# %%
show.figure(
    methods.by_set(runs), figures, "continual_by_set",
    caption="Change of each data set from the zero-shot model to the end of the stream on whole test sets, in "
    "percentage points (purple: gain, orange: loss), in top-1 accuracy, or recall at 5 for retrieval.",
    alt="Heat map of the change in percentage points with the number in each field, a row per data set and a "
    "column per method. The numbers are in continual_by_set.csv.",
)  # fmt: skip

# %% [markdown]
# # Each data set over time
#
# In a stream cut by classes, a data set's classes arrive piece by piece. How does each set move, task by task? The
# dotted line is its zero-shot value; vertical axes differ.

# %%
show.figure(
    methods.sets_over_time(runs), figures, "continual_sets_over_time",
    caption="Accuracy on each data set after each update step, on the part of the test set that is drawn while "
    "streaming; titles of evaluation sets are slanted. Bands are intervals, cut where they leave the panel.",
    alt="Small line charts, one per data set, of accuracy against the update step for full fine-tuning and EMA "
    "merging. The numbers are in continual_sets_over_time.csv.",
)  # fmt: skip
