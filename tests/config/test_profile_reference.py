"""The reference of the profile is the schema's."""

import runpy
from pathlib import Path

from imbtool.config.schema import Profile

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_schema_says() -> None:
    made = runpy.run_path(str(DOCS / "profile_reference.py"))["reference"]()
    assert (DOCS / "profile.md").read_text(encoding="utf-8") == made
    for name in Profile.model_fields:
        assert f"## {name}\n" in made
