"""The kinds of rules. Each lists the runs it needs and has one method, `measure`, that gives effect, interval, p-value and
smallest detectable effect; the verdict follows from these and from the range of numbers that the claim allows."""

from functools import reduce
from operator import or_
from typing import Annotated, get_args

from pydantic import Discriminator, Tag

from flopwise.core.rules.exact import Count, Exact
from flopwise.core.rules.means import Difference, Equivalence, Scatter, Spread, Trend
from flopwise.core.rules.resampled import Median, RankCorrelation, Share
from flopwise.core.rules.rule import Estimate, Point, Rule, Side, Tables

__all__ = ["KINDS", "AnyRule", "Estimate", "Point", "Rule", "Side", "Tables", "kind_of"]

KINDS: dict[str, type[Rule]] = {
    get_args(kind.model_fields["kind"].annotation)[0]: kind
    for kind in (Difference, Trend, Spread, Equivalence, Scatter, Median, Share, RankCorrelation, Exact, Count)
}


def kind_of(rule: Rule | dict) -> str:
    """The kind of a rule, also as it is written. Rules without `kind` are older than the key: a trend runs `along` an axis,
    a spread has a `narrow` side, the others are differences."""
    if isinstance(rule, Rule):
        return rule.kind
    return rule.get("kind", "trend" if "along" in rule else "spread" if "narrow" in rule else "difference")


AnyRule = Annotated[reduce(or_, (Annotated[kind, Tag(name)] for name, kind in KINDS.items())), Discriminator(kind_of)]
