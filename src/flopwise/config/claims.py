"""The claims of a study, read from the file that holds them."""

from pathlib import Path

from flopwise.config.files import read_yaml
from flopwise.config.load import validated
from flopwise.core.claims import Claim
from flopwise.core.errors import UserError
from flopwise.core.rules import KINDS, kind_of


def read_claims(path: Path) -> list[Claim]:
    """The claims of `config.files.claims_file(study)`. Raises UserError for the first mistake: a key or kind that does not
    exist, a name given twice, a gate that does not stand above what it is the gate of. `checks` of the instrument come first;
    each is a gate of every claim with a rule that names no gates of its own."""
    found: dict[str, Claim] = {}
    content = read_yaml(path)
    checks = [{**raw, "stands_for": "check", "gates": []} for raw in content.get("checks", [])]
    gated = {"gates": [raw.get("id") for raw in checks]}
    for number, raw in enumerate(
        [*checks, *(({**gated, **raw} if raw.get("rule") else raw) for raw in content["claims"])]
    ):
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
