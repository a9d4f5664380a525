"""Regions of the two photographs that scikit-learn ships (a pagoda above a lake; a dahlia)."""

from functools import cache

import numpy as np

from flopwise.data.world.drawing import grain, pick

# region -> photograph, rectangles for training, rectangles for test; (left, top, right, bottom) in points
REGIONS = {
    "sky": ("china.jpg", ((0, 0, 90, 62), (330, 0, 450, 180)), ((0, 64, 90, 130), (454, 0, 560, 180))),
    "lake": ("china.jpg", ((352, 198, 432, 282),), ((436, 206, 545, 270),)),
    "pagoda roof": (
        "china.jpg",
        ((100, 62, 204, 134), (78, 248, 190, 284)),
        ((208, 64, 316, 134), (200, 246, 336, 282)),
    ),
    "pagoda gallery": (
        "china.jpg",
        ((96, 192, 200, 246), (190, 285, 262, 336)),
        ((206, 192, 322, 246), (266, 285, 336, 330)),
    ),
    "shrubs": ("china.jpg", ((76, 342, 158, 427), (0, 380, 72, 427)), ((162, 350, 206, 427), (0, 325, 70, 376))),
    "bushes": ("china.jpg", ((376, 300, 452, 427),), ((456, 286, 545, 427),)),
    "pine tree": ("china.jpg", ((566, 150, 640, 280),), ((556, 284, 640, 427),)),
    "petals": ("flower.jpg", ((190, 150, 248, 290), (252, 96, 306, 150)), ((370, 150, 428, 290), (310, 96, 366, 150))),
    "heart of a flower": ("flower.jpg", ((254, 160, 306, 290),), ((310, 160, 364, 290),)),
    "blurred leaves": ("flower.jpg", ((0, 40, 160, 300),), ((460, 40, 640, 330),)),
}


@cache
def _photograph(name: str):
    from PIL import Image
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image(name))


def draw_patch(rng, target: int, split: str, index: int):
    """A square of 26 to 44 points from one of the region's rectangles, brought to 32 x 32, perhaps mirrored."""
    from PIL import Image

    region = tuple(REGIONS)[target]
    name, *areas = REGIONS[region]
    left, top, right, bottom = pick(rng, areas[split == "test"])
    side = int(rng.integers(26, min(44, right - left, bottom - top) + 1))
    x, y = int(rng.integers(left, right - side + 1)), int(rng.integers(top, bottom - side + 1))
    patch = _photograph(name).resize((32, 32), Image.Resampling.BILINEAR, box=(x, y, x + side, y + side))
    image = np.asarray(patch)[:, :: pick(rng, (1, -1))]
    image = (image.astype(np.int32) * int(rng.integers(85, 112)) // 100).clip(0, 255).astype(np.uint8)
    caption = pick(rng, (f"a detail of a photograph, {region}", f"close view of {region}", f"{region} in a photo"))
    return grain(image, rng, 4), caption


SETS = {"photographs": (tuple(REGIONS), draw_patch)}
