"""A decoder so small that tests can look into it, and documents that it learns in seconds."""

import numpy as np
import torch

from genwright.contract import BEGIN, END, DataSpec
from genwright.data.token_batches import TokenExamples
from genwright.models.gpt import GPT

SPEC = DataSpec("tokens", (17,), vocabulary=12)
SMALL = {"width": 32, "depth": 2, "head": 8, "length": 12}
DRAWS = {
    "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition": 1.0, "guidance": 1.0, "rank": 0, "alpha": 1.0,
}  # fmt: skip


def gpt(**changes):
    """A small one whose blocks do something: at first they are nothing."""
    torch.manual_seed(0)
    model = GPT(SPEC, **{**SMALL, "key_heads": 0, "mixing": 3, "counts": 0, **DRAWS, **changes}).eval()
    with torch.no_grad():
        for parameter in model.net.blocks.parameters():
            parameter.normal_(std=0.2)
    return model


def counting(documents=200, seed=0):
    """Documents that count upwards from 3 to 9 from a place of their own, round and round, then end."""
    random = np.random.default_rng(seed)
    coded = []
    for _ in range(documents):
        tokens = [BEGIN, *(3 + (random.integers(0, 7) + np.arange(random.integers(3, 9))) % 7), END]
        coded.append((np.array(tokens), np.arange(len(tokens)) > 0))
    return TokenExamples.written(coded, 16, dtype=np.uint16)
