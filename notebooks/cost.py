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
from flopwise.report import cost, show

reads = {
    "cells": "studies.cells",
    "data": "cost.tables",
}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
cells = {"continual": "results/laptop/continual/tables/cells.csv"}  # table of runs of each study
data = "results/laptop/cost/tables"  # folder of the cost tables
figures = "results/laptop/cost/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
published = cost.load(data)
runs = cost.runs(cells)

# %% [markdown]
# # The published cost table, re-derived without a GPU
#
# FoMo-in-Flux compares update methods at equal *memory-adjusted FLOPs*: the FLOPs of a training step times its peak memory
# relative to full fine-tuning. Both are re-derived here from the model definition alone, on a device that does no
# arithmetic. The published FLOPs include what fused attention recomputes in its backward pass, and so do these. The
# published memory was read from a driver's counter; ours simulates tensors, autocast and the caching allocator.

# %%
show.figure(
    cost.methods(published["methods"]), figures, "cost_methods", published["methods"],
    caption="ViT-B/16, batch of 512, fp16 autocast, AdamW. Open circles: published; dots: re-derived, with one formula for all "
    "methods. EWC's row charges its whole Fisher pass to every step, as published.",
    alt="Dot chart with a row per method: GFLOPs per step, memory multiplier and differences in per cent, published beside "
    "re-derived; the numbers are in cost_methods.csv.",
)  # fmt: skip

# %%
show.table(
    cost.method_table(published["methods"]), figures, "cost_method_values",
    caption="The same in numbers.",
)  # fmt: skip

# %% [markdown]
# # What the budget buys
#
# $N = \mathrm{round}(F / (T \cdot \mathrm{MAF}))$ steps per task with $F = 1.8 \cdot 10^9$ GFLOPs. Charged once per task, as it
# is spent, EWC's Fisher pass leaves far more steps than in the published table.

# %%
show.table(
    cost.step_table(published["steps"]), figures, "cost_steps",
    caption="Training steps per task for streams of T tasks: re-derived / published.",
)  # fmt: skip

# %% [markdown]
# # Forward costs of published models
#
# One multiply-add counts as two FLOPs. open_clip publishes GFLOPs in this convention, timm multiply-adds.

# %%
show.table(
    cost.profile_table(published["open_clip"]), figures, "cost_open_clip",
    caption="Models of open_clip, evenly spread over its published profile.",
)  # fmt: skip

# %%
show.table(
    cost.profile_table(published["timm"]), figures, "cost_timm",
    caption="Models of timm, evenly spread over our excerpt of its published benchmark.",
)  # fmt: skip

# %%
show.table(
    cost.perceiver_table(published["perceiver"]), figures, "cost_perceiver",
    caption="Perceiver IO's published parameter and FLOP columns beside closed forms; a row holds within one per cent.",
)  # fmt: skip

# %% [markdown]
# # Six pre-training objectives

# %%
show.figure(
    cost.objectives(published["objectives"]), figures, "cost_objectives", published["objectives"],
    caption="Training cost of one image of 224 pixels under the objectives compared in arXiv 2209.15589, from closed forms.",
    alt="Dot chart of training GFLOPs per image, a row per objective and a colour per model; the numbers are in "
    "cost_objectives.csv.",
)  # fmt: skip

# %% [markdown]
# # This run: how fast one core trained
#
# A budget charges the whole forward and backward of the model for every step. What a step really executes is another
# number, counted on a batch of every training: less where the forward pass leaves out padding and positions that nothing
# reads, as on a CPU; more where a large batch is computed in parts. CPU seconds are measured.

# %%
drawn, data_drawn = cost.rates(runs)
show.figure(
    drawn, figures, "cost_rates", data_drawn,
    caption="Training rate of one core in executed FLOPs: a dot per training, an upright bar for the mean. A lower rate means "
    "more time for the same arithmetic.",
    alt="Dot chart of executed GFLOPs per CPU second, a row per model and method; the numbers are in cost_rates.csv.",
)  # fmt: skip

# %% [markdown]
# # The price of each scale

# %%
show.table(
    cost.scale_table(published["scales"]), figures, "cost_scales",
    caption="All studies of a scale before anything runs: training FLOPs, and what they take on the named device. "
    "`flopwise plan --json` states the assumed share of the peak, power, overhead and carbon intensity. Evaluation is not "
    "included.",
)  # fmt: skip
