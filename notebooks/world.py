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
from flopwise.report import captions, show, world
from flopwise.report.continual import orderings

reads = {  # parameter: what it is given; the inputs of the rule follow from it
    "tables": "continual.zero_shot", "data": "data.sets", "streams": "continual.streams", "tasks": "continual.tasks",
    "pools": "data.pool_names",
}  # fmt: skip

# %% tags=["parameters"]
tables = "results/laptop/continual/tables"  # folder of zero_shot.csv
data = "results/laptop/data"  # folder with one folder per stored data set
streams = "results/laptop/continual/streams/vit-s-8"  # folder of the default model's streams
tasks = 6  # update steps of a stream
pools = ["pool"]  # pre-training pools; initial models are trained on the one called "pool"
figures = "results/laptop/world/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
zero_shot = read_table(f"{tables}/zero_shot.csv")
sets = world.open_sets(data, zero_shot["dataset"])
replayed = world.open_pools(data, pools)
pool = replayed[pools.index("pool")]
titles = {one.card["name"]: one.card["title"] for one in sets}

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

# %%
sheet, shown = world.contact_sheet(replayed)
show.figure(
    sheet, figures, "world_pools", shown,
    caption="Pre-training pools: the first images of each kind, with their captions as they are, the spoilt ones too. "
    "Initial models are trained on the one called pool; the others can be replayed instead.",
    alt="Contact sheet of images above their captions, a block for each pool: " + ", ".join(pools) + ".",
)  # fmt: skip

# %%
show.table(
    world.pool_cards(replayed), figures, "world_pool_cards",
    caption="Cards of the pre-training pools. A spoilt caption belongs to another image or is cut, padded or misspelt; the "
    "share is that of the recipe.",
)  # fmt: skip

# %%
statistics = captions.statistics(sets, pool)
show.figure(
    captions.sizes(statistics), figures, "world_sizes", statistics,
    caption="How many classes and training images each data set has, and which share of the words of its captions does "
    "not occur in any caption of the pre-training pool. Classes of a retrieval set are groups of "
    "captions. Evaluation sets have no training images.",
    alt="Bar chart with a row per data set and three columns: classes, training images, share of caption words unknown "
    "to the pool; the numbers are in world_sizes.csv.",
)  # fmt: skip

# %%
show.table(
    captions.table(statistics), figures, "world_captions",
    caption="Captions of the pre-training pool and of each data set (its training split, or the test split where there "
    "is none): length in words, number of distinct words, share of all words that the pool never uses, and share of "
    "captions that repeat an earlier one word by word.",
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

# %% [markdown]
# # In which order classes arrive
#
# The same classes can arrive in different orders. Each ordering stands for a way of deployment, and each also exists
# reversed. Streams are cut into tasks by counting classes, so a task may hold parts of many data sets.

# %%
streamed = orderings.read(streams)
arrivals = orderings.membership(streamed, adaptation, tasks)
show.figure(
    orderings.heat_maps(arrivals, titles), figures, "world_orderings", arrivals,
    caption=f"When the {len(streamed['stream'][0])} classes of all adaptation sets arrive, with seed 0: a panel per "
    "ordering, a row per data set from the oldest release to the newest, a column per task. The darker, the more of "
    "the set's classes are in the task; numbers, where there is room, count them. Lines part release groups.",
    alt="Heat maps of data sets over tasks, one per ordering: faint everywhere in the random ordering, patches by "
    "similarity, difficulty and frequency, steps from the oldest to the newest release group in the time-incremental "
    "ordering, and a diagonal in the dataset-incremental one; the numbers are in world_orderings.csv.",
)  # fmt: skip

# %%
show.table(
    orderings.comparison(streamed), figures, "world_ordering_rules",
    caption="The orderings: their rules, how many runs of classes of the same data set each has, and how far the classes "
    "of a set lie apart: the standard deviation of their positions, mean over data sets, as a share of the stream "
    f"(evenly scattered classes: {100 / 12**0.5:.1f} %).",
)  # fmt: skip

# %%
show.table(
    orderings.agreement(streamed), figures, "world_ordering_agreement",
    caption="Kendall's tau between the positions of all classes in two orderings: 1 is the same order, −1 the reverse; "
    f"between unrelated orders it has mean 0 and standard deviation {orderings.tau_noise(len(streamed['stream'][0])):.2f}.",
)  # fmt: skip
