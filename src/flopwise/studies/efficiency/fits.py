"""Do the small budgets tell what the largest one gives? A saturating power law, scored on a budget that it has not seen.

    error(F) = a + b F^-c,    a, b >= 0, 0.05 <= c <= 2

fitted per method, pool and size on the seed means of all budgets but the largest, by a grid over c and least squares over a and
b. Interval: the fit repeated on seeds drawn with replacement. Naive: score and ranking at the budget before stay."""

from itertools import combinations

import numpy as np
import pandas

from flopwise.core.seeds import numpy_generator

EXPONENTS = np.linspace(0.05, 2, 40)
DRAWS = 200
COLUMNS = (
    "method", "pool", "size", "budget", "gflops", "points", "seeds", "predicted", "low", "high", "measured", "naive",
    "error", "naive_error", "covered", "exponent",
)  # fmt: skip


def predict(gflops: np.ndarray, miou: np.ndarray, at: float) -> tuple[float, float]:
    """(mIoU in percent at budget `at`, exponent) of the law fitted to at least two points."""
    scale = gflops.max()
    best = (np.inf, float(miou[-1]), 0.0)
    for c in EXPONENTS:
        design = np.stack([np.ones_like(gflops), (gflops / scale) ** -c], 1)
        (a, b), *_ = np.linalg.lstsq(design, 100 - miou, rcond=None)
        if a < 0:  # no error left at infinity
            a, b = 0.0, float(design[:, 1] @ (100 - miou) / (design[:, 1] @ design[:, 1]))
        if b < 0:  # it does not fall: it stays
            a, b = float((100 - miou).mean()), 0.0
        rest = float((((a + b * design[:, 1]) - (100 - miou)) ** 2).sum())
        if rest < best[0] - 1e-12:
            best = (rest, 100 - (a + b * (at / scale) ** -c), float(c))
    return best[1], best[2]


def table(final: pandas.DataFrame) -> pandas.DataFrame:
    """A row per method, pool and size with at least three budgets: prediction for the largest one, with what it really gave."""
    done = final[(final["metric"] == "miou") & (final["gflops"] > 0) & final["value"].notna()]
    rows = []
    for (method, pool, size), part in done.groupby(["method", "pool", "size"], sort=False):
        wide = part.pivot_table(index="budget", columns="seed", values="value")
        cost = part.groupby("budget")["gflops"].mean()
        wide, cost = wide.loc[cost.sort_values().index].dropna(axis=1), cost.sort_values()
        if len(wide) < 3 or not wide.shape[1]:
            continue
        rows.append({"method": method, "pool": pool, "size": size, **_score(wide, cost)})
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _score(wide: pandas.DataFrame, cost: pandas.Series) -> dict:
    values, spent = wide.to_numpy()[:-1], cost.to_numpy()[:-1]
    at, measured, naive = float(cost.iloc[-1]), float(wide.iloc[-1].mean()), float(values[-1].mean())
    predicted, exponent = predict(spent, values.mean(1), at)
    low = high = np.nan
    if (seeds := values.shape[1]) > 1:
        rng = numpy_generator(0, "efficiency", "fits")
        drawn = [predict(spent, values[:, rng.integers(0, seeds, seeds)].mean(1), at)[0] for _ in range(DRAWS)]
        low, high = np.percentile(drawn, [2.5, 97.5])
    covered = float(low <= measured <= high) if seeds > 1 else np.nan
    return {
        "budget": wide.index[-1], "gflops": at, "points": len(spent), "seeds": seeds,
        "predicted": predicted, "low": low, "high": high, "measured": measured, "naive": naive,
        "error": abs(predicted - measured), "naive_error": abs(naive - measured), "covered": covered, "exponent": exponent,
    }  # fmt: skip


def decisions(fits: pandas.DataFrame) -> pandas.DataFrame:
    """How often the predicted order of two methods on one pool holds at the largest budget (`law`), beside the order at the
    budget before it (`naive`), in percent of pairs."""
    rows = []
    for (pool, size), part in fits.groupby(["pool", "size"], sort=False):
        pairs = list(combinations(part.to_dict("records"), 2))
        held = {
            by: [np.sign(a[by] - b[by]) == np.sign(a["measured"] - b["measured"]) for a, b in pairs]
            for by in ("predicted", "naive")
        }
        if pairs:
            law, naive = (100 * float(np.mean(held[by])) for by in ("predicted", "naive"))
            rows.append({"pool": pool, "size": size, "pairs": len(pairs), "law": law, "naive": naive})
    return pandas.DataFrame(rows, columns=["pool", "size", "pairs", "law", "naive"])
