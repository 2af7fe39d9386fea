"""Which of several processes this is."""

import pytest

from imbtool.distributed.process_info import ProcessInfo, read_process_info
from imbtool.errors import UserError


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, ProcessInfo(0, 1, 0)),
        ({"LOCAL_RANK": "3"}, ProcessInfo(0, 1, 0)),
        ({"WORLD_SIZE": "1"}, ProcessInfo(0, 1, 0)),
        ({"RANK": "9", "WORLD_SIZE": "16", "LOCAL_RANK": "1"}, ProcessInfo(9, 16, 1)),
        ({"RANK": "9", "WORLD_SIZE": "16"}, ProcessInfo(9, 16, 9)),
    ],
    ids=["alone", "with a variable of others", "told to be alone", "torchrun", "a job array"],
)
def test_launchers_number_processes_through_the_environment(environment, place):
    assert read_process_info(environment) == place


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
def test_numbers_that_would_leave_files_to_nobody_are_refused(environment):
    with pytest.raises(UserError, match="number the tasks of a job array from 0"):
        read_process_info(environment)
