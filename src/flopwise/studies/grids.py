"""What the grids of all studies share: cells fall into jobs, long jobs into parts. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import replace


def in_parts(cells: Mapping, size: int, training: Callable = lambda cell: cell.slug) -> dict:
    """The cells by slug, each job's trainings split into parts of at most `size` (0: not at all); cells with the same `training`
    stay together."""
    if not size:
        return dict(cells)
    known: dict[str, dict] = {}
    result = {}
    for slug, cell in cells.items():
        own = known.setdefault(cell.job, {})
        result[slug] = replace(cell, part=f"part{own.setdefault(training(cell), len(own)) // size}")
    return result


def by_job(cells: Mapping) -> dict[str, list]:
    """The cells of each job, jobs in the order in which they occur."""
    jobs: dict[str, list] = {}
    for cell in cells.values():
        jobs.setdefault(cell.job, []).append(cell)
    return jobs


def longest_first(jobs: dict[str, list]) -> dict[str, list]:
    """Jobs with most cells first, so that no long one starts last."""
    return dict(sorted(jobs.items(), key=lambda item: -len(item[1])))
