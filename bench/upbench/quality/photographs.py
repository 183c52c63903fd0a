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

Rgb = npt.NDArray[np.uint8]
"""An image of ``(H, W, 3)``."""


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

    def read(self) -> Rgb:
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


def training_photographs() -> dict[str, Rgb]:
    """Return those that networks may learn from, by name."""
    return {each.name: each.read() for each in PHOTOGRAPHS if not each.held_out}


def held_out_photographs() -> dict[str, Rgb]:
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


def read_image(file: Path) -> Rgb:
    """Return an image file's pixels as RGB.

    Raises:
        UsageError: it is no image.
    """
    try:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise UsageError(f"{file} is no image that can be read: {error}.") from error


def read_folder(folder: str | Path) -> dict[str, Rgb]:
    """Return the images of a folder by their names, in alphabetical order.

    Raises:
        UsageError: there are none, or one cannot be read.
    """
    endings = Image.registered_extensions()
    files = sorted(file for file in Path(folder).iterdir() if file.suffix.lower() in endings)
    if not files:
        raise UsageError(f"{folder} holds no images.")
    return {file.name: read_image(file) for file in files}
