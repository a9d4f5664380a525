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
from flopwise.report.transfer import complementary, study

reads = {"tables": "transfer.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/transfer/tables"  # folder of the study's tables
figures = "results/laptop/transfer/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # What one model knows and another does not
#
# Of two models trained on the same data, one has pictures right that the other has wrong: its complementary knowledge
# $\rho_\mathrm{pos}$, as a share of all test pictures. Part of it is chance: a model differs from one of the same recipe with
# another seed too. Both floors are drawn.

# %%
show.figure(
    complementary.by_difference(runs), figures, "transfer_complementary",
    caption="Complementary knowledge of every ordered pair against how much better the teacher is. Bars: sampling error of the "
    "test pictures (95 %).",
    alt="Scatter plot: the share of pictures that only the teacher has right rises with the difference of accuracy and is never "
    "near zero. The numbers are in transfer_complementary.csv.",
)  # fmt: skip

# %%
show.table(
    complementary.summary(runs),
    figures,
    "transfer_pairs",
    caption="Complementary knowledge by kind of pair, in % of the test pictures.",
)

# %% [markdown]
# # Where it lies
#
# Is what the teacher adds spread evenly, or does it gather in some classes, its areas of expertise?

# %%
show.figure(
    complementary.examples(runs), figures, "transfer_class_shares",
    caption="Share of each class's test pictures that only the teacher has right, for the weakest, an equally good and the "
    "strongest teacher.",
    alt="Three bar charts of sorted shares by class. The numbers are in transfer_class_shares.csv.",
)  # fmt: skip

# %%
show.figure(
    complementary.entropy(runs), figures, "transfer_entropy",
    caption="Entropy of the spread of positive flips over classes against their number; the dashed line is a uniform spread.",
    alt="Scatter plot of entropy against complementary knowledge. The numbers are in transfer_entropy.csv.",
)  # fmt: skip

# %%
show.figure(
    complementary.similarity(runs), figures, "transfer_similarity",
    caption="How alike the classes are that hold most of the flips: mean cosine of their attributes, relative to all classes. "
    "Small sets of random classes are the null.",
    alt="Line chart of the similarity of top classes against the share of flips that they hold. The numbers are in "
    "transfer_similarity.csv.",
)  # fmt: skip

# %% [markdown]
# # The zoo

# %%
show.table(
    complementary.zoo(runs), figures, "transfer_zoo",
    caption="The models: network, what they were trained on and how, accuracy on test pictures and on training pictures.",
)  # fmt: skip
