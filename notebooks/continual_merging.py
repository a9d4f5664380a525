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
from flopwise.report.continual import merging, study

reads = {"tables": "continual.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/continual/tables"  # folder of the study's tables
figures = "results/laptop/continual/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # Merging with and without replay
#
# Weights can be merged instead of, or on top of, replaying old data. EMA merging trains on from the running merge; ZS
# merging starts every task at the initial model and merges what comes out; FT merging pulls each trained model
# halfway back to the initial one; offline merging averages all trained models at once. Does merging make replay
# superfluous, or do the two add up?

# %%
show.figure(
    merging.paths(runs), figures, "continual_merging_paths",
    caption=r"Change of $A_\mathrm{KA}$ and $A_\mathrm{ZS}$ from the zero-shot point (open circle), a marker per "
    r"update step, a panel per data mixture. Crosses are intervals, cut where they leave the panel; above the "
    r"dotted line the geometric mean is higher than that of the zero-shot model.",
    alt="Paths of full fine-tuning and of the merging methods in the plane of accumulation gain and zero-shot "
    "change, a panel per mixture. The numbers are in continual_merging_paths.csv.",
)  # fmt: skip

# %% [markdown]
# # Where the next task starts, and what is deployed
#
# TIME (arXiv 2412.06712) splits merging over time into three choices: where the training of the next task starts,
# which weights are deployed, and how weights are combined. Here the first two vary and every merge is an average with
# equal shares (repeated after each task, it gives older models ever smaller ones). Full fine-tuning is the field in
# which the next task starts from the latest model and the latest model is deployed.

# %%
show.figure(
    merging.time_grid(runs), figures, "continual_time_grid",
    caption="Final change of GM from zero-shot in percentage points, ± half its 95 % t-interval where there are two "
    "or more seeds, and those of its two parts (purple: gain, orange: loss). Empty fields are not part of the "
    "grid.",
    alt="Heat map: rows are where the next task starts, columns what is deployed, each field with the changes of "
    "GM, accumulation and retention and the number of seeds. The numbers are in continual_time_grid.csv.",
)  # fmt: skip

# %% [markdown]
# # How weights are combined
#
# Many operators combine weights. Does it matter which? The last row puts their spread beside that of the choices
# above: if operators lie closer together than the marks of the last row, when to merge matters more than how.

# %%
show.figure(
    merging.operators(runs), figures, "continual_operators",
    caption="Final aggregates per merge operator. Bars are intervals, the dotted line the zero-shot model; marks in "
    "the last row are means.",
    alt="Dot chart of the final aggregates with intervals, a row per merge operator; in the last row the spread "
    "over start and deployment. The numbers are in continual_operators.csv.",
)  # fmt: skip

# %% [markdown]
# # How much of the newest model
#
# A merge of two models is an average; its share of the newest one is half in all other experiments. With a share of
# 1 nothing is merged. Where between the two ends lies the best balance?

# %%
show.figure(
    merging.shares(runs), figures, "continual_shares",
    caption="Final change of the aggregates from zero-shot against the share of the newest model. Bars are intervals.",
    alt="Three line charts of the final change against the share of the newest model, a line per method. The numbers "
    "are in continual_shares.csv.",
)  # fmt: skip

# %% [markdown]
# # Old or recent models
#
# When all trained models are averaged at the end, should recent ones count more? The share of the model of task i
# grows as the name says; the reversed ones favour early tasks.

# %%
show.figure(
    merging.weightings(runs), figures, "continual_weightings",
    caption="Final aggregates of offline merging per weighting. Bars are intervals, the dotted line the zero-shot "
    "model.",
    alt="Dot chart of the final aggregates with intervals, a row per weighting. The numbers are in "
    "continual_weightings.csv.",
)  # fmt: skip
