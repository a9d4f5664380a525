"""Configuration of the toy study: means of random numbers, over sample sizes."""

from flopwise.config.data import DataConfig
from flopwise.config.fields import Slug, Strict, StudyPreset, setting
from flopwise.config.grids import Runs, models


class Axes(Strict):
    """One point of the grid."""

    size: Slug = setting(..., "sample size, a key of `sizes`", "our choice")


Grid, Choice, Experiment = models(Axes, Runs)


class ToyExperiments(Strict):
    """config/experiments/toy.yaml"""

    experiments: dict[Slug, Experiment] = setting(..., "the grids by name", "our choice")


class ToyPreset(StudyPreset):
    """config/scales/<scale>/toy.yaml"""

    defaults: Axes = setting(..., "the point that every experiment varies", "our choice")
    sizes: dict[Slug, int] = setting(..., "sample sizes by name", "our choice")
    experiments: dict[Slug, Choice] = setting(..., "the experiments that run here", "our choice")


class ToyConfig(ToyPreset):
    """The toy study at one scale."""

    experiments: dict[Slug, Experiment] = setting(..., "experiments by name", "our choice")

    def check(self, data: DataConfig) -> None:
        """It needs no data."""


PRESET, CONFIG, EXPERIMENTS = ToyPreset, ToyConfig, ToyExperiments
