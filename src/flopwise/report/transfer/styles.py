"""How the transfer study's methods and families look and are called, the same in every figure."""

from flopwise.core.errors import UserError
from flopwise.methods.transfer import GROUPS, load, names
from flopwise.report.theme import Style, spare

LOOKS = {  # colour, marker, line; names stand with the methods
    "kl": ("#c14a00", "o"),
    "xekl": ("#8f6a00", "^"),
    "xekl-mcl": ("#332288", "D"),
    "kl-dp": ("#0065a3", "s"),
    "kl-dp-u": ("#2a8fd0", "P", "--"),
    "cd": ("#882255", "v", "-."),
    "crd": ("#a0457f", "X", ":"),
    "self-dist": ("#3c3c3c", "*", "--"),
    "ce": ("#5f6368", "h", ":"),
}
FAMILIES = {
    "transformer": Style("transformers", "#0065a3", "s"),
    "cnn": Style("CNNs", "#c14a00", "o"),
    "mlp": Style("MLPs", "#00785a", "^"),
}
PAIRS = {
    "ordinary": Style("two trained models", "#0065a3", "o"),
    "weak": Style("one weak on purpose", "#8f6a00", "^"),
    "twin": Style("twins (other seed)", "#c14a00", "D"),
    "untrained": Style("one untrained", "#5f6368", "x"),
    "elsewhere": Style("one of another domain", "#882255", "v"),
}


def style(method: str) -> Style:
    """Look of a method; one that is not listed gets it from its name."""
    try:
        label = load(method).label
    except UserError:
        label = method
    return Style(label, *LOOKS[method]) if method in LOOKS else spare(method)._replace(label=label)


def order(found) -> list[str]:
    """Methods by group, then as their modules list them."""
    known = sorted(names(), key=lambda name: (GROUPS.index(load(name).group), [*LOOKS, name].index(name)))
    return [name for name in known if name in set(found)] + sorted(set(found) - set(known))
