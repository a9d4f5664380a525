"""One page about one pair: numbers, what they mean, and the flips themselves."""

import base64
import html
import io
from pathlib import Path

import numpy as np

from flopwise.core.io import write_text

SHOWN, SIDE = 12, 96  # pictures of a kind; pixels
ROWS = {
    "only the teacher is right": lambda right: right["teacher"] & ~right["student"],
    "only the student is right": lambda right: right["student"] & ~right["teacher"],
    "gained by the transfer": lambda right: right["after"] & ~right["student"],
    "lost in the transfer": lambda right: right["student"] & ~right["after"],
}
STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em;overflow-wrap:anywhere}"
    "td{padding:.1em 1em .1em 0;vertical-align:top}td:first-child{min-width:9em}"
    ".row{display:flex;flex-wrap:wrap;gap:.6em}figure{margin:0;width:6em}figure img{width:100%;image-rendering:pixelated}"
    "figcaption{font-size:11px;line-height:1.3;text-align:center}"
)


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
    title = "What the student can gain from the teacher"
    write_text(
        path,
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1><table>{table}</table><h2>Flips</h2>"
        f"<p>Test pictures, each with its class: up to {SHOWN} of a kind, evenly spread over the test set.</p>"
        f"{flips(pair)}</html>\n",
    )


def flips(pair) -> str:
    """A row of pictures for each kind of flip."""
    targets = pair.data.test.targets
    right = {name: one["predicted"] == targets for name, one in pair.scores.items()}
    kinds = {
        name: np.flatnonzero(rule(right)) for name, rule in ROWS.items() if "after" in right or "transfer" not in name
    }
    parts = []
    for name, found in kinds.items():
        shown = found[np.unique(np.linspace(0, len(found) - 1, min(SHOWN, len(found))).round().astype(int))]
        pictures = "".join(
            _figure(np.asarray(pair.data.test.images[index]), pair.data.classes[targets[index]]) for index in shown
        )
        parts.append(f'<h3>{name}: {len(found)}</h3><div class="row">{pictures}</div>')
    return "".join(parts)


def _figure(pixels: np.ndarray, label: str) -> str:
    from PIL import Image

    image, buffer = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(buffer, "PNG")
    source, said = base64.b64encode(buffer.getvalue()).decode(), html.escape(label)
    return f'<figure><img alt="{said}" src="data:image/png;base64,{source}"><figcaption>{said}</figcaption></figure>'
