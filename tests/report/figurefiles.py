"""The files of figures, as a person would look at them."""

from pathlib import Path

from matplotlib.image import imread


def require_picture(path: Path) -> None:
    """Fail unless a file is a PNG image of some size with something on it."""
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = imread(path)
    assert min(pixels.shape[:2]) > 200
    assert pixels[..., :3].std() > 0.02, "an empty image"
