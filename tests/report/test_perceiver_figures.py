"""Figures and tables of the Perceiver study, from made-up runs whose numbers are known."""

import pandas as pd
import pytest

from flopwise.methods.perceiver import works
from flopwise.report.perceiver import figures
from flopwise.studies.perceiver import tables


@pytest.fixture(scope="module")
def study() -> figures.Study:
    rows, cells = [], []
    for task, work in works().items():
        for k, (arm, one) in enumerate(work.arms.items()):
            for seed in range(3 if one.trained else 1):
                base = {
                    "cell": f"{task}-{arm}-s{seed}",
                    "task": task,
                    "arm": arm,
                    "kind": one.kind,
                    "seed": seed,
                    "status": "done",
                }
                score = 10.0 if one.kind == "trivial" else 20.0 + k + 0.1 * seed
                values = {work.score: score, "score": score, "above_trivial": score - 10, "mflops": 2.0}
                rows += [{**base, "metric": name, "value": value} for name, value in values.items()]
                cells.append({**base, "mflops": 2.0, "parameters": 1000})
    curves = [
        ("perceiver", "inputs", 1),
        ("perceiver", "outputs", 1),
        ("perceiver", "layers", 1),
        ("transformer", "inputs", 2),
    ]
    sizes = [
        {"model": model, "along": along, "size": n, "gflops": n**power, "activations_mb": 1.0 * n, "peak_mb": 1.1 * n,
         "cpu_seconds": 1.0 * n, "seconds": [0.9 * n, 1.0 * n, 1.2 * n]}
        for model, along, power in curves for n in (64, 128, 256)
    ]  # fmt: skip
    exact = pd.DataFrame({"identity": ["one", "two"], "deviation": [0.0, 1e-7]})
    released = pd.DataFrame(
        [{"evaluation": "kitti", "checkpoint": "optical-flow", "dataset": "kitti_flow_2015", "metric": metric, "value": 5.0,
          "published": published, "samples": 10, "listed": 200, "source": "a table"}
         for metric, published in (("epe", 4.98), ("fl_all", None))]
    )  # fmt: skip
    return figures.Study(
        pd.DataFrame(cells), pd.DataFrame(rows), tables.exponents(pd.DataFrame(sizes)), exact, released
    )


@pytest.mark.parametrize("draw", [figures.arms, figures.scaling])
def test_every_figure_is_drawn_with_its_table(study, draw):
    drawn = draw(study)
    drawn.figure.draw_without_rendering()
    assert len(drawn.data) > 5
    titled = [axes.get_title("left") for axes in drawn.figure.axes if axes.get_visible()]
    assert draw is figures.scaling or titled == [work.title for work in works().values()]


def test_exponents_are_those_of_the_curves(study):
    table = figures.exponents(study).set_index(["model", "grows with"])["GFLOPs, exponent"]
    assert table["transformer", "inputs"] == pytest.approx(2)
    assert table["perceiver", "layers"] == pytest.approx(1)


def test_what_stands_above_is_listed_with_its_unit(study):
    table = figures.learning(study)
    assert len(table) == sum(one.kind != "trivial" for work in works().values() for one in work.arms.values())
    assert set(table["unit"]) == {"%", "pixels", "dB"}
    assert table["above"].min() > 9


def test_released_models_stand_beside_what_was_published(study):
    table = figures.released(study).set_index("metric")
    assert table.loc["end-point error, pixels", "difference"] == pytest.approx(0.02)
    assert pd.isna(table.loc["Fl-all, %", "difference"])
    assert set(table["samples"]) == {"10 of 200"}
