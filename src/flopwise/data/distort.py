"""Random views of pictures as pure functions of uniform numbers: the same numbers give the same view, in whatever batch a
picture comes, so that what a model says of a view can be kept."""

import math

USES = 12  # uniform numbers that a view takes
DEFAULT = ("flip", "colour", "some-grey")  # the transfer's augmentation in arXiv 2310.17653, after its centre crop
NAMES = ("flip", "crop", "colour", "grey", "some-grey", "blur", "cutout")
LUMA = (0.299, 0.587, 0.114)
SHIFT, HOLE = 4, 10  # pixels at 32; in proportion for other sizes


def draw(count: int, seed: int, *names):
    """Uniform numbers float32 (count, USES) for a view of so many pictures."""
    import torch

    from flopwise.core.seeds import torch_generator

    return torch.rand(count, USES, generator=torch_generator(seed, *names))


def distorted(images, numbers, names=DEFAULT):
    """Views of `images`, float (B, 3, H, W) between 0 and 1, by `numbers` (B, USES); `names`: which of `NAMES`, applied in
    that order.

    flip: left to right in half of the cases. crop: moved by up to an eighth, edges repeated. colour: in 80 % of cases
    brightness, contrast and saturation times 0.2 to 1.8 and hue turned by up to 0.2 of the circle, in this order (torchvision
    draws the order; hue is turned in the YIQ plane). grey: always; some-grey: in 20 %. blur: mean of 3 x 3 in 70 %. cutout: a
    grey square at a random place."""
    for name in names:
        images = _VIEWS[name](images, numbers.to(images.device))
    return images


def _flip(images, u):
    return images.flip(3).where((u[:, 0] < 0.5)[:, None, None, None], images)


def _crop(images, u):
    import torch
    from torch.nn.functional import pad

    n, _, high, wide = images.shape
    most = SHIFT * high // 32
    padded = pad(images, (most,) * 4, mode="replicate")
    top, left = (1 + 2 * most) * u[:, 1], (1 + 2 * most) * u[:, 2]
    rows = top.long()[:, None] + torch.arange(high, device=u.device)
    columns = left.long()[:, None] + torch.arange(wide, device=u.device)
    index = torch.arange(n, device=u.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def coloured(images, u, strength: float = 1.0):
    """Brightness, contrast, saturation and hue moved in 80 % of the cases; all four are affine in colour: x -> M x + b, one
    product for all. strength s: factors 1 - 0.8 s to 1 + 0.8 s, hue by up to 0.2 s of the circle."""
    import torch

    n, least = len(images), 1 - 0.8 * strength
    brightness, contrast, saturation = (least + 1.6 * strength * u[:, k, None, None] for k in (3, 4, 5))
    angle = 2 * math.pi * 0.2 * strength * (2 * u[:, 6] - 1)
    luma = torch.tensor(LUMA, device=images.device)
    to_grey, eye = luma.expand(3, 3), torch.eye(3, device=images.device)
    mean = brightness[:, 0, 0] * (images.mean((2, 3)) @ luma)  # of the brightened picture's grey
    turn = _hue(angle, images.device)
    matrix = turn @ (saturation * eye + (1 - saturation) * to_grey)
    offset = (matrix @ ((1 - contrast[:, 0]) * mean[:, None]).expand(n, 3)[..., None])[..., 0]
    out = torch.baddbmm(offset[..., None], matrix * brightness * contrast, images.flatten(2)).view(images.shape)
    return out.clamp(0, 1).where((u[:, 7] < 0.8)[:, None, None, None], images)


def _hue(angle, device):
    """Turns of the chroma plane by `angle` (B,), as matrices (B, 3, 3) on RGB."""
    import torch

    to_yiq = torch.tensor([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)], device=device)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], 1).view(-1, 3, 3)
    return torch.linalg.inv(to_yiq) @ turn @ to_yiq


def greyed(images, u, share: float = 1.0):
    """Grey in a share of the cases."""
    import torch

    grey = torch.einsum("bchw,c->bhw", images, torch.tensor(LUMA, device=images.device))[:, None].expand_as(images)
    return grey.where((u[:, 8] < share)[:, None, None, None], images)


def _some_grey(images, u):
    return greyed(images, u, 0.2)


def _blur(images, u):
    from torch.nn.functional import avg_pool2d

    blurred = avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    return blurred.where((u[:, 9] < 0.7)[:, None, None, None], images)


def _cutout(images, u):
    import torch

    high, wide = images.shape[2:]
    hole = HOLE * high // 32
    inside = []
    for column, side in ((10, high), (11, wide)):
        first = ((side - hole + 1) * u[:, column]).long()[:, None]
        place = torch.arange(side, device=u.device)
        inside.append((place >= first) & (place < first + hole))
    covered = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(covered, 0.5)


_VIEWS = {
    "flip": _flip, "crop": _crop, "colour": coloured, "grey": greyed, "some-grey": _some_grey, "blur": _blur, "cutout": _cutout,
}  # fmt: skip
