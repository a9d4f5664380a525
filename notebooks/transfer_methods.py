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
from flopwise.report.transfer import methods, study

reads = {"tables": "transfer.tables"}  # parameter: what it is given; the inputs of the rule follow from it

# %% tags=["parameters"]
tables = "results/laptop/transfer/tables"  # folder of the study's tables
figures = "results/laptop/transfer/figures"  # folder that figures and tables are written to
scale = "laptop"

# %%
runs = study.load(tables)

# %% [markdown]
# # Which method improves most students?
#
# A transfer succeeds where the student is better afterwards (Δ > 0), whoever taught it. The paper counts without a margin; the
# table adds the share of pairs in which the change is significant (McNemar's test on the test pictures).

# %%
show.figure(
    methods.success(runs), figures, "transfer_success",
    caption="Share of a student's teachers that improve it; boxes: quartiles over students. Grey: the paper's quartiles.",
    alt="Box plots of success by method, each beside the published quartiles. The numbers are in transfer_success.csv.",
)  # fmt: skip

# %%
show.table(
    methods.overall(runs),
    figures,
    "transfer_overall",
    caption="Methods over all pairs of trained models; Δ, gain and loss in points.",
)

# %%
show.table(
    methods.beside_tables(runs), figures, "transfer_tables_1_3",
    caption="The paper's tables 1 and 3 (8 students and 4 teachers on full ImageNet), by family of the student, beside this run.",
)  # fmt: skip

# %%
show.table(
    methods.tests(runs), figures, "transfer_tests",
    caption="Method against method over the pairs that both have: difference of Δ in points, interval from draws of whole "
    "students and teachers, Wilcoxon's signed-rank test.",
)  # fmt: skip

# %% [markdown]
# # What does the difference between the models do?

# %%
show.figure(
    methods.by_difference(runs), figures, "transfer_by_difference",
    caption="Change of the student's accuracy against how much better the teacher is, a point per pair (bars: paired sampling "
    "error, 95 %), means by bin as a line. Dotted: the paper's curve, which is the mean of the top quartile of each bin.",
    alt="Scatter plots by method. The numbers are in transfer_by_difference.csv.",
)  # fmt: skip

# %%
show.table(
    methods.bins(runs),
    figures,
    "transfer_bins",
    caption="Δ by difference of accuracy: mean, median, and the mean of the top quartile, as the released script plots it.",
)

# %%
show.figure(
    methods.gain_loss(runs), figures, "transfer_gain_loss",
    caption="Knowledge gained against knowledge lost, a point per pair; above the diagonal the student improved.",
    alt="Two scatter plots, plain distillation and data partitioning. The numbers are in transfer_gain_loss.csv.",
)  # fmt: skip

# %% [markdown]
# # What is transferred, and to whom?
#
# The published curve of transfer rates falls from 99 % to 35 %. The released script computes 100 − p + I_p · gain / remaining,
# which falls in the same way for a transfer that does not care for classes. The strict rate counts complementary pictures that
# became right.

# %%
show.figure(
    methods.rates(runs), figures, "transfer_rates",
    caption="Transfer rate of KL+DP by the share of the teacher's flips that the classes hold, under both definitions.",
    alt="Line chart: as plotted the rate falls steeply, so it does for a class-blind transfer; the strict rate is flat or nearly "
    "so. The numbers are in transfer_rates.csv.",
)  # fmt: skip

# %%
show.figure(
    methods.sizes(runs), figures, "transfer_sizes",
    caption="Strict transfer rate of KL+DP against the size of the student, mean over teachers.",
    alt="Scatter plot of rate against parameters by family. The numbers are in transfer_sizes.csv.",
)  # fmt: skip

# %%
show.table(
    methods.students(runs),
    figures,
    "transfer_students",
    caption="Per student and method: mean Δ / share of teachers that improve it (%).",
)

# %%
show.table(
    methods.correlations(runs), figures, "transfer_correlations",
    caption="Pearson's correlation over pairs of Δ, gain and loss with what student and teacher are. Pairs share models.",
)  # fmt: skip

# %%
show.table(
    methods.seeds(runs), figures, "transfer_seeds",
    caption="Spread of Δ over seeds, which vary the order of samples, beside the sampling error of the test pictures.",
)  # fmt: skip
