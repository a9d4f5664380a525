"""Open one image safely; make its small copy."""

import io
import struct
import warnings

from flopwise.core.errors import RunFailure
from flopwise.data.tree import Tree

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "GIF", "WEBP", "TIFF")  # none of them runs another program
SHORTER_SIDE = 224


def open_source(tree: Tree, source):
    """The image at `source` (path, index or None, box or None) as a PIL image in RGB."""
    if source.index is not None:
        from PIL import Image

        from flopwise.data.arrays import image_array

        return Image.fromarray(image_array(tree, source.path, source.index)).convert("RGB")
    with tree.open(source.path) as stream:
        image = open_image(stream, str(tree.where / source.path))
    return image.crop(source.box).convert("RGB") if source.box else image


def open_image(stream, where: str):
    """Decode an image to RGB. Raises `RunFailure` naming `where` for what is no image, is damaged, or has more pixels
    than PIL allows."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", message="Palette images with Transparency", category=UserWarning)
            return Image.open(stream, formats=FORMATS).convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RunFailure(f"{where}: refused, more pixels than {Image.MAX_IMAGE_PIXELS:,}") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, MemoryError) as error:
        reason = "not an image" if isinstance(error, Image.UnidentifiedImageError) else f"damaged image: {error}"
        raise RunFailure(f"{where}: {reason}") from error


def small_copy(image) -> bytes:
    """The image with its shorter side at 224 pixels (bicubic), as JPEG; an image that is no larger is kept as it is,
    without loss, as PNG."""
    from PIL import Image

    width, height = image.size
    shorter, stream = min(width, height), io.BytesIO()
    if shorter <= SHORTER_SIDE:
        image.save(stream, "PNG")
        return stream.getvalue()
    size = (SHORTER_SIDE * width // shorter, SHORTER_SIDE * height // shorter)
    image.resize(size, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=95)
    return stream.getvalue()
