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
from flopwise.report import continual, continual_tables, show

# %% tags=["parameters"]
tables = "results/laptop/continual/tables"  # folder of trajectory, per_set, final and cells tables
data = ""  # not used here
figures = "results/laptop/continual/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
study = continual.load(tables)

# %% [markdown]
# # What each method gains and loses
#
# $A_\mathrm{KA}$ is the mean accuracy over the adaptation sets, whose classes stream in (knowledge accumulation);
# $A_\mathrm{ZS}$ is the mean over the evaluation sets, which never do (zero-shot retention). Retrieval sets enter both
# with recall at 5. $\mathrm{GM} = \sqrt{A_\mathrm{KA} \cdot A_\mathrm{ZS}}$ is their geometric mean. A path to the
# right learns; a path that falls forgets. While streaming, each test set is scored on the part that the protocol draws
# from it; final values are scores on whole test sets.

# %%
drawn = continual.trajectories(study)
show.figure(
    drawn.figure, figures, "continual_trajectories", drawn.data,
    caption=r"Change of $A_\mathrm{KA}$ and $A_\mathrm{ZS}$ from the zero-shot point (open circle), a marker per "
    "update step. Crosses at the last step and at the oracle are intervals of each coordinate, cut where they leave "
    "the panel. Above the dotted line the geometric mean is higher than that of the zero-shot model. " + drawn.note,
    alt="Paths of the methods in the plane of accumulation gain (across) and zero-shot change (up), a panel per data "
    "mixture; the numbers are in continual_trajectories.csv.",
)  # fmt: skip

# %% [markdown]
# # How it builds up over the stream

# %%
drawn = continual.over_time(study)
show.figure(
    drawn.figure, figures, "continual_over_time", drawn.data,
    caption="The three aggregates after each update step; step 0 is the zero-shot model, whose value the dotted line "
    "carries on. Bands are intervals, cut where they leave the panel. " + drawn.note,
    alt="Line charts of accumulation, zero-shot retention and their geometric mean against the update step, a line per "
    "method and a row per data mixture; the numbers are in continual_over_time.csv.",
)  # fmt: skip

# %% [markdown]
# # Where the stream ends
#
# The oracle trains once on all tasks together with the same total budget: what a model could reach that need not wait
# for its data.

# %%
drawn = continual.final(study)
show.figure(
    drawn.figure, figures, "continual_final", drawn.data,
    caption="Aggregates after the last update step, for each method and data mixture. Bars are intervals, cut "
    "where they leave the panel, hollow markers runs without replay, the dotted line the zero-shot model. "
    + drawn.note,
    alt="Dot chart of the final aggregates with intervals, a row per method and mixture; the numbers are in "
    "continual_final.csv.",
)  # fmt: skip

# %%
show.table(
    continual_tables.final_values(study), figures, "continual_final_values",
    caption="Change of the aggregates from zero-shot to the end of the stream at every point of the grid, in "
    "percentage points: mean ± half the 95 % t-interval over seeds. Diverged runs are counted and left out.",
)  # fmt: skip

# %% [markdown]
# # What else matters: order, budget, model scale

# %%
drawn = continual.effects(study)
show.figure(
    drawn.figure, figures, "continual_effects", drawn.data,
    caption="Final aggregates when one axis varies and all else stays at the setting. Dotted ticks are the zero-shot "
    "model, bars intervals, cut where they leave the panel. Methods stand side by side at each value. " + drawn.note,
    alt="Grid of nine charts: three aggregates against stream order, budget and model scale, a colour per method; the "
    "numbers are in continual_effects.csv.",
)  # fmt: skip

# %% [markdown]
# # Which data sets gain, which lose

# %%
drawn = continual.by_set(study)
show.figure(
    drawn.figure, figures, "continual_by_set", drawn.data,
    caption="Change of each data set from the zero-shot model to the end of the stream (purple: gain, orange: loss), "
    "in top-1 accuracy, or recall at 5 for retrieval. " + drawn.note,
    alt="Heat map of the change in percentage points with the number in each field, a row per data set and a column "
    "per method; the numbers are in continual_by_set.csv.",
)  # fmt: skip

# %% [markdown]
# # What the budget buys
#
# All methods get the same budget; where a step is cheaper, more of them fit. The oracle has a single task.

# %%
show.table(
    continual_tables.budgets(study), figures, "continual_budgets",
    caption="Steps per task and cost of one stream, planned before the run and measured in it, mean over seeds. "
    + continual.setting_words(study),
)  # fmt: skip
