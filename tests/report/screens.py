"""What a person sees of the views of a document."""

from collections.abc import Iterable

from rich.console import Console, RenderableType


def printed(views: Iterable[RenderableType], width: int = 160) -> str:
    """Views on a screen of this width, without colours."""
    console = Console(width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        for view in views:
            console.print(view)
    return capture.get()
