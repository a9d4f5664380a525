"""Input adapters: what a modality brings -> the array (B, M, C) that the encoder reads (arXiv 2107.14795, section 3 and
appendix). Where parts are learned, they are the ones of the released code."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from flopwise.core.choices import check
from flopwise.core.errors import UserError
from flopwise.models.perceiver import positions, specs
from flopwise.models.perceiver.attention import linear, table, truncated


def check_shape(what: str, tensor: Tensor, shape: tuple[int | None, ...]) -> None:
    """Raise `UserError` unless `tensor` is (any batch, *shape); None: any size."""
    found = tuple(tensor.shape)
    if len(found) != len(shape) + 1 or any(want not in (None, side) for want, side in zip(shape, found[1:])):
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise UserError(f"{what} inputs have shape ({', '.join(map(str, found))}); expected (batch, {wanted})")


def blocks(frames: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """(B, T, C, H, W) -> (B, T', H', W', values): blocks of `patch` = (time, height, width), in each the colour last."""
    time, height, width = patch
    x = frames.unflatten(4, (-1, width)).unflatten(3, (-1, height)).unflatten(1, (-1, time))
    return x.permute(0, 1, 4, 6, 2, 5, 7, 3).flatten(4)


def neighbourhoods(pictures: Tensor, size: int) -> Tensor:
    """(B, 3, H, W) -> (B, H, W, size * size * 3): the pixels around each pixel, zeros outside, row by row, colour last."""
    height, width = pictures.shape[-2:]
    padded = pad(pictures, [size // 2] * 4)
    shifts = [padded[:, :, y : y + height, x : x + width] for y in range(size) for x in range(size)]
    return torch.cat(shifts, dim=1).permute(0, 2, 3, 1)


class Text(nn.Module):
    def __init__(self, spec: specs.Text):
        super().__init__()
        self.embedding = nn.Embedding(spec.symbols, spec.channels)
        truncated(self.embedding.weight, 1.0)
        self.positions = positions.LearnedPositions(specs.Learned(spec.length, spec.channels))

    def forward(self, symbols: Tensor) -> Tensor:
        """symbols int64 (B, M), M at most the spec's length."""
        check_shape("text", symbols, (None,))
        return self.embedding(symbols) + self.positions(symbols.shape[1:])


class ConvolutionStem(nn.Module):
    """7 x 7 convolution every 2 pixels, batch normalisation, ReLU, 3 x 3 maximum every 2: a quarter of each side.

    Padded as the original code pads: an even side by 2 before and 3 after, then by 0 and 1. transformers pads by 3 and 3
    and not before the maximum, which shifts the grid by a pixel and drops its last row and column (`padded` False).
    """

    def __init__(self, padded: bool):
        super().__init__()
        kernel, channels = specs.STEM_KERNEL, specs.STEM_CHANNELS
        self.padded = padded
        self.convolution = nn.Conv2d(specs.COLOURS, channels, kernel, stride=2, bias=False)
        truncated(self.convolution.weight, (specs.COLOURS * kernel**2) ** -0.5)
        self.norm = nn.BatchNorm2d(channels)
        self.maximum = nn.MaxPool2d(3, stride=2)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self._same(pictures, 7) if self.padded else pad(pictures, [3] * 4)
        x = self.norm(self.convolution(x)).relu()
        return self.maximum(self._same(x, 3) if self.padded else x)  # zeros outside: nothing is below zero

    @staticmethod
    def _same(x: Tensor, kernel: int) -> Tensor:
        """Zeros around, the larger half behind, so that a window every 2 pixels gives half of each side, rounded up."""
        missing = [max(0, kernel - (2 if side % 2 == 0 else 1)) for side in (x.shape[3], x.shape[2])]
        return pad(x, [part for n in missing for part in (n // 2, n - n // 2)])


class Image(nn.Module):
    """Pictures of another size than the spec's go through where positions are Fourier features."""

    def __init__(self, spec: specs.Image):
        super().__init__()
        self.patch = spec.patch
        self.stem = ConvolutionStem(padded=spec.stem == "conv") if spec.stem else None
        self.project = patch_embedding(spec.patch, spec.features) if spec.features and not spec.stem else None
        self.positions = positions.build(spec.positions)

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures float (B, 3, H, W)."""
        check_shape("image", pictures, (specs.COLOURS, None, None))
        specs.check_patches("image", tuple(pictures.shape[2:]), (self.patch, self.patch))
        if network := self.stem or self.project:
            x = network(pictures).permute(0, 2, 3, 1)
        else:
            x = blocks(pictures[:, None], (1, self.patch, self.patch))[:, 0]
        return _append(x.flatten(1, 2), self.positions(x.shape[1:3], pictures))


def patch_embedding(patch: int, features: int) -> nn.Conv2d:
    """A linear map of each patch of `patch` x `patch` pixels."""
    layer = nn.Conv2d(specs.COLOURS, features, patch, stride=patch)
    truncated(layer.weight, (specs.COLOURS * patch**2) ** -0.5)
    nn.init.zeros_(layer.bias)
    return layer


class FramePair(nn.Module):
    def __init__(self, spec: specs.FramePair):
        super().__init__()
        self.spec = spec
        self.project = linear(spec.values, spec.features)
        self.positions = positions.build(spec.positions)

    def forward(self, frames: Tensor) -> Tensor:
        """frames float (B, 2, 3, H, W), or (B, 2, values, H, W) with the pixels around each already gathered, as
        transformers takes them; the elements of the first frame come first."""
        around = specs.COLOURS * self.spec.neighbourhood**2
        if frames.ndim == 5 and frames.shape[2] == around:
            check_shape("frame pair", frames, (2, around, *self.spec.size))
            each = frames.movedim(2, 4)
        else:
            check_shape("frame pair", frames, (2, specs.COLOURS, *self.spec.size))
            each = neighbourhoods(frames.flatten(0, 1), self.spec.neighbourhood).unflatten(0, (-1, 2))
        grid = (2, *self.spec.size) if self.spec.apart else self.spec.size
        x = each.flatten(1, 3) if self.spec.apart else each.movedim(1, 3).flatten(1, 2).flatten(2)
        return _append(self.project(x), self.positions(grid, frames))


class Video(nn.Module):
    def __init__(self, spec: specs.Video):
        super().__init__()
        self.spec = spec
        self.positions = positions.build(spec.positions)

    def forward(self, frames: Tensor) -> Tensor:
        """frames float (B, T, 3, H, W)."""
        check_shape("video", frames, (self.spec.frames, specs.COLOURS, *self.spec.size))
        return _append(blocks(frames, self.spec.patch).flatten(1, 3), self.positions(self.spec.grid, frames))


class Audio(nn.Module):
    def __init__(self, spec: specs.Audio):
        super().__init__()
        self.spec = spec
        self.positions = positions.build(spec.positions)

    def forward(self, samples: Tensor) -> Tensor:
        """samples float (B, samples), or (B, samples, 1)."""
        samples = samples.squeeze(2) if samples.ndim == 3 else samples
        check_shape("audio", samples, (self.spec.samples,))
        return _append(samples.unflatten(1, (-1, self.spec.patch)), self.positions((self.spec.elements,), samples))


class Label(nn.Module):
    def __init__(self, spec: specs.Label):
        super().__init__()
        self.classes = spec.classes

    def forward(self, one_hot: Tensor) -> Tensor:
        """one_hot float (B, classes)."""
        check_shape("label", one_hot, (self.classes,))
        return one_hot[:, None]


class Units(nn.Module):
    def __init__(self, spec: specs.Units):
        super().__init__()
        self.spec = spec
        self.project = linear(spec.features, spec.width) if spec.width else None

    def forward(self, units: Tensor) -> Tensor:
        """units float (B, n, features), n at most the spec's units."""
        check_shape("unit set", units, (None, self.spec.features))
        if units.shape[1] > self.spec.units:
            raise UserError(f"a set of {units.shape[1]} units is too large; the model takes at most {self.spec.units}")
        return units if self.project is None else self.project(units)


class Multimodal(nn.Module):
    def __init__(self, spec: specs.Multimodal):
        super().__init__()
        self.spec, names = spec, sorted(spec.parts)
        self.parts = nn.ModuleDict({name: build(spec.parts[name]) for name in names})
        self.padding = nn.ParameterDict({name: table(1, spec.channels - spec.parts[name].channels) for name in names})
        self.mask = nn.ParameterDict({name: table(1, spec.channels) for name in names if spec.mask_tokens})

    def forward(self, inputs: dict[str, Tensor], hidden: dict[str, Tensor] | None = None) -> Tensor:
        """inputs: modality -> its array; hidden: modality -> bool (B, its elements), True: the mask token stands in.
        Modalities in the spec's `hidden` of which nothing is said are hidden as a whole and need not be given."""
        arrays, hidden, silent = [], hidden or {}, set(self.spec.hidden) - set(hidden or {})
        for name in hidden:
            check("modality with mask tokens", name, self.mask)
        if (wanted := self.parts.keys() - silent) - inputs.keys() or inputs.keys() - self.parts.keys():
            raise UserError(
                f"modalities given: {', '.join(sorted(inputs)) or 'none'}; expected: {', '.join(sorted(wanted))}"
            )
        examples = len(next(iter(inputs.values())))
        for name, part in self.parts.items():
            if name in silent:
                x = self.mask[name].expand(examples, self.spec.parts[name].elements, -1)
            else:
                x = pad_channels(part(inputs[name]), self.padding[name])
            if name in hidden:
                check_shape(f"hidden {name}", hidden[name], (x.shape[1],))
                x = torch.where(hidden[name][:, :, None], self.mask[name], x)
            arrays.append(x)
        return torch.cat(arrays, dim=1)


def pad_channels(x: Tensor, padding: Tensor) -> Tensor:
    """(B, n, channels) with `padding` (1, more channels) behind every element."""
    return torch.cat([x, padding.expand(*x.shape[:2], -1)], dim=2)


def _append(x: Tensor, position: Tensor) -> Tensor:
    """Features, then positions: (B, M, C)."""
    return torch.cat([x, position.to(x.dtype).expand(len(x), -1, -1)], dim=2)


ADAPTERS = {
    specs.Text: Text, specs.Image: Image, specs.FramePair: FramePair, specs.Video: Video, specs.Audio: Audio,
    specs.Label: Label, specs.Units: Units, specs.Multimodal: Multimodal,
}  # fmt: skip


def build(spec) -> nn.Module:
    return ADAPTERS[type(spec)](spec)
