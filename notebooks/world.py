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
from flopwise.core.io import read_table
from flopwise.report import show, world

# %% tags=["parameters"]
tables = "results/laptop/continual/tables"  # folder of zero_shot.csv
data = "results/laptop/data"  # folder with one folder per stored data set
figures = "results/laptop/world/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
zero_shot = read_table(f"{tables}/zero_shot.csv")
sets = world.open_sets(data, zero_shot["dataset"])

# %% [markdown]
# # What the models see
#
# Adaptation sets stream in, class by class. Evaluation sets are never trained on during the stream; they measure what
# an update destroys. Every picture here comes from a test split.

# %%
adaptation = [one for one in sets if one.card["role"] == "adaptation"]
sheet, shown = world.contact_sheet(adaptation)
show.figure(
    sheet, figures, "world_adaptation", shown,
    caption="Adaptation sets: up to ten classes of each, with some of their test images. For retrieval sets the text "
    "below an image is its caption.",
    alt="Contact sheet of test images with class names: " + ", ".join(one.card["title"] for one in adaptation) + ".",
)  # fmt: skip

# %%
evaluation = [one for one in sets if one.card["role"] != "adaptation"]
sheet, shown = world.contact_sheet(evaluation)
show.figure(
    sheet, figures, "world_evaluation", shown,
    caption="Evaluation sets, in the same way.",
    alt="Contact sheet of test images with class names: " + ", ".join(one.card["title"] for one in evaluation) + ".",
)  # fmt: skip

# %%
show.table(
    world.cards(sets), figures, "world_cards",
    caption="Data cards: where each set comes from, how large it is, and how its test split is kept apart.",
)  # fmt: skip

# %% [markdown]
# # What the models know before the first update
#
# A model that already solves an adaptation set has nothing to learn from it, and one at chance level on an evaluation
# set has nothing to lose.

# %%
show.figure(
    world.zero_shot(zero_shot), figures, "world_zero_shot", zero_shot,
    caption="Zero-shot accuracy of the initial models on each data set: top-1, or recall at 5 for retrieval. Bars are "
    "95 % intervals over test samples, the upright tick is chance level.",
    alt="Dot chart of zero-shot accuracy with intervals beside chance level, a row per data set and a colour per "
    "model; the numbers are in world_zero_shot.csv.",
)  # fmt: skip

# %%
show.table(
    world.zero_shot_table(zero_shot), figures, "world_zero_shot_values",
    caption="Zero-shot accuracy and chance level per data set and model.",
)  # fmt: skip
