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
from flopwise.report.continual import scaling, study

reads = {"tables": "continual.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/continual/tables"  # folder of the study's tables
figures = "results/laptop/continual/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # How much is there to learn?
#
# Before methods are compared: what does training on all data at once gain, and how much of that does plain fine-tuning
# reach as the data stream in? Where both lines are flat near the dotted ones, models of this scale do not learn.

# %%
show.figure(
    scaling.response(runs), figures, "continual_response",
    caption=r"$A_\mathrm{KA}$ after the stream against the budget as a multiple of F, for training on all data at once and for "
    "full fine-tuning. Dotted: the initial model, and what guessing would score. Bars are intervals.",
    alt="A line chart of accuracy on the adaptation sets against the budget, for the oracle and full fine-tuning, with the "
    "levels of the initial model and of chance. The numbers are in continual_response.csv.",
)  # fmt: skip

# %% [markdown]
# # Larger models
#
# Do larger models learn more and forget less? At equal memory-adjusted FLOPs a larger model takes fewer steps; at
# equal steps it costs more. Which of the two the paper held equal is not sourced, so both are shown. Models start
# from different zero-shot values: the figure shows changes.

# %%
show.figure(
    scaling.models(runs), figures, "continual_models",
    caption="Final change of the aggregates from zero-shot against the model's size, small to large by the cost of a "
    "step. Bars are intervals.",
    alt="Line charts of the final change against the model scale, a line per method, for equal compute and for "
    "equal steps. The numbers are in continual_models.csv.",
)  # fmt: skip

# %% [markdown]
# # More compute
#
# What does a larger budget buy: more learnt, or more forgotten? Does it matter whether weights are merged?

# %%
show.figure(
    scaling.compute(runs), figures, "continual_compute",
    caption="Final change of the aggregates from zero-shot against the budget as a multiple of F. Bars are intervals.",
    alt="Three line charts of the final change against the budget, a line per method. The numbers are in "
    "continual_compute.csv.",
)  # fmt: skip

# %% [markdown]
# # More and smaller updates
#
# The same data and the same budget can be spread over few large updates or many small ones. Which methods suffer when
# models are updated more often?

# %%
show.figure(
    scaling.horizons(runs), figures, "continual_horizons",
    caption="Final change of the aggregates from zero-shot against the number of tasks that the stream is cut into. "
    "Bars are intervals.",
    alt="Three line charts of the final change against the number of tasks, a line per method. The numbers are in "
    "continual_horizons.csv.",
)  # fmt: skip

# %%
show.figure(
    scaling.horizon_paths(runs), figures, "continual_horizon_paths",
    caption=r"Change of $A_\mathrm{KA}$ and $A_\mathrm{ZS}$ from the zero-shot point (open circle), a marker per "
    r"update step, a panel per number of tasks. Crosses are intervals, cut where they leave the panel; above "
    r"the dotted line the geometric mean is higher than that of the zero-shot model.",
    alt="Paths of the methods in the plane of accumulation gain and zero-shot change, a panel per number of "
    "tasks. The numbers are in continual_horizon_paths.csv.",
)  # fmt: skip

# %% [markdown]
# # Schedules over longer streams
#
# If looking across tasks helps, does it help more when there are more tasks to look across?

# %%
show.figure(
    scaling.schedules_by_horizon(runs), figures, "continual_schedules_horizons",
    caption="Final change of the aggregates from zero-shot against the number of tasks, a line per schedule. Bars are "
    "intervals.",
    alt="Three line charts of the final change against the number of tasks, a line per schedule. The numbers are "
    "in continual_schedules_horizons.csv.",
)  # fmt: skip
