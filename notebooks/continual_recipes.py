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
from flopwise.report.continual import recipes, study

reads = {"tables": "continual.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/continual/tables"  # folder of the study's tables
figures = "results/laptop/continual/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # Schedules that look across tasks
#
# Every task can repeat the same schedule, or the schedule can know how much was already learnt. The drawings show the
# learning rate of each schedule over the first tasks, from the formulas alone; constant, cosine and inverse square
# root start afresh in each task, the others look across tasks.

# %%
show.figure(
    recipes.schedule_shapes(runs), figures, "continual_schedule_shapes",
    caption="Learning rate as a share of its peak. Upright lines are borders of tasks.",
    alt="Eight small charts of the learning rate against the update step, one per schedule. The numbers are in "
    "continual_schedule_shapes.csv.",
)  # fmt: skip

# %% [markdown]
# # What schedules do to the result
#
# Does a schedule that slows down over the stream keep more, and does it learn less?

# %%
show.figure(
    recipes.schedules(runs), figures, "continual_schedules",
    caption="Final aggregates per schedule. Bars are intervals, the dotted line the zero-shot model.",
    alt="Dot chart of the final aggregates with intervals, a row per schedule and a colour per method. The "
    "numbers are in continual_schedules.csv.",
)  # fmt: skip

# %%
show.figure(
    recipes.schedule_paths(runs), figures, "continual_schedule_paths",
    caption=r"Change of $A_\mathrm{KA}$ and $A_\mathrm{ZS}$ from the zero-shot point (open circle), a marker per "
    r"update step, a colour per schedule. Crosses are intervals, cut where they leave the panel; above the dotted line "
    r"the geometric mean is higher than that of the zero-shot model.",
    alt="Paths in the plane of accumulation gain and zero-shot change, a panel per method and a colour per schedule. "
    "The numbers are in continual_schedule_paths.csv.",
)  # fmt: skip

# %% [markdown]
# # How large the learning rate should be
#
# Which rate learns most, and which keeps most? Is there one that does both, and does merging move it?

# %%
show.figure(
    recipes.rates(runs), figures, "continual_rates",
    caption="Final change of the aggregates from zero-shot against the peak learning rate, as a multiple of the rate "
    "of all other experiments. Bars are intervals; a ✕ at the lower edge marks a rate at which every run "
    "diverged.",
    alt="Three line charts of the final change against the learning rate, a line per method. The numbers are in "
    "continual_rates.csv.",
)  # fmt: skip

# %% [markdown]
# # Which rate each method would choose
#
# One base rate serves all methods in the comparisons above. Would some of them do better with a rate of their own? Each
# gets the same trials, scored on training images that are held out for it; no test image is looked at. The trials change
# no other result; a setting may be changed because of them, because of test scores it may not.

# %%
show.figure(
    recipes.tuning(runs), figures, "continual_tuning",
    caption="Change of the aggregates on validation data from zero-shot to the end of the stream against the peak learning "
    "rate, as a multiple of the base rate. Bars are intervals; a ✕ at the lower edge marks a rate at which every run diverged.",
    alt="Three line charts of the change on validation data against the learning rate, a line per method. The numbers are "
    "in continual_tuning.csv.",
)  # fmt: skip

# %%
show.table(
    recipes.chosen(runs), figures, "continual_tuning_choice",
    caption="Learning rate with the highest GM on validation data per method, and what the base rate gives up, in "
    "percentage points.",
)  # fmt: skip

# %% [markdown]
# # What a fixed temperature does
#
# The contrastive loss divides similarities by a temperature, which is learned along with the weights. A high fixed
# temperature blurs the difference between right and wrong pairs, a low one sharpens it.

# %%
show.figure(
    recipes.temperature(runs), figures, "continual_temperature",
    caption="Final change of the aggregates from zero-shot when the temperature of the loss is learned and when it is "
    "fixed. Bars are intervals; a ✕ at the lower edge marks a temperature at which every run diverged.",
    alt="Three charts of the final change, a point with its interval for each temperature. The numbers are in "
    "continual_temperature.csv.",
)  # fmt: skip

# %% [markdown]
# # What the official code's weak spots change
#
# Reading the official code showed places where it does something else than its description, or than is usual. They are
# mended here, and each that changes results can be switched back (see the deviations). How much would they have changed?
# The recipe as released lets norms, biases and the temperature decay like weights and leaves the logit scale unbounded.

# %%
show.figure(
    recipes.defects(runs), figures, "continual_defects",
    caption="Final aggregates with each weak spot mended and, hollow, as released. FT merging trains on from merged "
    "weights, as the code does; its comment says otherwise. Bars are intervals, the dotted line the zero-shot model.",
    alt="Dot chart of the final aggregates with intervals, pairs of rows: mended and as released. The numbers are in "
    "continual_defects.csv.",
)  # fmt: skip
