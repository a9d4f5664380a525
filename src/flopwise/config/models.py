"""The typed configuration: what a user may set, and what a scale preset holds."""

import re
from typing import Literal

from pydantic import field_validator, model_validator

from flopwise.config.continual import ContinualConfig
from flopwise.config.data import DataConfig
from flopwise.config.fields import Strict, setting

SCALES = ("smoke", "laptop", "evening", "workstation", "paper")


class CostConfig(Strict):
    """How a scale is priced, and how much of the published figures is checked."""

    device: str = setting("laptop-2-cores", "device that prices are for, one of flopwise.cost.devices", "our choice")
    utilisation: float = setting(0.4, "share of the device's peak that training reaches", "our choice", gt=0, le=1)
    checked_models: int = setting(
        12, "models per library whose published profile is checked", "our choice", ge=1, le=75
    )

    priced_scales: tuple[Literal[SCALES], ...] = setting(
        SCALES, "scales that the report prices; the larger ones take a minute to count", "our choice"
    )

    @field_validator("device")
    @classmethod
    def _known(cls, device):
        from flopwise.cost.devices import DEVICES

        if device not in DEVICES:
            raise ValueError(f"device {device!r} is not known; allowed are {', '.join(DEVICES)}")
        return device


class Ledger(Strict):
    """Core-seconds that a scale may spend, by study; what was used is printed beside it."""

    continual: float = setting(..., "the continual study", "our choice", gt=0)
    other: float = setting(..., "data, notebooks and the report", "our choice", gt=0)


class Scale(Strict):
    """A scale preset: everything that differs between a laptop and a cluster."""

    title: str = setting(..., "hardware and time it assumes", "our choice")
    max_core_seconds: Ledger = setting(..., "what the scale may spend", "our choice")
    data: DataConfig = setting(..., "data sets", "official code")
    continual: ContinualConfig = setting(..., "the continual study", "arXiv 2408.14471")
    cost: CostConfig = setting(CostConfig(), "prices", "our choice")

    @model_validator(mode="after")
    def _pools_exist(self):
        study = self.continual
        points = {"defaults": study.defaults, **{f"experiments.{k}": v for k, v in study.experiments.items()}}
        for where, point in points.items():
            for pool in (point.pool,) if isinstance(point.pool, str) else point.pool:
                if pool not in self.data.pools:
                    raise ValueError(f"continual.{where}.pool is {pool!r}; allowed are {', '.join(self.data.pools)}")
        return self


class Config(Strict):
    """The file a user edits: config/config.yaml."""

    scale: Literal[SCALES] = setting("laptop", "preset in config/scales/", "our choice")
    results: str = setting("results", "folder of everything that is generated", "our choice", min_length=1)
    data_root: str | None = setting(None, "folder of your copies of the real data sets", "our choice")
    weights_root: str | None = setting(None, "folder of released checkpoints", "our choice")
    device: Literal["auto", "cpu", "cuda"] = setting(
        "auto", "where models run; `auto`: a GPU where there is one", "our choice"
    )
    overrides: dict = setting({}, "values that replace the preset's, in the preset's own nesting", "our choice")

    @field_validator("results")
    @classmethod
    def _no_odd_characters(cls, results):
        if not re.fullmatch(r"[\w./~-]+", results):
            raise ValueError(f"is {results!r}; allowed are letters, digits and . / _ - ~")
        return results
