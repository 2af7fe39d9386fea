"""The command line in a process of its own; it imports little, since every trial does."""

import os
import resource
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import matplotlib

MEMORY = 8 * 2**30
"""Bytes that a command may take beside what is loaded when it starts."""


def run_command(words: Sequence[str], folder: str, told: Sequence[str]) -> None:
    """Be the command line, in a process of its own."""
    for number, path in zip((1, 2), told, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(folder)
    os.environ.update(HOME=f"{folder}/home", TMPDIR=f"{folder}/tmp", HF_HUB_OFFLINE="1")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # a further process looks for its list of fonts, and would write one into the home folder
    os.environ.setdefault("MPLCONFIGDIR", matplotlib.get_cachedir())
    import torch

    from imbtool.cli import app, common

    torch.set_num_threads(1)
    common.PIPED_WIDTH = 10_000  # a message is one line
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    sys.argv = ["imbtool", *words]
    try:
        app(list(words))
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
