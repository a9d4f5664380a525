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
from flopwise.report.efficiency import budgets, released, study

reads = {"tables": "efficiency.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/efficiency/tables"  # folder of the study's tables
figures = "results/laptop/efficiency/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # What an objective buys
#
# An encoder is worth what segmentation of a few labelled scenes gains from it: mIoU on held-out scenes after the whole network
# was fine-tuned, from one confusion matrix. All objectives share trunk, optimiser, batches and the FLOPs they may spend; every
# budget has a cooldown of its own, and its price is that of a run to this budget alone. Dotted: the same trunk as it is drawn.

# %%
show.figure(
    budgets.curves(runs), figures, "efficiency_curves",
    caption="Segmentation after pre-training against the FLOPs of pre-training, by objective and pool.",
    alt="Line plots of mIoU over pre-training FLOPs, a line per objective and a panel per pool. The numbers are in "
    "efficiency_curves.csv.",
)  # fmt: skip

# %%
show.figure(
    budgets.front(runs), figures, "efficiency_front",
    caption="All objectives, pools and trunks; step line: the best that so many FLOPs have bought.",
    alt="Scatter plot of mIoU over pre-training FLOPs with the Pareto front. The numbers are in efficiency_front.csv.",
)  # fmt: skip

# %%
show.table(
    budgets.best(runs),
    figures,
    "efficiency_best",
    caption="The best objective, pool and trunk at each budget that was run.",
)

# %% [markdown]
# # Encoders that others pre-trained
#
# At the larger scales released encoders stand beside our own: they are fine-tuned on a real set, and their recipes, pictures
# seen times FLOPs of one, place them on the cost axis. Nobody held their recipes alike: what differs besides objective and data
# differs here, too.

# %%
show.figure(
    released.points(runs), figures, "efficiency_released",
    caption="Segmentation of a real set after fine-tuning released encoders, against what their pre-training cost.",
    alt="Scatter plot of mIoU over pre-training FLOPs, a named point per released encoder. The numbers are in "
    "efficiency_released.csv.",
)  # fmt: skip

# %%
show.table(released.table(runs), figures, "efficiency_released_encoders", caption="Every released encoder.")

# %% [markdown]
# # Time and CO2
#
# FLOPs leave out what a machine does badly: augmentation, small products, batch norm. The second axis is time times a constant,
# as in the paper.

# %%
show.figure(
    budgets.costs(runs), figures, "efficiency_time",
    caption="Segmentation after pre-training against time and CO2-equivalents.",
    alt="Line plot of mIoU over seconds, with grams of CO2-equivalents above. The numbers are in efficiency_time.csv.",
)  # fmt: skip

# %% [markdown]
# # Beside the paper

# %%
show.figure(
    budgets.beside_published(runs), figures, "efficiency_beside_published",
    caption="Objectives minus CLIP on web pictures with alt-text, at equal cost.",
    alt="Dot plot of differences to CLIP by objective, here and in the paper. The numbers are in "
    "efficiency_beside_published.csv.",
)  # fmt: skip

# %% [markdown]
# # Which trunk

# %%
show.figure(
    budgets.sizes(runs), figures, "efficiency_sizes",
    caption="Small and large trunk over budgets, by objective.",
    alt="Line plots of mIoU over FLOPs for two trunks, a panel per objective. The numbers are in efficiency_sizes.csv.",
)  # fmt: skip

# %% [markdown]
# # Do small budgets tell what the largest gives?
#
# A saturating power law, error = a + b F^-c, is fitted to the smaller budgets of each objective and pool and asked about the
# largest one, which it has not seen. Beside it the naive guess: what the budget before gave stays.

# %%
show.figure(
    budgets.fits(runs), figures, "efficiency_fits",
    caption="The law's prediction (stroke, with its 95 % interval from drawing seeds anew), what was measured (dot) and the "
    "guess that the score of the budget before stays (cross).",
    alt="Predicted intervals and measured mIoU at the largest budget by objective and pool. The numbers are in "
    "efficiency_fits.csv.",
)  # fmt: skip

# %%
show.table(
    budgets.decisions(runs), figures, "efficiency_decisions",
    caption="How often the order of two objectives at the largest budget was told by the law, and by the order at the budget "
    "before.",
)  # fmt: skip
