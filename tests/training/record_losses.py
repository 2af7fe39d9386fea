"""Train in however many processes have been launched; the first writes every step's loss.

record_losses.py OUT RUN KEY=VALUE ...
"""

import json
import sys
from pathlib import Path

import torch

from imbtool.config.reader import parse_override, read_profile
from imbtool.events import EpochEvent, Event, StepEvent, of_kind
from imbtool.training.run import train


def main(out: Path, run: Path, settings: list[str]) -> None:
    """Train `profile.yaml` of the current folder and write losses and the last epoch's event."""
    torch.set_num_threads(1)
    events: list[Event] = []
    profile = read_profile(Path("profile.yaml"), [parse_override(text) for text in settings])
    train(profile, run, events.append, sys.argv)
    if events:
        losses = [step.loss for step in of_kind(events, StepEvent)]
        last = of_kind(events, EpochEvent)[-1].model_dump()
        out.write_text(json.dumps({"losses": losses, "epoch": last}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
