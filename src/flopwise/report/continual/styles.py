"""How the continual study's methods, streams, mixtures, schedules and pools look and are called, the same in every figure."""

from flopwise.core.errors import UserError
from flopwise.methods.continual import OTHERS, Method, load
from flopwise.report.theme import Style, spare

# Hues after Okabe & Ito (2008) and Tol's muted scheme, darkened where a label in that colour must be read on white.
LOOKS = {  # colour, marker and line of methods; their names stand with the methods
    "full-ft": ("#c14a00", "o"),
    "ema-merge": ("#0065a3", "s"),
    "zs-merge": ("#2a8fd0", "P", "--"),
    "ft-merge": ("#332288", "X", ":"),
    "ft-merge-latest": ("#332288", "x", ":"),
    "offline-merge": ("#5f7fa8", "D", "-."),
    "lnfit": ("#8f6a00", "D"),
    "bitfit": ("#b08d2e", "d", "--"),
    "locked-text": ("#a0457f", "h"),
    "locked-image": ("#882255", "H", "--"),
    "lora-r4": ("#00785a", "^"),
    "lora-r16": ("#00785a", "v", "--"),
    "lora-r64": ("#00785a", "v", "--"),
    "dora-r4": ("#3b6fb5", "<"),
    "dora-r16": ("#3b6fb5", ">", "--"),
    "dora-r64": ("#3b6fb5", ">", "--"),
    "vera-r4": ("#8c6d1f", "s"),
    "vera-r16": ("#8c6d1f", "D", "--"),
    "vera-r64": ("#8c6d1f", "D", "--"),
    "galore": ("#882255", "P", "-."),
    "ewc": ("#7a5195", "p"),
    "ewc-as-released": ("#7a5195", "d", "--"),
    "si": ("#2f7f86", "8", "--"),
    "oracle": ("#3c3c3c", "*"),
}
METHODS = {name: Style(load(name).label, *look) for name, look in LOOKS.items()}
REFERENCES = ("full-ft", "ema-merge")  # drawn in grey in every panel of methods
STREAMS = {
    "random": Style("random", "#3c3c3c", "o"),
    "similarity": Style("similarity", "#0065a3", "s"),
    "performance": Style("easy to hard", "#00785a", "^"),
    "frequency": Style("concept frequency", "#c14a00", "D"),
    "time": Style("time-incremental", "#882255", "p"),
    "dataset-incremental": Style("dataset-incremental", "#8f6a00", "h"),
}
MIXTURES = {
    "uniform": Style("uniform mixture", "#0065a3", "s"),
    "no-replay": Style("no replay", "#c14a00", "o", "--"),
    "no-buffer": Style("no buffer", "#882255", "D", "-."),
    "no-pool": Style("no pool", "#8f6a00", "^", "-."),
    "no-update": Style("no new data", "#3c3c3c", "h", "-."),
    "buffer-heavy": Style("mostly buffer", "#00785a", "v"),
    "pool-heavy": Style("mostly pool", "#332288", "P"),
    "update-heavy": Style("mostly update", "#7a5195", "p"),
    "half-buffer": Style("half buffer", "#00785a", "v", ":"),
    "half-pool": Style("half pool", "#332288", "P", ":"),
    "half-update": Style("half update", "#7a5195", "p", ":"),
    "little-buffer": Style("little buffer", "#882255", "D", ":"),
    "little-pool": Style("little pool", "#8f6a00", "^", ":"),
    "oracle": Style("all at once", "#3c3c3c", "*"),
}
SCHEDULES = {
    "constant": Style("constant", "#3c3c3c", "o"),
    "cosine": Style("cosine", "#c14a00", "o"),
    "cosine-autoregressive": Style("cosine, autoregressive", "#a0457f", "s", "--"),
    "cosine-dynamic": Style("cosine, dynamic", "#882255", "D", "-."),
    "rsqrt": Style("inverse square root", "#0065a3", "^"),
    "rsqrt-autoregressive": Style("rsqrt, autoregressive", "#2a8fd0", "v", "--"),
    "rsqrt-continued": Style("rsqrt, continued", "#332288", "P", "-."),
    "rsqrt-recovered": Style("rsqrt, recovered", "#00785a", "X", ":"),
}
POOLS = {
    "pool": Style("pool", "#c14a00", "o"),
    "clean": Style("clean", "#0065a3", "s", "--"),
    "noisy": Style("noisy", "#882255", "D", "-."),
    "narrow": Style("narrow", "#00785a", "^", ":"),
    "cc12m": Style("CC12M", "#0065a3", "s", "--"),
    "cc3m": Style("CC3M", "#00785a", "^", ":"),
    "datacomp-small": Style("DataComp small", "#882255", "D", "-."),
}
AXES = {"method": METHODS, "stream": STREAMS, "mixture": MIXTURES, "schedule": SCHEDULES, "pool": POOLS}
METRICS = {"a_ka": "$A_\\mathrm{KA}$", "a_zs": "$A_\\mathrm{ZS}$", "gm": "GM"}
TITLES = {"a_ka": "$\\mathbf{A_{KA}}$", "a_zs": "$\\mathbf{A_{ZS}}$", "gm": "GM"}  # the same in bold


def style(value: str, axis: str = "method") -> Style:
    """Style of a method or of a value of another axis. A reversed stream looks like the forward one, told apart by a dashed
    line; what is not listed gets a look from its name."""
    known = AXES.get(axis, {})
    if value in known:
        return known[value]
    if axis == "stream" and value.endswith("-reverse"):
        forward = style(value.removesuffix("-reverse"), axis)
        return forward._replace(label=f"{forward.label}, reversed", line="--")
    named = _known(value) if axis == "method" else None
    return spare(value)._replace(label=named.label if named and named.label else value)


def group(method: str) -> str | None:
    """The panel that a method belongs to; None for plain fine-tuning and the oracle, which belong to all."""
    known = _known(method)
    return known.group if known else OTHERS


def _known(method: str) -> Method | None:
    """What a method says of itself; None for one that no longer exists."""
    try:
        return load(method)
    except UserError:
        return None


def order(values, axis: str = "method") -> list[str]:
    """Values in the order in which they are listed here, others after them by name, the oracle last; a reversed stream
    behind its forward one."""
    known = [name for name in AXES.get(axis, {}) if name != "oracle"]
    rank = {name: index for index, name in enumerate(known)} | {"oracle": len(known) + 1}
    return sorted(set(values), key=lambda name: (rank.get(name.removesuffix("-reverse"), len(known)), name))
