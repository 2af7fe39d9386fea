"""What is not sound stops the run and says where, with what, and what to change."""

import math

import pytest

from imbtool.errors import UserError
from imbtool.training.health import out_of_memory, require_finite


def test_finite_numbers_pass():
    require_finite(loss=0.3, norm=2.0, step=7, rows=[1, 2], rate=1e-4)


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (0.3, math.inf)])
def test_a_number_that_is_not_finite_names_step_texts_rate_and_remedy(loss, norm):
    with pytest.raises(UserError) as caught:
        require_finite(loss, norm, step=7, rows=[41, 5], rate=1e-4)
    for part in ("step 7", "41, 5", "0.0001", "training.learning_rate", "fp32"):
        assert part in str(caught.value)


def test_out_of_memory_names_the_batch_and_the_keys_that_shrink_it():
    message = str(out_of_memory(6, (32, 256)))
    for part in ("step 7", "32 texts of 256 tokens", "training.batch_size", "model.max_length"):
        assert part in message
