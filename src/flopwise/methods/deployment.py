"""What is deployed after a task and where the next one starts, for a method and a merge. Importing this imports no torch.

Merges act on one tower at a time (image; text with the temperature), on flat vectors. As few models are kept as the
mathematics allows: `unrolled` keeps m_t; `all` keeps a running mean (interpolation, its weightings), a sum (task
arithmetic), the held change (magmax, random) or sums and counts by sign (the ties family). Only tall masks and reversed
weightings keep every model. Random operators draw from a generator of the seed, the task and the tower, so that what
was drawn for earlier tasks stays.

Buffers are no weights: whatever is merged, running statistics and other state that is no parameter are those of the model
trained last. A mean of variances is not the variance of a mean, a pruned or extrapolated one may be negative; to measure
the statistics of merged weights anew would take passes over data that no budget pays for."""

from flopwise.core.checkpoint import joined, parted
from flopwise.core.choices import check as check_name
from flopwise.core.errors import UserError
from flopwise.methods.continual import Method, load
from flopwise.methods.merging import PAIRWISE, merge, resolve
from flopwise.methods.merging.names import DEFAULT, MERGES, WEIGHTINGS, Merge
from flopwise.models.selection import TOWERS, tower_of


def check(method: str, merge_name: str) -> None:
    """Raise `UserError` where a merge does not exist or makes no sense for a method."""
    check_name("merge", merge_name, MERGES)
    kinds, asked = load(method).merges, MERGES[merge_name]
    if merge_name == DEFAULT:
        return
    reason = None
    if not kinds:
        reason = f"it merges nothing; leave `merge` at {DEFAULT}"
    elif asked.weighting and kinds != {"all"}:
        reason = "a weighting needs a method that merges all models at once, and no other kind of merge"
    elif "all" in kinds and (asked.operator in PAIRWISE or asked.weight):
        reason = f"{merge_name} merges two models, the method more"
    elif asked.operator == "model-stock" and ("with-initial" in kinds or load(method).unroll_from_initial):
        reason = "model-stock between a model and theta_0 is always theta_0"
    if reason:
        raise UserError(f"method {method!r} cannot have merge {merge_name!r}: {reason}")


class Deployment:
    """The weights that one cell deploys and those that its tasks start from, task after task.

    initial: theta_0 (name -> tensor); seed: of the random operators; buffers: names in theta_0 that are no parameters.
    Raises `UserError` for a merge by depth where a tower has no blocks."""

    def __init__(
        self, method: Method, merge_name: str, initial: dict, seed: int, buffers: frozenset[str] = frozenset()
    ):
        self.method, self.merge, self.initial, self.seed = method, MERGES[merge_name], initial, seed
        self.buffers = buffers
        if self.merge.lines:
            _check_depth(merge_name, initial)
        self.weights = {kind: initial for kind in {method.init, method.deploy}}  # kinds: see `Method`
        towers = TOWERS if "all" in method.merges else ()
        self.folds = {tower: TowerFold(self.merge, _part(initial, tower), buffers) for tower in towers}

    @property
    def deployed(self) -> dict:
        """The weights to deploy; theta_0 before the first task."""
        return self.weights[self.method.deploy]

    @property
    def next_start(self) -> dict:
        """The weights that the next task starts from. With `init` = `latest` a model with adapters just goes on."""
        return self.weights[self.method.init]

    def after_task(self, task: int, trained: dict) -> None:
        """Take the weights trained on task `task` = 0, 1, ...; they are kept, not copied: do not change them after."""
        for kind in self.weights:
            self.weights[kind] = self._updated(kind, task, trained)

    def _updated(self, kind: str, task: int, trained: dict) -> dict:
        if kind == "initial":
            return self.initial
        if kind == "with-initial":
            return self._pair(trained, self.initial, task)
        if kind == "unrolled" and (task > 0 or self.method.unroll_from_initial):
            return self._pair(trained, self.weights[kind], task)
        if kind == "all":
            merged = self._all(trained, task)  # the folds must see the first model, too
            return merged if task > 0 else trained
        return trained  # of one model alone the merge is that model, without rounding

    def _pair(self, newer: dict, older: dict, task: int) -> dict:
        """f([newer, older], theta_0)."""
        options = {**self.merge.options, "lines": self.merge.lines, "as_released": self.merge.as_released}
        options["buffers"] = self.buffers
        if self.merge.weight is not None:
            options["coefficients"] = [self.merge.weight, 1 - self.merge.weight]
        merged = {}
        for tower in TOWERS:
            models, base = [_part(newer, tower), _part(older, tower)], _part(self.initial, tower)
            merged |= merge(self.merge.operator, models, base, generator=self._generator(task, tower), **options)
        return merged

    def _all(self, trained: dict, task: int) -> dict:
        """f([theta_1, ..., theta_t], theta_0)."""
        merged = {}
        for tower, held in self.folds.items():
            merged |= held.add(_part(trained, tower), task, self._generator(task, tower))
        return merged

    def _generator(self, task: int, tower: str):
        """Its own for each task and tower, so that a resumed run draws what an uninterrupted one does."""
        from flopwise.core.seeds import torch_generator

        return torch_generator(self.seed, "merge", tower, task)

    def tensors(self) -> dict:
        """Everything that must survive an interruption; nothing before the first task has ended."""
        parts = {kind: held for kind, held in self.weights.items() if held is not self.initial}
        return joined(parts | {tower: held.fold.state for tower, held in self.folds.items()} if parts else {})

    def restore(self, tensors: dict) -> None:
        """Put back what `tensors` returned."""
        for part, held in parted(tensors).items():
            if part in self.folds:
                self.folds[part].fold.state = held
            else:
                self.weights[part] = held


class TowerFold:
    """The merge of all models of one tower, taken one after another: a fold over their tensors as flat vectors."""

    def __init__(self, asked: Merge, base: dict, buffers: frozenset[str]):
        from flopwise.methods.merging.flat import Layout
        from flopwise.methods.merging.folds import FOLDS, Reversed

        self.layout, self.as_released = Layout(base, buffers), asked.as_released
        self.weighting, flat = WEIGHTINGS[asked.weighting or "uniform"], self.layout.flatten(base)
        options, self.lines = resolve(asked.operator, 1, asked.lines, asked.options, False)
        options.pop("coefficients", None)  # the shares come from the weighting
        self.fold = Reversed(flat, self.weighting) if asked.reverse else FOLDS[asked.operator](flat, **options)

    def add(self, model: dict, task: int, generator) -> dict:
        """Take the model of task `task`; returns the merge of all so far."""
        from flopwise.methods.merging.operators import scale_layers

        self.fold.add(self.layout.flatten(model), generator, self.weighting(task + 1))
        merged = self.fold.merged()
        if self.lines:
            scale_layers(merged, self.fold.base, self.layout, self.lines, self.as_released)
        return self.layout.unflatten(merged, model)


def _part(state: dict, tower: str) -> dict:
    """The tensors of one tower."""
    return {name: value for name, value in state.items() if tower_of(name) == tower}


def _check_depth(merge_name: str, initial: dict) -> None:
    """Raise `UserError` before anything is trained where LiNeS would find no blocks to scale by their depth."""
    from flopwise.methods.merging.operators import layer_factors

    for tower in TOWERS:
        try:
            layer_factors(_part(initial, tower))
        except UserError as error:
            raise UserError(f"merge {merge_name}, {tower} tower: {error}") from None
