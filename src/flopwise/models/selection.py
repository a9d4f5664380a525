"""Which parameters a method acts on: chosen by name, and every choice checked. Libraries name the same layer in different
ways, so that a name which one model knows may select nothing in another; half of a model must not be trained under the
name of a method for the whole. Imports no torch."""

from collections.abc import Callable, Iterable

from flopwise.core.errors import UserError

TOWERS = ("image", "text")


def tower_of(name: str) -> str:
    """The tower of a CLIP model that the parameter called `name` belongs to; the temperature goes with the text."""
    return "image" if name.startswith("visual.") else "text"


def check_selected(model, names: Iterable[str], kind: str) -> None:
    """Raise `UserError` where none of the selected parameters or layers lies in one of the towers, or in a model without
    towers none was selected. `kind`: what was looked for, in words."""
    has_towers = hasattr(model, "visual")
    found = {tower_of(name) if has_towers else "" for name in names}
    for tower in TOWERS if has_towers else ("",):
        if tower not in found:
            raise UserError(f"the model has no {kind}" + (f" in its {tower} tower" if tower else ""))


def train_only(model, chosen: Callable[[str], bool], kind: str) -> None:
    """Let the parameters train whose names are chosen, in place; see `check_selected`."""
    names = {name for name, _ in model.named_parameters() if chosen(name)}
    check_selected(model, names, kind)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)


def train_tower(model, tower: str) -> None:
    """Let one tower train and lock the other, in place. Raises `UserError` for a model without towers."""
    if not hasattr(model, "visual"):
        raise UserError("the model has no separate image and text towers")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(tower_of(name) == tower)
