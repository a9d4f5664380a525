"""flopwise: where should the next FLOP go? Four studies, one workflow, one report."""

__version__ = "0.1.0"
