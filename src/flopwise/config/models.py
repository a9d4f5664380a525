"""The typed configuration: what a user may set, and what a scale holds. A study's section comes from config/<study>.py."""

import re
from importlib import import_module
from typing import Literal

from pydantic import create_model, field_validator, model_validator

from flopwise.config.data import DataConfig
from flopwise.config.fields import Slug, Strict, check_known, setting
from flopwise.config.files import scales
from flopwise.core.paths import expanded
from flopwise.studies import NAMES

STUDIES = {name: import_module(f"flopwise.config.{name}") for name in NAMES}  # study -> module with its CONFIG


class CostConfig(Strict):
    """How a scale is priced, and how much of the published figures is checked."""

    device: str = setting("laptop-2-cores", "device that prices are for, one of flopwise.cost.devices", "our choice")
    utilisation: float = setting(0.4, "share of the device's peak that training reaches", "our choice", gt=0, le=1)
    checked_models: int = setting(
        12, "models per library whose published profile is checked", "our choice", ge=1, le=75
    )
    priced_scales: tuple[Slug, ...] = setting(
        (), "scales that the report prices, none given: all; the larger ones take a minute to count", "our choice"
    )

    @field_validator("device")
    @classmethod
    def _known(cls, device):
        from flopwise.cost.devices import DEVICES

        check_known("the device", [device], DEVICES)
        return device

    @field_validator("priced_scales")
    @classmethod
    def _exist(cls, given):
        check_known("a name", given, scales())
        return given or scales()


class ScaleFile(Strict):
    """config/scales/<scale>/scale.yaml: what differs between a laptop and a cluster. Each study has a file beside it."""

    title: str = setting(..., "hardware and time it assumes", "our choice")
    max_core_seconds: float = setting(
        ..., "what everything that belongs to no study may spend: data, cost tables, the report", "our choice", gt=0
    )
    data: DataConfig = setting(..., "data sets", "official code")
    cost: CostConfig = setting(CostConfig(), "prices", "our choice")


class _Scale(ScaleFile):
    @property
    def ledger(self) -> dict[str, float]:
        """Core-seconds that may be spent, by study that runs here, and by all else together (`other`)."""
        running = {name: section for name in NAMES if (section := getattr(self, name)) is not None}
        return {**{name: section.max_core_seconds for name, section in running.items()}, "other": self.max_core_seconds}

    @model_validator(mode="after")
    def _studies_fit(self):
        """Each study that runs finds the data that it needs."""
        for name in NAMES:
            if (section := getattr(self, name)) is not None:
                section.check(self.data)
        return self


Scale = create_model(
    "Scale",
    __base__=_Scale,
    __doc__="A scale with the studies that it runs.",
    **{
        name: (module.CONFIG | None, setting(None, f"`{name}.yaml`; none: does not run here", "our choice"))
        for name, module in STUDIES.items()
    },
)


class Config(Strict):
    """The file a user edits: config/config.yaml."""

    scale: str = setting("laptop", "folder of config/scales/", "our choice")
    results: str = setting("results", "folder of everything that is generated", "our choice", min_length=1)
    data_root: str | None = setting(None, "folder of your copies of the real data sets", "our choice")
    weights_root: str | None = setting(None, "folder of released checkpoints", "our choice")
    device: Literal["auto", "cpu", "cuda"] = setting(
        "auto", "where models run; `auto`: a GPU where there is one", "our choice"
    )
    overrides: dict = setting({}, "values that replace the preset's, in the preset's own nesting", "our choice")

    @field_validator("results", "data_root", "weights_root")
    @classmethod
    def _expanded(cls, path):
        return path if path is None else expanded(path)

    @field_validator("results")
    @classmethod
    def _no_odd_characters(cls, results):
        """Snakemake reads braces and angle brackets in a path as wildcards."""
        if odd := sorted(set(re.findall(r"[{}<>\x00-\x1f]", results))):
            raise ValueError(f"is {results!r}; a path without {' '.join(map(repr, odd))} is allowed")
        return results
