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
from flopwise.report.perceiver import figures as perceiver

reads = {"tables": "perceiver.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/perceiver/tables"  # folder of the study's tables
figures = "results/laptop/perceiver/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = perceiver.load(tables)

# %% [markdown]
# # One architecture, many tasks
#
# Inputs of any kind are read into a few latents, processed there, and read out by a query for each output. All arms of a task see
# the same batches, steps and rate; the baselines are those that the paper used, as far as they can be made small.

# %%
show.figure(
    perceiver.arms(runs), figures, "perceiver_arms",
    caption="Score of each arm by task; the dotted line is an answer that knows nothing.",
    alt="Dot plots of scores by arm, a panel per task. The numbers are in perceiver_arms.csv.",
)  # fmt: skip

# %%
show.table(
    perceiver.learning(runs), figures, "perceiver_above_trivial",
    caption="What stands above an answer that knows nothing, and by how much.",
)  # fmt: skip

# %%
show.table(
    perceiver.metrics(runs), figures, "perceiver_metrics",
    caption="Every metric of every arm, with forward MFLOPs of one sample and parameters. Bits per masked byte are those after "
    "the first phase of training on text; beside the commonest answer those of how often each byte occurs.",
)  # fmt: skip

# %% [markdown]
# # The paper's own models
#
# At the larger scales the checkpoints that the authors released are scored on the sets of the paper; so are the same models,
# trained from scratch on a user's copies, where a scale does that.

# %%
show.table(
    perceiver.released(runs), figures, "perceiver_released",
    caption="Released checkpoints on the user's copies of the paper's sets. The paper defines neither the peak of its PSNR nor "
    "how it averages; conv is published for 56 x 56 tokens, the released weights have 55 x 55.",
)  # fmt: skip

# %% [markdown]
# # What size costs

# %%
show.figure(
    perceiver.scaling(runs), figures, "perceiver_scaling",
    caption="FLOPs, activations kept for the backward pass and time of a training step.",
    alt="Log-log plots of three costs over inputs, outputs and depth. The numbers are in perceiver_scaling.csv.",
)  # fmt: skip

# %%
show.table(
    perceiver.exponents(runs), figures, "perceiver_exponents",
    caption="How fast costs grow over the last step of size; 1 is linear, less where what stays the same still weighs.",
)  # fmt: skip

# %%
show.table(
    perceiver.identities(runs), figures, "perceiver_identities",
    caption="What holds by construction: relative deviation for FLOPs, absolute for outputs in float32.",
)  # fmt: skip
