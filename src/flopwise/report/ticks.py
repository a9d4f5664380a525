"""Ticks that a reader can read."""

from matplotlib.ticker import LogLocator, NullLocator


def plain_log(axis) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5, as plain numbers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:,.12g}")
    axis.set_minor_locator(NullLocator())
