"""Knowledge distillation: a run whose model learns from the labels and from trained models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imbtool.config.schema import Profile
from imbtool.distillation.teachers import Teachers, Tell
from imbtool.errors import user_error
from imbtool.events import Emit, ignore
from imbtool.training.run import RunResult, train
from imbtool.training.setup import RunInputs


def distil(
    teachers: Sequence[Path],
    profile: Profile,
    folder: Path,
    emit: Emit = ignore,
    command: Sequence[str] = (),
    trackers: Sequence[str] = (),
    tell: Tell = lambda _: None,
    trust_remote_code: bool = False,
) -> RunResult:
    """Train a student by a profile, with the mean logits of teachers as soft targets.

    The student learns from the training texts, and from the texts of `data.unlabelled` if the
    profile names that table. What the teachers say is kept in the run folder, so
    `imbtool.training.run.resume` needs no teacher.

    Args:
        teachers: runs or checkpoints.
        profile: of the student, resolved.
        folder: of the run; it must not exist.
        emit: called with every event, as by `train`.
        command: the command line, for the manifest.
        trackers: names of experiment trackers that log the run.
        tell: called with a line of progress now and then, while the teachers read.
        trust_remote_code: whether to run code that comes with a teacher.

    Raises:
        UserError: as by `train`; or a teacher or the unlabelled table cannot be used, or a teacher
            has other labels.
        Stopped: a signal requested it; the state is saved.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import distil, read_profile
        >>> profile = read_profile(Path("profile.yaml"))
        >>> result = distil([Path("runs/first")], profile, Path("runs/student"))
        >>> result.checkpoint.name
        'checkpoint'
    """
    if not teachers:
        raise user_error("TEACHER", "no teacher", "a run or a checkpoint", "name one or several")
    teach = Teachers(teachers, tell, trust_remote_code)
    inputs = RunInputs(profile, folder, teach=teach)
    return train(profile, folder, emit, command, trackers, inputs)
