"""Synthetic tables and claims for the tests of the claims engine."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas

from flopwise.core.claims import Claim
from flopwise.core.judge import Context, Planned, judge
from flopwise.core.rules import KINDS, kind_of

NUMBER = {"table": "final", "metric": "gm", "column": "value"}


def rule(**values):
    raw = {**NUMBER, **values}
    return KINDS[kind_of(raw)].model_validate(raw)


def claim(name: str = "c", gates: Sequence[str] = (), **values) -> Claim:
    texts = dict.fromkeys(("source", "paper_says", "quantity"), "x")
    return Claim(id=name, title=f"title of {name}", **texts, rule=rule(**values), gates=gates)


def table(values: Mapping[str, Sequence[float]], axis: str = "method") -> pandas.DataFrame:
    """A row per point of the axis and seed."""
    rows = [(point, seed, x) for point, numbers in values.items() for seed, x in enumerate(numbers)]
    return pandas.DataFrame(rows, columns=[axis, "seed", "value"]).assign(metric="gm", status="done")


def pairs(differences: np.ndarray, **other: np.ndarray) -> pandas.DataFrame:
    """Two methods, of which `a` is better by (teachers, students) `differences`; other columns likewise."""
    frames = []
    for (teacher, student), difference in np.ndenumerate(differences):
        extra = {name: values[teacher, student] for name, values in other.items()}
        for method, value in (("a", 50 + difference), ("b", 50)):
            frames.append(
                {"teacher": f"t{teacher}", "student": f"s{student}", "method": method, "value": value, **extra}
            )
    return pandas.DataFrame(frames).assign(metric="gm", status="done", seed=0)


def context(tables: Mapping[str, pandas.DataFrame], defaults: Mapping[str, str] | None = None, **options) -> Context:
    """A study whose scales all plan just what the tables hold."""
    rows = {
        name: frame[[c for c in frame if c in ("seed", "teacher", "student", *axes(frame))]].to_dict("records")
        for name, frame in tables.items()
    }
    plan = Planned(defaults or {}, rows)
    return Context("s", "laptop", dict(tables), tuple(axes(tables["final"])), {"laptop": plan}, **options)


def axes(frame: pandas.DataFrame) -> list[str]:
    return [name for name in ("method", "model", "budget", "stream", "m", "row") if name in frame]


def judged(one: Claim, frame: pandas.DataFrame, **options) -> dict:
    return judge(one, context({"final": frame, **options.pop("tables", {})}, **options))
