"""The set-up of the study as the report shows it: the paper beside this run."""

from flopwise.config import Settings


def rows(settings: Settings) -> list[tuple[str, str, str]]:
    """(what, in the paper, in this run)"""
    study, data = settings.preset.continual, settings.preset.data
    default = study.defaults
    mixture = " / ".join(f"{share:g}" for share in study.mixtures[default.mixture])
    other = [_tasks(study.horizons[name]) for name in study.used("horizon") if name != default.horizon]
    horizons = _tasks(study.horizons[default.horizon]) + (f" (also {', '.join(other)})" if other else "")
    multiples = sorted({study.budgets[name].multiple for name in study.used("budget")})
    own = "".join(f" ({rate:g} for {name})" for name, rate in study.own_learning_rates.items())
    optimiser = f"AdamW, {study.learning_rate:g}{own}, decay {study.weight_decay:g}, clip {study.clip_norm:g}"
    return [
        ("models", "ViT-S/16 to ViT-g/14, 224 pixels", ", ".join(study.models)),
        ("update steps T", "20 (also 50, 100, 200)", horizons),
        ("adaptation / evaluation sets", "41 / 22", f"{len(data.adaptation)} / {len(data.evaluation)}"),
        ("batch size", "512", str(study.batch_size)),
        ("mixture P / D / B", "0.33 / 0.34 / 0.33", mixture),
        ("budget F, memory-adjusted (MAFs)", "1.8e9 GFLOPs", f"{study.budget_gflops:g} GFLOPs"),
        ("multiples of F", "not sourced", ", ".join(f"{multiple:g}" for multiple in multiples)),
        ("optimiser", "AdamW, 1e-5, decay 0.2, clip 1", optimiser),
        ("seeds", "1 (5 streams published)", " or ".join(map(str, study.seeds()))),
    ]


def _tasks(horizon: int | str) -> str:
    return "a task per data set" if horizon == "sets" else str(horizon)
