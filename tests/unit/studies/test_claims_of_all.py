"""Claims of every study, whatever it is about."""

from importlib import import_module

import pytest

from flopwise.config.claims import read_claims
from flopwise.config.files import claims_file, scales
from flopwise.config.load import preset
from flopwise.core.judge import scales_of
from flopwise.studies import NAMES


@pytest.mark.parametrize("study", NAMES)
def test_every_rule_can_be_tested_at_some_scale(study):
    """A rule that selects what no grid has would stay `not testable` for ever, and nobody would see why."""
    planned = import_module(f"flopwise.studies.{study}.claims").planned
    sections = {scale: getattr(preset(scale), study) for scale in scales()}
    points = {scale: planned(section) for scale, section in sections.items() if section is not None}
    assert [
        claim.id for claim in read_claims(claims_file(study)) if claim.rule and not scales_of(claim.rule, points)
    ] == []
