"""Images from strangers: bytes or a file become an RGB picture, or one clear line says why not."""

import io
import warnings
from pathlib import Path

from flopwise.core.errors import RunFailure

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF")  # no format that runs a program (EPS, PS, PDF)
MAX_PIXELS = 100_000_000  # a picture of 10,000 x 10,000; decoded it needs 300 MB


def open_image(source: bytes | Path | str, name: str | None = None, max_pixels: int = MAX_PIXELS):
    """The first frame of `source` as a decoded `PIL.Image` in mode RGB.

    Transparency is dropped, EXIF rotation is not applied (the published loaders do neither). Raises `RunFailure` for
    what is no image, is cut, has more than `max_pixels` pixels, or holds samples of more than 8 bits; `name` is what
    the message calls the image (default: the path)."""
    return decode(source, name, max_pixels, lambda image: _rgb(image))


def decode(source: bytes | Path | str, name: str | None, max_pixels: int, convert):
    """`convert(image)` of the opened, not yet decoded `PIL.Image`; every failure, a `ValueError` of `convert` too, is one
    line."""
    from PIL import Image, UnidentifiedImageError

    in_memory = isinstance(source, bytes)
    name = name or ("image" if in_memory else str(source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below
            with Image.open(io.BytesIO(source) if in_memory else source, formats=FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise RunFailure(f"{name}: {width} x {height} pixels, more than the {max_pixels:,} allowed")
                return convert(image)
    except (RunFailure, FileNotFoundError):
        raise
    except UnidentifiedImageError as error:
        raise RunFailure(f"{name}: cannot be read as an image (unknown format)") from error
    except Exception as error:  # decoders fail on hostile bytes in many ways; all mean the same
        raise RunFailure(f"{name}: cannot be read as an image ({error or type(error).__name__})") from error


def _rgb(image):
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"samples of more than 8 bits (mode {image.mode})")
    return image.convert("RGB")
