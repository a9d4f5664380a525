"""Figures and tables of the transfer study."""
