"""What is deployed after a task and where the next one starts, for a method and a merge. Importing this imports no torch.

Merges act on one tower at a time (image; text with the temperature), on flat vectors. As few models are kept as the
mathematics allows: `unrolled` keeps m_t; `all` keeps a running mean (interpolation, its weightings), a sum (task
arithmetic), the held change (magmax, random) or sums and counts by sign (the ties family). Only tall masks and reversed
weightings keep every model. Random operators draw from a generator of the seed, the task and the tower, so that what
was drawn for earlier tasks stays."""

from flopwise.core.choices import check as check_name
from flopwise.core.errors import UserError
from flopwise.methods.continual import Method, load
from flopwise.methods.merging import PAIRWISE, merge, resolve
from flopwise.methods.merging.names import DEFAULT, MERGES, WEIGHTINGS

TOWERS = {"image": lambda name: name.startswith("visual."), "text": lambda name: not name.startswith("visual.")}


def check(method: str, merge_name: str) -> None:
    """Raise `UserError` where a merge does not exist or makes no sense for a method."""
    check_name("merge", merge_name, MERGES)
    needs, named = load(method).merges, MERGES[merge_name]
    if merge_name == DEFAULT:
        return
    reason = None
    if not needs:
        reason = f"it merges nothing; leave `merge` at {DEFAULT}"
    elif "weighting" in named and needs != {"all"}:
        reason = "a weighting needs a method that merges all models at once, and no other kind of merge"
    elif "all" in needs and (named["operator"] in PAIRWISE or "weight" in named):
        reason = f"{merge_name} merges two models, the method more"
    elif named["operator"] == "model-stock" and ("with-initial" in needs or load(method).unroll_from_initial):
        reason = "model-stock between a model and theta_0 is always theta_0"
    if reason:
        raise UserError(f"method {method!r} cannot have merge {merge_name!r}: {reason}")


class Deployment:
    """The merged weights of one cell, task after task. The kinds are those of `Method`: `latest`, `all` ...

    initial: theta_0 (parameter name -> tensor); seed: of the random operators."""

    def __init__(self, method: Method, merge_name: str, initial: dict, seed: int):
        self.method, self.named, self.initial, self.seed = method, MERGES[merge_name], initial, seed
        self.tasks = 0
        self._values = {kind: initial for kind in {method.init, method.deploy}}
        self._options, self._lines = self._resolved() if "all" in method.merges else ({}, None)
        self._folds = {tower: self._fold(tower) for tower in TOWERS} if "all" in method.merges else {}

    @property
    def deployed(self) -> dict:
        """The weights to deploy; theta_0 before the first task."""
        return self._values[self.method.deploy]

    @property
    def next_start(self) -> dict:
        """The weights that the next task starts from. With `init` = `latest` a model with adapters just goes on."""
        return self._values[self.method.init]

    def after_task(self, task: int, trained: dict) -> None:
        """Take the weights trained on task `task` = 0, 1, ...; they are kept, not copied: do not change them after."""
        self.tasks += 1
        for kind in self._values.keys() - {"initial"}:
            self._values[kind] = self._new(kind, task, trained)

    def _new(self, kind: str, task: int, trained: dict) -> dict:
        if kind == "with-initial":
            return self._pair(trained, self.initial, task)
        if kind == "unrolled" and (self.tasks > 1 or self.method.unroll_from_initial):
            return self._pair(trained, self._values["unrolled"], task)
        if kind == "all":
            merged = self._add(task, trained)
            if self.tasks > 1:
                return merged
        return trained if kind == "latest" else {name: value.clone() for name, value in trained.items()}

    def _generator(self, task: int, tower: str):
        from flopwise.core.seeds import torch_generator

        return torch_generator(self.seed, "merge", tower, task)

    def _pair(self, newer: dict, older: dict, task: int) -> dict:
        """f([newer, older], theta_0)."""
        options = {key: value for key, value in self.named.items() if key != "weight"}
        if "weight" in self.named:
            options["coefficients"] = [self.named["weight"], 1 - self.named["weight"]]
        merged = {}
        for tower in TOWERS:
            parts = [_part(state, tower) for state in (newer, older)]
            generator = self._generator(task, tower)
            merged |= merge(weights=parts, base=_part(self.initial, tower), generator=generator, **options)
        return merged

    def _resolved(self) -> tuple[dict, dict | None]:
        """Options of the fold and of LiNeS."""
        own = ("operator", "lines", "weighting", "reverse", "as_released")
        given = {key: value for key, value in self.named.items() if key not in own}
        return resolve(self.named["operator"], 1, self.named.get("lines"), given, False)

    def _fold(self, tower: str) -> tuple:
        """(layout, empty fold) of a tower."""
        from flopwise.methods.merging.flat import Layout
        from flopwise.methods.merging.folds import Reversed
        from flopwise.methods.merging.operators import fold

        base = _part(self.initial, tower)
        layout = Layout(base)
        if self.named.get("reverse"):
            return layout, Reversed(layout.flatten(base), weighting=WEIGHTINGS[self.named["weighting"]])
        return layout, fold(self.named["operator"], layout.flatten(base), self._options)

    def _add(self, task: int, trained: dict) -> dict:
        """f([theta_1, ..., theta_t], theta_0)."""
        from flopwise.methods.merging.operators import scale_layers

        weighting = WEIGHTINGS[self.named.get("weighting", "uniform")]
        merged = {}
        for tower, (layout, fold) in self._folds.items():
            fold.add(layout.flatten(_part(trained, tower)), self._generator(task, tower), weighting(self.tasks))
            vector = fold.merged()
            if self._lines:
                released = self.named.get("as_released", False)
                scale_layers(vector, fold.base, layout, self._lines, released)
            merged |= layout.unflatten(vector, _part(trained, tower))
        return merged

    def tensors(self) -> dict:
        """Everything that must survive an interruption; nothing before the first task has ended."""
        import torch

        if self.tasks == 0:
            return {}
        tensors = {"tasks": torch.tensor(self.tasks)}
        for kind in self._values.keys() - {"initial"}:
            tensors |= {f"value/{kind}/{name}": value for name, value in self._values[kind].items()}
        for tower, (_, fold) in self._folds.items():
            tensors |= {f"fold/{tower}/{key}": value for key, value in fold.state.items()}
        return tensors

    def restore(self, tensors: dict) -> None:
        """Put back what `tensors` returned."""
        self.tasks = int(tensors.get("tasks", 0))
        for path, value in tensors.items():
            part, _, rest = path.partition("/")
            key, _, name = rest.partition("/")
            if part == "value":
                if self._values[key] is self.initial:
                    self._values[key] = {}
                self._values[key][name] = value
            elif part == "fold":
                self._folds[key][1].state[name] = value


def _part(state: dict, tower: str) -> dict:
    return {name: value for name, value in state.items() if TOWERS[tower](name)}
