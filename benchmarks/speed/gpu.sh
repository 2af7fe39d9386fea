#!/usr/bin/env bash
# Training speed on a CUDA card, beside transformers.Trainer: bash benchmarks/speed/gpu.sh
#
# The model has the shape of RoBERTa base and random weights, made here: no network is needed, and
# speed does not depend on what weights are. Texts have exactly 128, then exactly 512 tokens, so
# that nothing is padding. PYTHON names another interpreter than .venv/bin/python.
#
# What to look for, in the row `imbtool`:
#   / best      at least 1: no slower than Trainer with its best flags. At 512 tokens all of them
#               wait for the same matrix products and the ratio comes close to 1; at 128 a step is
#               short, so launches and waits of the CPU show, and a ratio below 1 means such waits.
#   of peak     the model's share of the card's own matrix products (MFU), measured in the same run.
#               It should rise from 128 to 512 tokens. It leaves the operations of attention out,
#               which at 512 tokens would add about a tenth.
#   memory      no more than the row of Trainer at its best.
#   min-max     within a few per cent; a wide one means another process on the card.
set -euo pipefail

python=${PYTHON:-.venv/bin/python}
device=${DEVICE:-cuda}
export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-0} # one card: Trainer would take them all
export TOKENIZERS_PARALLELISM=true

"$python" - "$device" <<'PYTHON'
import sys

import torch

if sys.argv[1] == "cuda":
    if not torch.cuda.is_available():
        sys.exit(
            "benchmarks/speed/gpu.sh: torch sees no CUDA card. It needs one, with its driver, and a "
            "torch that was built for CUDA (see https://pytorch.org/get-started/locally)."
        )
    card = torch.cuda.get_device_properties(0)
    bf16 = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no bf16: fp32"
    print(f"{card.name}, {card.total_memory / 2**30:.0f} GiB, {bf16}; torch {torch.__version__}")
PYTHON

encoder=$(mktemp -d)
trap 'rm -rf "$encoder"' EXIT
"$python" - "$encoder" <<'PYTHON'
import sys

import torch
from transformers import AutoTokenizer, RobertaConfig, RobertaModel

from imbtool.model.encoder_files import BUNDLED, encoder_folder

tokenizer = AutoTokenizer.from_pretrained(encoder_folder(BUNDLED), model_max_length=512)
config = RobertaConfig(
    vocab_size=len(tokenizer),
    max_position_embeddings=514,  # the first ones stand for padding
    pad_token_id=tokenizer.pad_token_id,
    bos_token_id=tokenizer.cls_token_id,
    eos_token_id=tokenizer.sep_token_id,
)
torch.manual_seed(0)
RobertaModel(config).save_pretrained(sys.argv[1])
tokenizer.save_pretrained(sys.argv[1])
PYTHON

test -f data/sample/train.csv || "$python" data/generate.py
for tokens in 128 512; do
    printf '\n%s tokens a text, 32 texts a step\n' "$tokens"
    "$python" -m benchmarks.speed.throughput --data data/sample --device "$device" --encoder "$encoder" \
        --learning-rate 3e-5 --tokens "$tokens" "$@"
done
