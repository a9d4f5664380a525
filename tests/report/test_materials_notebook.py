"""The notebook of the materials: everything drawn where a scale makes it, and said where it does not."""

import pytest

from flopwise.data.materials import MATERIALS
from flopwise.data.materials.build import build_material
from flopwise.report import materials, motion, notebook
from flopwise.report.chapters import notebook as find

pytestmark = pytest.mark.slow

NAMES = [name for name in MATERIALS if name not in ("text", "text-tasks")]  # these take seconds to read
FIGURES = (materials.pools, materials.masks, materials.classes, motion.flow, motion.clips, motion.battles)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("materials")
    for name in NAMES:
        build_material(
            name, dict.fromkeys(MATERIALS[name].sizes, 64 if name != "battles" else 2), folder / "data" / name
        )
    return folder


def test_the_notebook_writes_every_figure_and_table(folder, repository):
    given = {"data": folder / "data", "names": NAMES, "figures": folder / "figures", "scale": "smoke"}
    notebook.execute(repository / "notebooks" / "materials.py", folder / "materials.ipynb", given)
    written = {path.name for path in (folder / "figures").iterdir()}
    assert written == set(find("materials").files)


@pytest.mark.parametrize("draw", FIGURES)
def test_a_scale_without_materials_says_so(draw):
    figure, shown = draw({})
    assert figure.axes[0].texts[0].get_text().startswith("This scale makes no")
    assert shown.empty


def test_flow_to_every_side_has_the_hue_of_the_wheel():
    import numpy as np

    right, down, still = motion.wheel(np.array([[3.0, 0.0], [0.0, 3.0], [0.0, 0.0]]), 3.0)
    np.testing.assert_allclose(right, [1, 0, 0])
    np.testing.assert_allclose(down, [0.5, 1, 0])
    np.testing.assert_allclose(still, [1, 1, 1])
