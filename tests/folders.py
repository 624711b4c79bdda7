"""Small pretrained models made on the spot, each in a folder as others publish them; their tests skip without the extra."""

import functools
import tempfile
from pathlib import Path

import pytest
import torch

from coded_texts import TRAIN
from genwright.codecs.text import TextCodec
from genwright.contract import DataSpec
from genwright.data.documents import Document
from genwright.data.token_batches import TokenExamples
from genwright.models.pretrained import Pretrained
from genwright.networks import foreign

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

CONTEXT = 32
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}
CONFIGS = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "llama": {**SIZES, "intermediate_size": 64, "num_key_value_heads": 2, "tie_word_embeddings": False},
    "gemma3_text": {**SIZES, "intermediate_size": 64, "num_key_value_heads": 1, "head_dim": 8, "pad_token_id": 0},
    "phi": {**SIZES, "intermediate_size": 64},
}
DRAWS = {"length": 12, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition": 1.0, "guidance": 1.0}


def make(folder: Path, kind: str = "llama", tokenizer=None, **changes) -> Path:
    """A folder as `save_pretrained` leaves it, with a byte-level tokenizer of 300 pieces and two special ones."""
    if tokenizer is None:
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = tokenizers.decoders.ByteLevel()
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator(TRAIN, trainer)
    size = tokenizer.get_vocab_size() + 7  # rows that no piece has, as in many published models
    config = {"vocab_size": size, "bos_token_id": 0, "eos_token_id": 1, **CONFIGS[kind], **changes}
    torch.manual_seed(1)
    net = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(kind, **config))
    for parameter in net.parameters():
        if parameter.ndim > 1:  # so that what is attended to matters
            torch.nn.init.normal_(parameter, std=0.2)
    foreign.transformers_library()  # keeps the progress bar away
    net.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@functools.cache
def letters() -> Path:
    """A tiny model whose pieces are nine letters: as many as the small coded documents of `coded.py` have."""
    words = {letter: at for at, letter in enumerate("abcdefghi")}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="a"))
    return make(Path(tempfile.mkdtemp(prefix="genwright-letters-")), tokenizer=tokenizer)


def build(folder: Path, spec: DataSpec, *, rank: int = 4, **changes) -> Pretrained:
    torch.manual_seed(0)
    return Pretrained(spec, folder=str(folder), rank=rank, alpha=2.0 * rank, **{**DRAWS, **changes})


def codec_of(folder: Path, context: int = CONTEXT) -> TextCodec:
    return TextCodec.fit([Document.of(TRAIN[0])], tokeniser=f"folder:{folder}", context=context)


def coded_texts(codec: TextCodec, texts: list[str], *, overlapping: bool = True) -> TokenExamples:
    documents = codec.encode_all([Document.of(text) for text in texts])
    return TokenExamples.written(documents, codec.context, dtype=codec.dtype, overlapping=overlapping)
