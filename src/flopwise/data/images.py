"""Images from strangers: bytes or a file become an RGB picture, or one clear line says why not; their small copies."""

import io
import warnings
from pathlib import Path

from flopwise.core.errors import RunFailure

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "GIF", "WEBP", "TIFF")  # none of them runs another program (EPS, PS, PDF do)
MAX_PIXELS = 100_000_000  # of any picture, looked at before it is decoded: 10,000 x 10,000 need 300 MB
SHORTER_SIDE, MAX_SIDE = 224, 65_500  # of copies; Pillow's JPEG encoder takes no more
warnings.filterwarnings("ignore", message="Image size .* exceeds limit")  # Pillow's limit; ours is looked at
warnings.filterwarnings("ignore", message="Palette images with Transparency")


def decode(source, name: str | None, convert):
    """`convert(image)` of the opened, not yet decoded `PIL.Image`; `source`: encoded bytes, a path or a binary stream.

    Raises `RunFailure`, one line with `name` (default: the path), for what is missing, is no image, is damaged or has
    more than `MAX_PIXELS` pixels, and for a `ValueError` of `convert`."""
    from PIL import Image, UnidentifiedImageError

    in_memory = isinstance(source, bytes)
    name = name or ("image" if in_memory else str(source))
    try:
        with Image.open(io.BytesIO(source) if in_memory else source, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise RunFailure(f"{name}: {width} x {height} pixels, more than the {MAX_PIXELS:,} allowed")
            return convert(image)
    except RunFailure:
        raise
    except FileNotFoundError as error:
        raise RunFailure(f"{name} is missing") from error
    except Image.DecompressionBombError as error:  # far more: Pillow does not even open it
        raise RunFailure(f"{name}: more pixels than the {MAX_PIXELS:,} allowed") from error
    except UnidentifiedImageError as error:
        raise RunFailure(f"{name}: cannot be read as an image (unknown format)") from error
    except Exception as error:  # decoders fail on hostile bytes in many ways; all mean the same
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunFailure(f"{name}: cannot be read as an image ({reason})") from error


def open_image(source, name: str | None = None, box: tuple[int, int, int, int] | None = None):
    """The first frame of `source`, or the part of it in `box` (left, upper, right, lower in pixels; black beyond the
    picture), as a decoded `PIL.Image` in mode RGB, see `decode`. Transparency is dropped, EXIF rotation is not applied,
    samples of 16 bits are clipped (the published loaders do just that)."""
    return decode(source, name, lambda image: _part(image.convert("RGB"), box) if box else image.convert("RGB"))


def open_frame(path: Path | str):
    """As `open_image`; samples of more than 8 bits are refused."""
    return decode(path, None, _eight_bits)


def check_header(content: bytes, name: str | None = None) -> None:
    """Raise `RunFailure` where `content` does not begin as an image of allowed format and size; nothing is decoded."""
    decode(content, name, lambda image: None)


def small_copy(image) -> bytes:
    """The image with its shorter side at 224 pixels (bicubic), as JPEG; an image that is no larger is kept as it is,
    without loss, as PNG. Raises `RunFailure` where it is too long for a JPEG."""
    from PIL import Image

    width, height = image.size
    shorter, stream = min(width, height), io.BytesIO()
    if shorter <= SHORTER_SIDE:
        image.save(stream, "PNG")
        return stream.getvalue()
    size = (SHORTER_SIDE * width // shorter, SHORTER_SIDE * height // shorter)
    if max(size) > MAX_SIDE:
        raise RunFailure(f"{width} x {height} pixels: a copy would have a side of more than the {MAX_SIDE:,} of a JPEG")
    image.resize(size, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def _part(image, box: tuple[int, int, int, int]):
    wide, high = box[2] - box[0], box[3] - box[1]
    if min(wide, high) <= 0 or wide * high > MAX_PIXELS:
        raise ValueError(f"the box {box} is empty or has more than the {MAX_PIXELS:,} pixels allowed")
    return image.crop(box)


def _eight_bits(image):
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"samples of more than 8 bits (mode {image.mode})")
    return image.convert("RGB")
