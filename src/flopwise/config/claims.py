"""The claims of a study, read from the file that holds them."""

from pathlib import Path

from flopwise.config.files import read_yaml
from flopwise.config.load import validated
from flopwise.core.claims import Claim
from flopwise.core.errors import UserError
from flopwise.core.rules import KINDS, kind_of


def read_claims(path: Path) -> list[Claim]:
    """The claims of `config.files.claims_file(study)`. Raises UserError for the first mistake: a key or kind that does not
    exist, a name given twice, a gate that does not stand above what it is the gate of."""
    found: dict[str, Claim] = {}
    for number, raw in enumerate(read_yaml(path)["claims"]):
        where = f"{path}: claims.{raw.get('id', number)}"
        if raw.get("rule"):
            kind = kind_of(raw["rule"])
            if kind not in KINDS:
                raise UserError(f"{where}: rule.kind is {kind!r}; allowed are {', '.join(KINDS)}")
            validated(
                KINDS[kind], raw["rule"], f"{where}: rule"
            )  # an error of the union would list another kind's keys
        claim = validated(Claim, raw, where)
        if claim.id in found:
            raise UserError(f"{where}: another claim has this name")
        for gate in claim.gates:
            if gate not in found:
                raise UserError(f"{where}: gate {gate!r} is no claim that stands above this one")
        found[claim.id] = claim
    return list(found.values())
