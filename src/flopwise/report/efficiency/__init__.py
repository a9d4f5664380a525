"""Figures and tables of the efficiency study."""
