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
from flopwise.report.efficiency import pools, study

reads = {"tables": "efficiency.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/efficiency/tables"  # folder of the study's tables
figures = "results/laptop/efficiency/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # Which pool for which objective
#
# Five pools are ordered in size and in curation as the paper's are; two controls tell size from quality.

# %%
show.figure(
    pools.matrix(runs), figures, "efficiency_pools",
    caption="Gain over the random encoder by objective and pool, at equal FLOPs.",
    alt="Heat map of the gain in mIoU by objective and pool. The numbers are in efficiency_pools.csv.",
)  # fmt: skip

# %%
show.table(
    pools.beside_table(runs), figures, "efficiency_pools_published",
    caption="Pools against the curated one, here and in the paper's table (whose columns are not all of one length).",
)  # fmt: skip

# %% [markdown]
# # What encoders have become

# %%
show.figure(
    pools.collapse(runs), figures, "efficiency_collapse",
    caption="Effective rank of the mean-pooled embedding of pictures of the pool beside the gain over a random encoder.",
    alt="Scatter plot of gain over effective rank, coloured by objective. The numbers are in efficiency_collapse.csv.",
)  # fmt: skip

# %% [markdown]
# # What a step costs

# %%
show.table(
    pools.speed(runs), figures, "efficiency_speed",
    caption="FLOPs of one image, forward and backward, teachers included, and how fast a core of this machine trains.",
)  # fmt: skip

# %%
show.table(
    pools.all_cells(runs), figures, "efficiency_every_point",
    caption="Every point: mIoU in percent, of things and stuff, with the encoder frozen, and the gain over a random encoder; "
    "means over seeds.",
)  # fmt: skip
