"""The regime of the study: how long a transfer is, how much of the data it sees, how good and how different the models are;
the paper's values beside this scale's."""

from typing import TYPE_CHECKING

from flopwise.config import Settings
from flopwise.studies.regime import NOT_SOURCED, Quantity
from flopwise.studies.transfer.complementary import kinds
from flopwise.studies.transfer.plan import Grid
from flopwise.studies.transfer.price import sizes

if TYPE_CHECKING:
    import pandas

CODE = "official code: 20 epochs on 128,117 of 1,281,167 pictures, 1000 classes"
SLOW = "official code: tau 0.9999, N = 2 at batch 256, so 5,000 updates in a transfer"
MODELS = "table of models (project page): accuracies on ImageNet"
PASSES, SHARE = "passes over the transfer set", "share of the training data transferred on, %"
PLANNED = (
    PASSES, SHARE, "transfer pictures per class", "optimiser steps of a transfer",
    "how far slow weights go towards fast ones, %", "students", "teachers of a student",
)  # fmt: skip


def planned(settings: Settings) -> list[Quantity]:
    """What is known before anything runs, at the default amount."""
    study, (train, _, classes) = settings.preset.transfer, sizes(settings)
    amount, cells = study.amounts[study.defaults.amount], Grid(study).cells.values()
    pictures = round(amount.share * train)
    default = study.defaults
    headline = [
        cell for cell in cells
        if (cell.method, cell.amount) == (default.method, default.amount)
        and kinds(study, cell.teacher, cell.student)["among"] == "trained"
    ]  # fmt: skip
    teachers = max(
        (len({c.teacher for c in headline if c.student == s}) for s in {c.student for c in headline}), default=0
    )
    here = (
        amount.epochs, 100 * amount.share, pictures / classes, amount.epochs * (pictures // study.batch_size),
        100 * study.slow_share, len({cell.student for cell in headline}), teachers,
    )  # fmt: skip
    paper = (20, 10, 128.117, None, 100 * (1 - 0.9999**5000), 20, 20)
    sources = (CODE, CODE, CODE, NOT_SOURCED, SLOW, MODELS, MODELS)
    return [
        Quantity(name, value, source, own)
        for name, value, source, own in zip(PLANNED, paper, sources, map(float, here))
    ]


def measured(settings: Settings, zoo: "pandas.DataFrame", final: "pandas.DataFrame") -> list[Quantity]:
    """What only a run can know. Accuracies count from chance (0) to 100."""
    students = {cell.student for cell in Grid(settings.preset.transfer).cells.values()}
    good = zoo[zoo["model"].isin(students)]["normalised"]
    delta = final[(final["metric"] == "difference") & (final["among"] == "trained")]["value"]
    return [
        Quantity("median accuracy of students, % of the way from chance", 80.58, MODELS, float(good.median())),
        Quantity("teacher minus student, smallest, points", -12.93, MODELS, float(delta.min())),
        Quantity("teacher minus student, largest, points", 14.57, MODELS, float(delta.max())),
    ]  # fmt: skip
