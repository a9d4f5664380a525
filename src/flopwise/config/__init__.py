"""Configuration: typed models, loading, friendly errors, generated defaults and schema. Imports no torch."""

from flopwise.config.load import ROOT, Settings, load

__all__ = ["ROOT", "Settings", "load"]
