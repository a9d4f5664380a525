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
from flopwise.report import materials, motion, show

reads = {"data": "data.materials", "names": "data.material_names"}  # parameter: what it is given; inputs follow from it

# %% tags=["parameters"]
data = "results/laptop/data"  # folder with one folder per stored material
names = ["segmentation"]  # materials of the scale
figures = "results/laptop/materials/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
stored = materials.open_all(data, names)

# %% [markdown]
# # Images to pre-train on, and scenes to be tested on
#
# The pools differ as the real ones do: in how many things a picture shows and where, in how much of a pool is junk, and
# in how many labels and captions are wrong. A smaller pool is the beginning of a larger one; headings give the sizes of
# the pools that a study cuts from each.

# %%
drawn, shown = materials.pools(stored)
show.figure(
    drawn, figures, "materials_pools", shown,
    caption="The first images of each pre-training pool with their captions. For pools without labels the caption is the "
    "only supervision; elsewhere it is made from the label, wrong labels included.",
    alt="Contact sheet: a row of ten small images with captions for each pre-training pool.",
)  # fmt: skip

# %%
drawn, shown = materials.masks(stored)
show.figure(
    drawn, figures, "materials_masks", shown,
    caption="Scenes of the validation split above the class of every pixel. A pixel that an edge runs through belongs to "
    "two classes and is ignored.",
    alt="Ten scenes of coloured shapes on textured grounds, each above its mask in the colours of the classes.",
)  # fmt: skip

# %% [markdown]
# # Labelled images of the transfer and Perceiver IO studies
#
# In the first set four cues point to the class: silhouette, texture inside it, hue and place. Each fails now and then,
# for some classes more often than for others, so that models with other habits get other images right.

# %%
drawn, shown = materials.classes(stored)
show.figure(
    drawn, figures, "materials_classes", shown,
    caption="Test images of up to ten classes of each set. The background's colour carries no information.",
    alt="Contact sheet: three test images for each of ten classes per data set.",
)  # fmt: skip

# %% [markdown]
# # Motion, sound and battles
#
# Both frames of a pair are looked up in the same textures, so the flow is exact, and so is what gets hidden.

# %%
drawn, shown = motion.flow(stored)
show.figure(
    drawn, figures, "materials_flow", shown,
    caption="Two test pairs of each family: the frames, the flow from the first to the second (hue is the direction, as "
    "on the wheel; saturation the length), and where a place is hidden in the second frame or its flow is not known.",
    alt="Rows of image pairs with their optical flow in the colours of a wheel and a map of hidden and unknown pixels.",
)  # fmt: skip

# %%
drawn, shown = motion.clips(stored)
show.figure(
    drawn, figures, "materials_clips", shown,
    caption="A test clip of each class. Loudness follows the object from left to right, a square sounds a third harmonic, "
    "and the class is the direction together with the pitch: neither picture nor sound is enough.",
    alt="Rows of four frames of a moving shape, the waveform of its sound, and its spectrogram.",
)  # fmt: skip

# %%
drawn, shown = motion.battles(stored)
show.figure(
    drawn, figures, "materials_battles", shown,
    caption="One test game of two equal armies, early, halfway and at its last tick. Size is hit points, strength of "
    "colour the share that is left. The ring marks the enemy that the expert attacks next: what a model has to name.",
    alt="Three maps of units of two sides; units become fewer, and one enemy in each map is ringed.",
)  # fmt: skip

# %% [markdown]
# # Text
#
# The English is Python's own documentation, as installed here; another Python version gives another text, so numbers
# from different versions must not be compared. The card keeps the version and a hash of what was read.

# %%
show.table(
    materials.texts(stored), figures, "materials_texts",
    caption="Passages of the text, and test samples of every task with their labels.",
)  # fmt: skip

# %%
show.table(
    materials.cards(stored), figures, "materials_cards",
    caption="Data cards: what each material stands for, its samples, what can be reached without learning, how its "
    "splits are kept apart, source and licence.",
)  # fmt: skip
