"""One page about one pair: numbers, what they mean, and the flips themselves."""

import base64
import html
import io
from pathlib import Path

import numpy as np

from flopwise.core.io import write_text
from flopwise.report import theme

SHOWN = 12  # pictures in a row of the contact sheet
ROWS = {
    "only the teacher is right": lambda right: right["teacher"] & ~right["student"],
    "only the student is right": lambda right: right["student"] & ~right["teacher"],
    "gained by the transfer": lambda right: right["after"] & ~right["student"],
    "lost in the transfer": lambda right: right["student"] & ~right["after"],
}
STYLE = "body{font:15px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}td{padding:.1em 1em .1em 0}img{width:100%}"


def text(facts: dict, page: Path) -> str:
    """The facts for a terminal."""
    return "\n".join([*(f"{name}: {value}" for name, value in lines(facts)), f"page: {page}"])


def lines(facts: dict) -> list[tuple[str, str]]:
    """(what, value) of everything that the page says."""
    accuracy = facts["accuracy"]
    said = "yes" if facts["something_to_gain"] else "no more than sampling noise"
    found = [
        ("teacher", f"{facts['teacher']}, {accuracy['teacher']:.1f} % right"),
        ("student", f"{facts['student']}, {accuracy['student']:.1f} % right"),
        ("test pictures", f"{facts['test_pictures']} of {facts['classes']} classes"),
        ("only the teacher is right", f"{facts['rho_pos']:.1f} % ± {facts['sampling_error']:.1f}"),
        ("only the student is right", f"{facts['rho_neg']:.1f} %"),
        ("is there something to gain", said),
        ("both together, the more confident one answers", f"{facts['ensemble']:.1f} %"),
    ]
    if "delta" in facts:
        found += [
            (
                f"after {facts['method']}",
                f"{accuracy['after']:.1f} %, {facts['delta']:+.2f} ± {facts['error']:.2f} points",
            ),
            ("gained, lost", f"{facts['gain']:.1f} %, {facts['loss']:.1f} %"),
            ("McNemar's test", f"p = {facts['mcnemar_p']:.2g}"),
        ]
        rate = facts["transfer_rate"]
        found.append(("of what only the teacher knew, right now", "–" if rate is None else f"{rate:.0f} %"))
    return found


def write(path: Path, pair, facts: dict) -> None:
    """Write the page; `pair`: `studies.transfer.pair.Pair`."""
    table = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in lines(facts)
    )
    sheet = base64.b64encode(contact_sheet(pair)).decode()
    title = "What the student can gain from the teacher"
    write_text(
        path,
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>'
        f"<table>{table}</table><h2>Flips</h2><p>Test pictures, each with its class; the first ones of every kind.</p>"
        f'<img alt="Contact sheet of flips" src="data:image/png;base64,{sheet}"></html>\n',
    )


def contact_sheet(pair) -> bytes:
    """PNG with a row of pictures for each kind of flip."""
    targets = pair.data.test.targets
    right = {name: one["predicted"] == targets for name, one in pair.scores.items()}
    rows = {
        name: np.flatnonzero(rule(right)) for name, rule in ROWS.items() if "after" in right or "transfer" not in name
    }
    figure, panels = theme.figure(0.95 * len(rows), nrows=len(rows), ncols=SHOWN, squeeze=False)
    for line, (name, found) in zip(panels, rows.items()):
        for axes in line:
            axes.axis("off")
        for axes, index in zip(line, found):
            axes.imshow(np.asarray(pair.data.test.images[index]))
            axes.text(
                0.5,
                -0.04,
                pair.data.classes[targets[index]][:14],
                transform=axes.transAxes,
                fontsize=4.5,
                ha="center",
                va="top",
            )
        line[0].set_title(f"{name}: {len(found)}", fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()
