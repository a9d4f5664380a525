# %%
from flopwise.core.io import read_table
from flopwise.report import show

reads = {"tables": "toy.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/smoke/toy/tables"  # folder of the study's tables
figures = "results/smoke/toy/figures"  # folder that figures and tables are written to
scale = "smoke"

# %% [markdown]
# # Means

# %%
show.table(
    read_table(f"{tables}/final.csv")[["size", "seed", "value"]], figures, "toy_means",
    caption="Mean of every sample.",
)  # fmt: skip
