"""The photographs that quality is measured on: those that come with installed libraries, or a folder of one's own.

The split into training and held-out photographs is fixed for good: no upsampler is ever judged by what it has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from skimage import data

from upbench.errors import UsageError

Pixels = npt.NDArray[np.uint8]
"""An image of ``(H, W, 3)``, or of ``(H, W)`` where it is grey."""

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""Of files that are images without a doubt; Pillow would open more, documents among them."""


@dataclass(frozen=True)
class Photograph:
    """A photograph that a library ships.

    Attributes:
        name: of its file without the ending.
        package: the library.
        file: within the library.
        licence: under which it is shipped, and whose it is.
        held_out: whether it is kept for judging rather than training.
    """

    name: str
    package: str
    file: str
    licence: str
    held_out: bool

    def read(self) -> Pixels:
        """Return its pixels."""
        return read_image(_folder_of(self.package) / self.file)


PHOTOGRAPHS = (
    Photograph("astronaut", "skimage", "astronaut.png", "public domain, NASA", held_out=False),
    Photograph("rocket", "skimage", "rocket.jpg", "public domain, SpaceX", held_out=False),
    Photograph("flower", "sklearn", "flower.jpg", "CC BY 2.0, danielbuechele", held_out=False),
    Photograph("hubble", "skimage", "hubble_deep_field.jpg", "public domain, NASA", held_out=False),
    Photograph("grass", "skimage", "grass.png", "CC0, linolafett", held_out=False),
    Photograph("gravel", "skimage", "gravel.png", "CC0, CC0 Textures", held_out=False),
    Photograph("chelsea", "skimage", "chelsea.png", "CC0, Stéfan van der Walt", held_out=True),
    Photograph("china", "sklearn", "china.jpg", "CC BY 2.0, danielbuechele", held_out=True),
    Photograph("coffee", "skimage", "coffee.png", "CC0, Rachel Michetti", held_out=True),
    Photograph("camera", "skimage", "camera.png", "CC0, Lav Varshney", held_out=True),
    Photograph("coins", "skimage", "coins.png", "no known restrictions, Brooklyn Museum", held_out=True),
    Photograph("brick", "skimage", "brick.png", "CC0, CC0 Textures", held_out=True),
)
"""With the licences that the libraries name; those of which they name none are left out, and so are drawings, text and
medical images."""


def training_photographs() -> dict[str, Pixels]:
    """Return those that networks may learn from, by name."""
    return {each.name: each.read() for each in PHOTOGRAPHS if not each.held_out}


def held_out_photographs() -> dict[str, Pixels]:
    """Return those that networks are judged by, by name."""
    return {each.name: each.read() for each in PHOTOGRAPHS if each.held_out}


def _folder_of(package: str) -> Path:
    if package == "skimage":
        return Path(data.data_dir)
    # Not imported: that takes a second, and only its folder is wanted.
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "datasets" / "images"


def read_image(file: Path) -> Pixels:
    """Return an image file's pixels: RGB, without transparency, or grey where it has but one channel.

    Raises:
        UsageError: it is no image, or one whose values are not whole numbers of 8 or 16 bits.
    """
    try:
        with Image.open(file) as image:
            if image.mode.startswith("I"):
                return np.asarray((np.asarray(image, dtype=np.float64) / 257).round().clip(0, 255), dtype=np.uint8)
            if image.mode == "F":
                raise UsageError(f"{file} holds fractions; images of 8 or 16 bits can be judged.")
            return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"{file} is no image that can be read: {error}.") from error


def files_of(folder: str | Path) -> list[Path]:
    """Return the images of a folder in alphabetical order; hidden files are none.

    Raises:
        UsageError: there are none.
    """
    found = [file for file in Path(folder).iterdir() if file.suffix.lower() in ENDINGS and file.name[0] != "."]
    if not found:
        raise UsageError(f"{folder} holds no images ({', '.join(ENDINGS)}).")
    return sorted(found)
