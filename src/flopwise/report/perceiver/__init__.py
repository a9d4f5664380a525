"""Figures and tables of the Perceiver study."""
