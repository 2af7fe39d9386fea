"""How many processes a command starts depends on what was asked for and on who started it."""

import pytest

from imbtool.distributed.launch import processes_to_start
from imbtool.errors import UserError


@pytest.mark.parametrize(
    ("asked", "devices", "started"),
    [
        (None, 0, 0),
        (None, 1, 0),
        (None, 8, 8),
        (1, 8, 0),
        (3, 8, 3),
        (2, 0, 2),
    ],
)
def test_by_default_one_process_a_gpu_and_one_without(asked, devices, started):
    assert processes_to_start(asked, {}, devices) == started


@pytest.mark.parametrize("asked", [None, 2])
def test_where_a_launcher_has_started_this_process_none_is_started_again(asked):
    assert processes_to_start(asked, {"RANK": "1", "WORLD_SIZE": "2"}, devices=2) == 0


@pytest.mark.parametrize(
    ("asked", "environment", "devices", "said"),
    [
        (4, {"RANK": "0", "WORLD_SIZE": "2"}, 4, "2 launched"),
        (4, {"RANK": "0", "WORLD_SIZE": "all"}, 4, "WORLD_SIZE=all"),
        (4, {}, 2, "2 visible GPUs"),
        (None, {"MASTER_PORT": "29500"}, 0, "MASTER_PORT"),
        (None, {"ACCELERATE_USE_FSDP": "true", "RANK": "0", "WORLD_SIZE": "2"}, 2, "FSDP"),
        (None, {"ACCELERATE_USE_DEEPSPEED": "true"}, 2, "DeepSpeed"),
    ],
    ids=[
        *("fewer launched", "no number", "fewer GPUs", "a launcher without ranks"),
        *("FSDP", "DeepSpeed"),
    ],
)
def test_what_would_not_run_as_asked_is_refused(asked, environment, devices, said):
    with pytest.raises(UserError, match=said):
        processes_to_start(asked, environment, devices)
