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
from flopwise.report.continual import streams, study

reads = {"tables": "continual.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/continual/tables"  # folder of the study's tables
figures = "results/laptop/continual/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # The order in which classes arrive
#
# Deployment decides what a model meets first. The same classes arrive here in different orders, some of them also
# reversed. Does the order change only the path, or also where it ends? Compare the lengths of the paths with the
# distances between their ends.

# %%
show.figure(
    streams.paths(runs), figures, "continual_stream_paths",
    caption=r"Change of $A_\mathrm{KA}$ and $A_\mathrm{ZS}$ from the zero-shot point (open circle), a marker per "
    r"update step, a colour per order, dashed where the order is reversed. Crosses are intervals, cut where "
    r"they leave the panel; above the dotted line the geometric mean is higher than that of the zero-shot "
    r"model.",
    alt="Paths in the plane of accumulation gain and zero-shot change, a panel per method and a colour per order "
    "of the stream. The numbers are in continual_stream_paths.csv.",
)  # fmt: skip

# %%
show.figure(
    streams.final(runs), figures, "continual_streams",
    caption="Final aggregates per order of the stream; hollow: reversed. Bars are intervals, the dotted line the "
    "zero-shot model.",
    alt="Dot chart of the final aggregates with intervals, a row per order of the stream, reversed orders below "
    "forward ones. The numbers are in continual_streams.csv.",
)  # fmt: skip

# %% [markdown]
# # What a batch is mixed from
#
# A batch mixes samples of the pre-training pool P, of the new data D and of the buffer B of all earlier tasks. In the
# triangle a point's share of a source is its distance from the side opposite that corner. What do old and
# pre-training data contribute, and is there a best mixture?

# %%
show.figure(
    streams.mixtures(runs), figures, "continual_mixtures",
    caption="Final change of GM from zero-shot in percentage points for each mixture (purple: gain, orange: loss), a "
    "panel per method; a ✕ marks a mixture at which every run diverged.",
    alt="Triangles of mixtures with a disc per mixture, coloured by the change of GM and with the number in it. "
    "The numbers are in continual_mixtures.csv.",
)  # fmt: skip

# %%
show.figure(
    streams.mixture_paths(runs), figures, "continual_mixture_paths",
    caption=r"Change of $A_\mathrm{KA}$ and $A_\mathrm{ZS}$ from the zero-shot point (open circle), a marker per "
    r"update step, a colour per mixture. Crosses are intervals, cut where they leave the panel; above the "
    r"dotted line the geometric mean is higher than that of the zero-shot model.",
    alt="Paths in the plane of accumulation gain and zero-shot change, a panel per method and a colour per "
    "mixture. The numbers are in continual_mixture_paths.csv.",
)  # fmt: skip

# %% [markdown]
# # Which pool is replayed
#
# The data that a model was pre-trained on is not always at hand. Does another pool serve as well for replay: cleaner,
# noisier, or narrower?

# %%
show.figure(
    streams.pools(runs), figures, "continual_pools",
    caption="Final aggregates per replayed pool; initial models are pre-trained on the one called pool. Bars are "
    "intervals, the dotted line the zero-shot model.",
    alt="Dot chart of the final aggregates with intervals, a row per pool. The numbers are in "
    "continual_pools.csv.",
)  # fmt: skip

# %%
show.figure(
    streams.pool_paths(runs), figures, "continual_pool_paths",
    caption=r"Change of $A_\mathrm{KA}$ and $A_\mathrm{ZS}$ from the zero-shot point (open circle), a marker per "
    r"update step, a colour per replayed pool. Crosses are intervals, cut where they leave the panel; above the dotted line "
    r"the geometric mean is higher than that of the zero-shot model.",
    alt="Paths in the plane of accumulation gain and zero-shot change, a panel per method and a colour per replayed pool. "
    "The numbers are in continual_pool_paths.csv.",
)  # fmt: skip

# %% [markdown]
# # A task for each data set
#
# Streams are usually cut into tasks of equal numbers of classes. What if each task is one whole data set, as in most
# work on continual learning?

# %%
show.figure(
    streams.per_set(runs), figures, "continual_per_set",
    caption="Final aggregates with a task per data set, with the same order cut into equal tasks where this scale "
    "runs it, and at the setting. Bars are intervals, the dotted line the zero-shot model.",
    alt="Dot chart of the final aggregates with intervals, a row per way of cutting the stream. The numbers are "
    "in continual_per_set.csv.",
)  # fmt: skip
