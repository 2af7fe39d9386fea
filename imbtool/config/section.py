"""What all sections of the profile have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A part of the profile: unknown keys are refused, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def without_effect(self) -> set[str]:
        """Names of fields that other fields make idle: written, they would be refused."""
        return set()


def contradiction(found: str, expected: str, fix: str) -> PydanticCustomError:
    """What a section raises where its values contradict each other."""
    return PydanticCustomError(
        "imbtool", "{found}", {"found": found, "expected": expected, "fix": fix}
    )
