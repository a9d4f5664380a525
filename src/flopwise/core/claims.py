"""Published claims and their verdicts: one rule per claim, fixed before the run.

What a rule takes to be a sample is its unit of inference. The seed varies stream, batches and the initialisation of
adapters. It does not vary the initial weights, of which there is one set per model: every interval over seeds holds for
these weights, and one that compares models leaves out how much their pre-training would vary.

The verdict compares the 95 % interval with the range of numbers that the claim allows (for most kinds all above, or all
below, a margin):

- reproduced: the whole interval lies in the range (and, where the claim states a size, reaches it)
- direction only: the whole interval lies in the range, but short of the stated size
- not reproduced: the whole interval lies outside
- inconclusive: neither; the smallest effect that so many units could have seen is given
- not testable at this scale: `reason` says why
"""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flopwise.core.io import sha256_json
from flopwise.core.rules import AnyRule, Estimate

REPRODUCED, DIRECTION, NOT_REPRODUCED, INCONCLUSIVE, NOT_TESTABLE = VERDICTS = (
    "reproduced", "direction only", "not reproduced", "inconclusive", "not testable at this scale",
)  # fmt: skip


class Claim(BaseModel):
    """A claim. `paper_says` is in our words; `rule` None: why it cannot be tested here stands in `note`.

    stands_for: what the paper (or a source about it) says, a hypothesis of our own that no source states, a reading that
    contradicts another claim of the list, or a check of the instrument, that it responds at this scale. unit: of the
    effect, where it is not the kind's own. gates: claims that must be reproduced before this one may be judged."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    title: str
    source: str
    stands_for: Literal["published", "hypothesis", "contrary", "check"] = "published"
    paper_says: str
    quantity: str
    unit: str = ""
    rule: AnyRule | None = None
    gates: tuple[str, ...] = ()
    note: str = ""

    @property
    def rule_sha256(self) -> str:
        """Hash of what decides the verdict: the kind of the rule, its values that are not defaults, and the gates. So an
        optional key that a kind gains later changes no hash, and texts and scales do not enter."""
        rule = self.rule and {"kind": self.rule.kind, **self.rule.model_dump(mode="json", exclude_defaults=True)}
        return sha256_json({"rule": rule} | ({"gates": self.gates} if self.gates else {}))


def verdict(estimate: Estimate, claimed: tuple[float, float], size: float | None = None) -> str:
    """The verdict on an interval where the claim allows the numbers between `claimed`, of which one may be infinite.
    size: how far beyond the finite one the claim says that the effect lies."""
    low, high = estimate.low, estimate.high
    if low is None:
        return NOT_TESTABLE
    if low > claimed[0] and high < claimed[1]:
        reach = high - claimed[0] if math.isfinite(claimed[0]) else claimed[1] - low
        return DIRECTION if size is not None and reach < size else REPRODUCED
    return NOT_REPRODUCED if high < claimed[0] or low > claimed[1] else INCONCLUSIVE
