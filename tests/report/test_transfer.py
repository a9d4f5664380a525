"""Figures and tables of the transfer study, from made-up transfers whose numbers are known."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from flopwise.report.transfer import complementary, controls, methods, published, styles
from flopwise.report.transfer.study import Study
from flopwise.studies.transfer import summaries

STUDENTS, TEACHERS = [f"s{k}" for k in range(6)], [f"t{k}" for k in range(5)]
DELTA = {"kl": -1.0, "xekl": -0.2, "xekl-mcl": 0.5, "kl-dp": 0.8, "kl-dp-u": 0.8, "random-mask": 0.1}
HOME = {"amount": "small", "view": "plain", "reading": "as-described"}


def rows(method: str, student: str, teacher: str, delta: float, pair: str = "ordinary", **more) -> list[dict]:
    """A transfer: three points are lost, the rest is gained."""
    values = {
        "delta": delta, "gain": delta + 3, "loss": 3.0, "error": 0.3,
        "improved": float(delta > 0.6), "harmed": float(delta < -0.6),
        "difference": 4.0 * (int(teacher[-1]) if teacher[-1].isdigit() else 0) - 8, "rate": 20 + delta, "released_rate": 40.0,
        "student_parameters": 1000.0 * (1 + int(student[-1])), "over_ensemble": delta - 1,
        "share_all": 50.0, "share_positive": 90.0,
        **more,
    }  # fmt: skip
    among = "trained" if pair == "ordinary" else "control"
    base = {"cell": f"{student}-{teacher}-{method}", "student": student, "teacher": teacher, "method": method, **HOME,
            "pair": pair,
            "among": among, "seed": 0, "status": "done"}  # fmt: skip
    return [{**base, "metric": name, "value": value} for name, value in values.items()]


@pytest.fixture(scope="module")
def study() -> Study:
    found = [
        row for (method, delta), student, teacher in product(DELTA.items(), STUDENTS, TEACHERS)
        for row in rows(method, student, teacher, delta + 0.1 * (STUDENTS.index(student) - TEACHERS.index(teacher)))
    ]  # fmt: skip
    for student in STUDENTS:
        found += rows("self-dist", student, "none", 0.0, "none") + rows("kl-dp", student, "permuted", -0.5, "permuted")
        found += rows("kl-dp-up", student, "trio", 1.0, "team", over_best_single=0.25, over_mean_single=0.5)
    final = pd.DataFrame(found)
    cells = final.drop_duplicates("cell").assign(
        experiments="headline",
        student_gflops=10.0,
        asked_gflops=20.0,
        kept_gflops=12.0,
        mafs=10.0,
        train_cpu_seconds=1.0,
    )
    zoo = pd.DataFrame(
        {
            "model": STUDENTS,
            "family": ["cnn", "cnn", "transformer", "transformer", "mlp", "mlp"],
            "norm": "batch",
            "accuracy": 50.0,
        }
    )
    tops = pd.DataFrame(
        [{"student": s, "teacher": t, "method": "kl-dp", **HOME, "among": "trained", "top": f"top{p}", "strict": 20.0,
          "plotted": 100 - p + 0.2 * p, "blind": 100 - p + 0.2 * p}
         for s, t, p in product(STUDENTS, TEACHERS, (2, 5, 20, 50, 100))]
    )  # fmt: skip
    flips = pd.DataFrame(
        [{"teacher": t, "student": s, "name": f"{t} to {s}", "pair": "ordinary", "among": "trained", "difference": k - 15.0,
          "rho_pos": 3.0 + k / 2, "error_pos": 0.2, "independent": 10.0 + k, "entropy": 2.0 + k / 100, "uniform": 3.0,
          "classes_without": 5.0}
         for k, (s, t) in enumerate(product(STUDENTS, TEACHERS))]
    )  # fmt: skip
    classes = pd.DataFrame(
        [
            {"teacher": row.teacher, "student": row.student, "class": f"c{k}", "flips": k, "samples": 10}
            for row in flips.itertuples()
            for k in range(4)
        ]
    )
    similar = pd.DataFrame(
        [{"among": "trained", "top": top, "classes": n, "similarity": 0.6, "random": 0.5, "all_classes": 0.5,
          "excess_percent": 20.0}
         for top, n in (("top20", 3), ("top50", 8))]
    )  # fmt: skip
    return Study(
        cells=cells, zoo=zoo, flips=flips, class_flips=classes, tops=similar, final=final, top_rates=tops,
        students=summaries.students(final), groups=summaries.groups(final), tests=summaries.tests(final),
        costs=summaries.costs(cells, final), home=HOME,
    )  # fmt: skip


def test_success_is_the_share_of_a_students_teachers(study):
    drawn = methods.success(study).data.set_index("method")
    # student k gains from KL+DP 0.8 + 0.1 (k - teacher): always; from XE-KL where k - teacher > 2
    assert drawn.loc["kl-dp", "median"] == 100
    assert drawn.loc["kl", "median"] == 0
    assert drawn.loc["xekl", ["q25", "median", "q75"]].tolist() == [0, 10, 35]
    assert drawn.loc["kl", "paper_median"] == published.SUCCESS["kl"][1] == 32.5


def test_methods_are_compared_pair_by_pair(study):
    table = methods.tests(study).set_index(["method", "against"])
    row = table.loc[("KL+DP", "KL")]
    assert row["mean difference"] == pytest.approx(1.8)
    assert row["pairs"] == 30
    assert row["Wilcoxon p"] < 1e-5
    assert row["95 % from"] <= 1.8 + 1e-9
    overall = methods.overall(study).set_index("method")
    assert overall.loc["KL+DP", "Δ > 0 %"] == 100
    assert overall.loc["KL", "significant loss %"] == pytest.approx(
        100 * np.mean([-1 + 0.1 * (s - t) < -0.6 for s in range(6) for t in range(5)])
    )


def test_bins_hold_mean_median_and_top_quartile(study):
    table = methods.bins(study)
    assert table[table["method"] == "KL"]["pairs"].sum() == 30
    assert (table["top quartile Δ"] >= table["median Δ"]).all()


def test_a_class_blind_transfer_is_drawn_over_the_plotted_rate(study):
    data = methods.rates(study).data
    assert np.allclose(data["plotted"], data["blind"])
    assert np.allclose(data["strict"], 20)
    assert data["published"].tolist() == list(published.RATES.values())


def test_several_teachers_stand_beside_the_single_ones(study):
    data = controls.several(study).data
    best = data[data["row"] == "best single teacher"]
    assert np.allclose(best["delta"], 0.75)
    assert set(data["row"]) == {"best single teacher", "mean of single teachers", "sequential, weakest first"}


def test_costs_rank_with_and_without_the_teachers_share(study):
    table = controls.costs(study).set_index("method")
    assert table.loc["KL+DP", "with models asked"] == 20
    assert table.loc["KL+DP", "rank, student alone"] == table.loc["KL+DP", "rank, kept logits"]
    assert table.loc["KL+DP", "rank, kept logits"] == table.loc["KL+DP, unsupervised", "rank, kept logits"], (
        "equals share a rank"
    )


@pytest.mark.parametrize(
    "draw",
    [
        methods.by_difference, methods.gain_loss, methods.sizes, controls.nulls, controls.masks, controls.ensemble,
        complementary.by_difference, complementary.examples, complementary.similarity, complementary.entropy,
    ],
)  # fmt: skip
def test_every_figure_is_drawn_and_holds_its_data(study, draw):
    drawn = draw(study)
    assert drawn.figure is not None, drawn.note
    assert len(drawn.data)
    assert all(
        axes.get_xlabel() or axes.get_title() or not axes.axison or len(drawn.figure.axes) > 1
        for axes in drawn.figure.axes
    )


def test_what_a_scale_does_not_run_is_said(study):
    none = study._replace(final=study.final[study.final["pair"] == "ordinary"], top_rates=study.top_rates[:0])
    for drawn in (controls.nulls(none), controls.several(none), methods.rates(none)):
        assert drawn.figure is None
        assert drawn.note.startswith("This scale runs no")
    assert len(controls.defects(study)) == len(controls.views(study)) == 0


def test_correlations_and_spread_over_seeds(study):
    table = methods.correlations(study).set_index(["method", ""])
    # Delta rises by 0.1 per student and falls by 0.1 per teacher, the difference rises by 4 per teacher
    expected = np.corrcoef(
        [4.0 * t for _ in range(6) for t in range(5)], [0.1 * (s - t) for s in range(6) for t in range(5)]
    )[0, 1]
    assert table.loc[("KL", "teacher minus student"), "with delta"] == pytest.approx(expected)
    assert len(methods.seeds(study)) == 0, "one seed each"
    again = study.final[study.final["method"] == "kl"].assign(seed=1)
    again["value"] += again["metric"].eq("delta") * 0.2
    two = methods.seeds(study._replace(final=pd.concat([study.final, again])))
    assert two["sd over seeds"].tolist() == pytest.approx([0.2 / 2**0.5])


def test_every_method_has_a_look_and_headline_methods_come_first():
    assert styles.order(["self-dist", "kl-dp", "kl", "flip-t"]) == ["kl", "kl-dp", "flip-t", "self-dist"]
    assert styles.style("kl-dp").label == "KL+DP"
    assert styles.style("brand-new").label == "brand-new"


def test_the_papers_tables_stand_beside_the_run_by_family(study):
    table = methods.beside_tables(study).set_index(["students", "method"])
    assert table.loc[("transformers", "KL"), "mean Δ, paper"] == pytest.approx((0.13 + 0.33 + 0.10) / 3)
    assert table.loc[("CNNs", "KL+DP"), "sd over teachers, paper"] == pytest.approx((0.17 + 0.14 + 0.08) / 3)
    assert table["mean Δ"].notna().all()
