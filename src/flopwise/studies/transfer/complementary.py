"""Complementary knowledge of the zoo: tables of all pairs, of their flips by class, of what the top classes have in common."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas

from flopwise.config import Settings
from flopwise.config.transfer import TransferConfig
from flopwise.core.io import write_table
from flopwise.core.seeds import numpy_generator
from flopwise.studies.transfer import flips, pictures
from flopwise.studies.transfer.pictures import Pictures
from flopwise.studies.transfer.plan import Grid
from flopwise.studies.transfer.predictions import read_scores

NEAR, FAR = 3.0, 10.0  # points of accuracy within which two models count as equally good, beyond which as far apart
SIDES = ("far weaker", "weaker", "near", "stronger")


def flips_job(settings: Settings, folder: Path, out: Path) -> None:
    """Read every model's predictions under `folder`, write the tables `flips`, `class_flips` and `tops` to `out`."""
    study, data = settings.preset.transfer, pictures.load(settings)
    scores = all_scores(Grid(study), folder)
    found = {(t, s): flips.flips(scores[t]["predicted"], scores[s]["predicted"], data.test.targets, len(data.classes))
             for t, s in pairs(study)}  # fmt: skip
    table = pandas.DataFrame([_row(study, data, scores, pair, one) for pair, one in found.items()])
    write_table(out / "flips.csv", with_floor(table))
    write_table(out / "class_flips.csv", pandas.DataFrame(_class_rows(study, data, found)))
    write_table(out / "tops.csv", pandas.DataFrame(_top_rows(study, data, found), columns=TOP_COLUMNS))


def all_scores(grid: Grid, folder: Path) -> dict[str, dict]:
    """What every model said of the test pictures, by model."""
    return {
        name: read_scores(folder / "predictions" / part / name) for part, names in grid.parts.items() for name in names
    }


def pairs(study: TransferConfig) -> list[tuple[str, str]]:
    """(teacher, student): every ordered pair, or `pairs` of them, number k drawn with seed k as in the official code; a pair
    that is drawn twice stands once. Models that were trained on other data are not drawn."""
    if not study.flips.pairs:
        return list(permutations(study.models, 2))
    models = [name for name in study.models if not study.zoo[name].tuned_on]
    drawn = [np.random.RandomState(k).choice(len(models), 2, replace=False) for k in range(study.flips.pairs)]
    return list(dict.fromkeys((models[t], models[s]) for t, s in drawn))


def kind_of(study: TransferConfig, teacher: str, student: str) -> str:
    """What a pair is: ordinary, weak (either model on purpose), twin, untrained, elsewhere (either was trained on other data),
    self, team or permuted."""
    if teacher == student:
        return "self"
    if teacher in study.teams or teacher in study.permuted:
        return "team" if teacher in study.teams else "permuted"
    if teacher not in study.zoo:
        return "none"
    one, other = study.zoo[teacher], study.zoo[student]
    if one.twin_of == student or other.twin_of == teacher or (one.twin_of and one.twin_of == other.twin_of):
        return "twin"
    roles = {one.role, other.role}
    return next((role for role in ("untrained", "elsewhere", "weak") if role in roles), "ordinary")


def kinds(study: TransferConfig, teacher: str, student: str) -> dict[str, str]:
    """Columns `pair`, see `kind_of`, and `among`: `trained` for two models that were trained, whatever for, else `control`."""
    pair = kind_of(study, teacher, student)
    return {"pair": pair, "among": "trained" if pair in ("ordinary", "weak") else "control"}


def _side(difference: float) -> str:
    """Where a teacher stands beside its student."""
    if difference < -FAR:
        return "far weaker"
    return "near" if abs(difference) < NEAR else "weaker" if difference < 0 else "stronger"


def _row(study, data: Pictures, scores: dict, pair: tuple[str, str], one: flips.Flips) -> dict:
    teacher, student = pair
    n, targets = one.n, data.test.targets
    accuracy = {name: 100 * float((scores[name]["predicted"] == targets).mean()) for name in pair}
    positive, negative = 100 * one.positive / n, 100 * one.negative / n
    together = flips.ensemble(scores[teacher], scores[student])
    difference = accuracy[teacher] - accuracy[student]
    return {
        "teacher": teacher, "student": student, **kinds(study, teacher, student), "name": f"{teacher} to {student}", "n": n,
        "acc_teacher": accuracy[teacher], "acc_student": accuracy[student], "difference": difference,
        "side": _side(difference), "identity_gap": difference - (positive - negative), "rho_pos": positive, "rho_neg": negative,
        "error_pos": flips.sampling_error(positive, n), "over_error": positive / max(flips.sampling_error(positive, n), 1e-9),
        "independent": accuracy[teacher] * (100 - accuracy[student]) / 100,
        "entropy": flips.entropy(one.by_class), "uniform": float(np.log(len(data.classes))),
        "below_uniform": float(np.log(len(data.classes))) - flips.entropy(one.by_class),
        "classes_without": 100 * float((one.by_class == 0).mean()),
        "largest_share": 100 * float((one.by_class / np.maximum(1, np.bincount(targets, minlength=len(data.classes)))).max()),
        "ensemble_delta": 100 * float((together == targets).mean()) - accuracy[student],
    }  # fmt: skip


def with_floor(table: pandas.DataFrame) -> pandas.DataFrame:
    """Adds `floor`, the mean rho_pos of pairs of twins (same recipe, other seed), and `above_floor`; NaN without twins."""
    floor = table.loc[table["pair"] == "twin", "rho_pos"].mean()
    return table.assign(floor=floor, above_floor=table["rho_pos"] - floor)


def _class_rows(study, data: Pictures, found: dict) -> list[dict]:
    samples = np.bincount(data.test.targets, minlength=len(data.classes))
    return [
        {"teacher": teacher, "student": student, **kinds(study, teacher, student), "class": name,
         "flips": int(count), "samples": int(total)}
        for (teacher, student), one in found.items()
        for name, count, total in zip(data.classes, one.by_class, samples)
    ]  # fmt: skip


TOP_COLUMNS = (
    "teacher", "student", "pair", "among", "top", "classes", "classes_as_released", "similarity", "all_classes", "excess_percent",
    "random", "random_sd", "excess",
)  # fmt: skip


def _top_rows(study, data: Pictures, found: dict) -> list[dict]:
    """Per pair and X: how many classes K_X has, their mean similarity, its excess over that of all classes in percent of it
    (as published) and over random sets of equal size. Without class attributes there are no rows."""
    if data.attributes is None:
        return []
    cosines = flips.similarities(data.attributes)
    average, random = flips.mean_similarity(cosines, np.arange(len(cosines))), {}
    rows = []
    for (teacher, student), one in found.items():
        for top in study.flips.tops if one.positive else ():
            chosen = flips.top_classes(one.by_class, top)
            if (size := len(chosen)) not in random:
                generator = numpy_generator(0, "random classes", size)
                random[size] = flips.random_similarity(cosines, size, study.flips.random_sets, generator)
            own = flips.mean_similarity(cosines, chosen)
            rows.append(
                {"teacher": teacher, "student": student, **kinds(study, teacher, student), "top": f"top{top:g}",
                 "classes": size, "classes_as_released": len(flips.top_classes(one.by_class, top, True)),
                 "similarity": own, "all_classes": average, "excess_percent": 100 * (own - average) / average,
                 "random": random[size][0], "random_sd": random[size][1], "excess": own - random[size][0]}
            )  # fmt: skip
    return rows
