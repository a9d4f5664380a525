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
from flopwise.report.transfer import controls, study

reads = {"tables": "transfer.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/transfer/tables"  # folder of the study's tables
figures = "results/laptop/transfer/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # When there is nothing to learn

# %%
show.figure(
    controls.nulls(runs), figures, "transfer_nulls",
    caption="Change of the student's accuracy without a teacher, from a twin, and from teachers that know nothing of use.",
    alt="Dot plots by method and kind of teacher. The numbers are in transfer_nulls.csv.",
)  # fmt: skip

# %% [markdown]
# # Who teaches which sample

# %%
show.figure(
    controls.masks(runs), figures, "transfer_masks",
    caption="Change of the student's accuracy under other rules for which samples the teacher teaches.",
    alt="Dot plots by rule. The numbers are in transfer_masks.csv.",
)  # fmt: skip

# %%
show.table(
    controls.shares(runs),
    figures,
    "transfer_shares",
    caption="Share of samples that the teacher taught, by kind of flip of the current student.",
)

# %% [markdown]
# # Several teachers

# %%
show.figure(
    controls.several(runs), figures, "transfer_several",
    caption="Three teachers for one student, one after the other, at once, or as mean weights. Crosses: the paper's students.",
    alt="Dot plots by way of using several teachers. The numbers are in transfer_several.csv.",
)  # fmt: skip

# %%
show.figure(
    controls.ensemble(runs), figures, "transfer_ensemble",
    caption="KL+DP beside an ensemble that takes the more confident model's answer and needs both at run time.",
    alt="Scatter plot against the difference of accuracy. The numbers are in transfer_ensemble.csv.",
)  # fmt: skip

# %% [markdown]
# # Slips of the official code, views, cost

# %%
show.table(
    controls.defects(runs), figures, "transfer_defects",
    caption="Δ as described and as released: softmax taken twice in the cross-entropy, slow weights that alias the fast ones.",
)  # fmt: skip

# %%
show.table(
    controls.views(runs),
    figures,
    "transfer_views",
    caption="Δ and CPU time by kind of view: kept plain, kept seeded, fresh at every step with models asked anew.",
)

# %%
show.table(
    controls.costs(runs), figures, "transfer_costs",
    caption="GFLOPs of a transfer and rank by Δ per FLOP: without the models that teach, with them asked at every step, with "
    "kept logits whose cost is shared by all transfers that read them.",
)  # fmt: skip
