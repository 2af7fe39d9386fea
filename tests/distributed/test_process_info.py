"""How many processes a launcher has started."""

import pytest

from imbtool.distributed.process_info import world_size
from imbtool.errors import UserError


@pytest.mark.parametrize(
    ("environment", "processes"),
    [
        ({}, 1),
        ({"LOCAL_RANK": "3"}, 1),
        ({"WORLD_SIZE": "1"}, 1),
        ({"RANK": "0", "WORLD_SIZE": "1"}, 1),
        ({"RANK": "9", "WORLD_SIZE": "16", "LOCAL_RANK": "1"}, 16),
        ({"RANK": "9", "WORLD_SIZE": "16"}, 16),
    ],
    ids=[
        *("alone", "with a variable of others", "told to be alone", "torchrun of one"),
        *("torchrun", "another launcher"),
    ],
)
def test_launchers_number_processes_through_the_environment(environment, processes):
    assert world_size(environment) == processes


@pytest.mark.parametrize(
    "environment",
    [
        {"RANK": "1"},
        {"WORLD_SIZE": "2"},
        {"RANK": "2", "WORLD_SIZE": "2"},
        {"RANK": "-1", "WORLD_SIZE": "2"},
        {"RANK": "one", "WORLD_SIZE": "2"},
        {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": ""},
    ],
    ids=str,
)
def test_numbers_that_contradict_each_other_are_refused(environment):
    with pytest.raises(UserError, match="set both as torchrun does, or unset both"):
        world_size(environment)
