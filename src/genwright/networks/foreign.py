"""Causal language models of other people, as the `transformers` library builds them, over our own tokens.

Their embeddings and heads are replaced by those of `vocabulary.py`, which have our special tokens too. Read
`models/pretrained.py` next: it trains these networks.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genwright.contract import BEGIN, END
from genwright.errors import GenwrightError
from genwright.networks.adapters import adapt
from genwright.networks.vocabulary import Head, Table, rows

HUB = "hub:"
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
NEEDED = {"position_ids", "attention_mask", "cache", "logits_to_keep"}
"""Arguments of a network that can read packed documents and go on from what it has read."""

DROPPED = ("auto_map", "quantization_config", "torch_dtype", "dtype", "attn_implementation")
"""Of a config, as are names that begin with "_": code, and formats of weights."""

Architecture = Mapping[str, Any]
"""All that builds a network but its weights, as JSON values: `config` of the library, `offset` special tokens, `pieces`, and
the `scale` of its embeddings."""


class ForeignReader:
    """Reads texts side by side and keeps what attention needs of them (a `networks.drawing.Selective` reader)."""

    def __init__(self, net: Any) -> None:
        self.net, self.length = net, 0
        self.cache = transformers_library().DynamicCache(config=net.config)

    def read(self, tokens: Tensor) -> Tensor:
        """As in `networks.drawing.Reader`."""
        places = torch.arange(self.length, self.length + tokens.shape[1], device=tokens.device).expand_as(tokens)
        self.length += tokens.shape[1]
        found = self.net(input_ids=tokens, position_ids=places, cache=self.cache, use_cache=True, logits_to_keep=1)
        return found.logits[:, -1]

    def select(self, texts: Tensor) -> None:
        """As in `networks.drawing.Selective`."""
        self.cache.batch_select_indices(texts)


def transformers_library() -> Any:
    """The `transformers` module, told to be quiet. GW-0186 when it is not installed."""
    try:
        import transformers
    except ImportError:
        raise GenwrightError(
            "GW-0186", "Pretrained models need the package 'transformers'", "pip install 'genwright[hub]'"
        ) from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def local_folder(name: str) -> Path:
    """The folder that a setting names: a path, or `hub:owner/name`, which is downloaded unless it was before, without any
    pickled file. GW-0184 when that fails, GW-0186 without the extra."""
    if not name.startswith(HUB):
        return Path(name).expanduser()
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise GenwrightError("GW-0186", f"{name!r} needs a package", "pip install 'genwright[hub]'") from None
    try:
        return Path(snapshot_download(name.removeprefix(HUB), allow_patterns=["*.json", "*.safetensors"]))
    except Exception as error:  # the library raises many kinds
        raise GenwrightError(
            "GW-0184", f"{name!r} cannot be downloaded: {_reason(error)}", "Check the name, or give a local folder"
        ) from None


def read(name: str, vocabulary: int, context: int) -> tuple[nn.Module, Architecture]:
    """The network in the folder `name`, for a codec of `vocabulary` tokens whose pieces are those of its tokenizer.json.

    Weights become float32; special tokens start as the model's own begin and end, or near the mean of all pieces, drawn from
    torch's global generator. GW-0184: there is no model, or none that can be used so; GW-0185: its weights are pickled;
    GW-0186: the extra is missing; GW-0187: the vocabulary is not the folder's.
    """
    folder = Path(name).expanduser()
    if not name or not folder.is_dir():
        raise GenwrightError("GW-0184", f"There is no folder {name!r} with a pretrained model", "--model.folder PATH")
    config, pieces = _config_file(folder), _pieces(folder)
    offset = vocabulary - pieces
    if offset <= END:
        raise GenwrightError(
            "GW-0187",
            f"The texts were cut into {vocabulary} tokens, but {str(folder)!r} has {pieces} pieces of its own",
            f"--text.tokeniser folder:{folder}",
        )
    net = _loaded(folder, config)
    _check(net, folder, context)
    architecture = {"config": config, "offset": offset, "pieces": pieces, "scale": _scale(net, folder)}
    _put_tables(net, architecture)
    _check_law(net, folder, offset)
    return net, architecture


def build(architecture: Architecture) -> nn.Module:
    """The network with fresh weights, to be loaded. ValueError when the architecture is damaged, GW-0186 without the extra."""
    models = transformers_library().AutoModelForCausalLM
    try:
        net = models.from_config(
            _configured(architecture["config"]),
            trust_remote_code=False,
            dtype=torch.float32,
            attn_implementation="sdpa",
        )
        _put_tables(net, architecture)
    except Exception as error:  # whatever is in the file
        raise ValueError(_reason(error)) from None
    return net.eval()


def freeze(net: Any, rank: int, alpha: float) -> None:
    """Leave only adapters of the linear layers, and the rows of our special tokens, to be trained."""
    from transformers.pytorch_utils import Conv1D

    adapt(net, rank, alpha, kinds=(nn.Linear, Conv1D))
    for module in net.modules():
        if isinstance(module, Table):
            module.special.requires_grad_(True)


def packed(tokens: Tensor) -> tuple[Tensor, Tensor | None]:
    """(B, T) the place of each token in its document, and (B, 1, T, T) bool, the earlier places of the same document; None
    where each window is one document's."""
    begins = tokens == BEGIN
    places = torch.arange(tokens.shape[1], device=tokens.device)
    start = torch.where(begins, places, 0).cummax(dim=1).values
    if not bool(begins[:, 1:].any()):
        return places - start, None
    return places - start, ((start[:, :, None] == start[:, None, :]) & (places[:, None] >= places))[:, None]


def _config_file(folder: Path) -> dict[str, Any]:
    """What config.json says, once it is clear that the weights can be read."""
    if not (folder / "config.json").is_file():
        raise _unusable(folder, "there is no config.json")
    if not any(folder.glob("*.safetensors")):
        if any(any(folder.glob(pattern)) for pattern in PICKLED):
            raise GenwrightError(
                "GW-0185",
                f"The weights in {str(folder)!r} are pickled: reading them could run any code",
                "Get the model's .safetensors files",
            )
        raise _unusable(folder, "there are no .safetensors weights")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config.get("quantization_config"):
            raise _unusable(folder, "its weights are quantised")
        return _plain(config)
    except (OSError, ValueError, AttributeError) as error:
        raise _unusable(folder, f"config.json: {_reason(error)}") from None


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """What tells the network's sizes and functions; without dropout, since a loss draws nothing."""
    kept = {name: value for name, value in config.items() if name not in DROPPED and not name.startswith("_")}
    random = [name for name in kept if any(word in name for word in ("dropout", "pdrop", "layerdrop"))]
    return kept | {name: 0.0 for name in random if isinstance(kept[name], float)}


def _loaded(folder: Path, config: Mapping[str, Any]) -> Any:
    models = transformers_library().AutoModelForCausalLM
    try:
        net, found = models.from_pretrained(
            folder,
            config=_configured(config),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="sdpa",
            output_loading_info=True,
        )
    except Exception as error:  # whatever is in the folder, and the library raises many kinds
        raise _unusable(folder, _reason(error)) from None
    if found["missing_keys"]:
        raise _unusable(folder, f"weights are missing: {', '.join(sorted(found['missing_keys'])[:3])}")
    return net


def _configured(config: Mapping[str, Any]) -> Any:
    return transformers_library().AutoConfig.for_model(**_plain(config))  # once more: a stranger may have written it


def _pieces(folder: Path) -> int:
    """The number of pieces of the folder's tokeniser, as the codec counts them."""
    from tokenizers import Tokenizer

    try:
        tokeniser = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises plain Exception
        raise _unusable(folder, f"tokenizer.json: {_reason(error)}") from None
    return max(tokeniser.get_vocab(with_added_tokens=True).values()) + 1


def _scale(net: Any, folder: Path) -> float:
    """By how much the network multiplies its embeddings as it looks them up."""
    embedding, head = net.get_input_embeddings(), net.get_output_embeddings()
    if not isinstance(embedding, nn.Embedding) or not isinstance(head, nn.Linear):
        raise _unusable(folder, "its vocabulary is not one embedding and one linear head")
    with torch.no_grad():
        row = int(embedding.weight[:1000].norm(dim=1).argmax())
        found = embedding(torch.tensor([row]))[0]
        scale = float(found.norm() / embedding.weight[row].norm())
    if not torch.allclose(found, scale * embedding.weight[row], rtol=1e-3, atol=1e-6):
        raise _unusable(folder, "it changes its embeddings as it looks them up")
    return 1.0 if abs(scale - 1) < 1e-5 else scale


@torch.no_grad()
def _put_tables(net: Any, architecture: Architecture) -> None:
    """Replace the embedding and the head by ones with our special tokens in front."""
    offset, pieces = architecture["offset"], architecture["pieces"]
    config = net.config.get_text_config()
    embedding, head = net.get_input_embeddings(), net.get_output_embeddings()
    ends = _first(config.eos_token_id)
    own = {BEGIN: _first(config.bos_token_id, ends), END: ends}
    table = Table(*rows(embedding.weight, offset, pieces, own), architecture["scale"])
    bias = None if head.bias is None else torch.cat(rows(head.bias[:, None], offset, pieces, own))[:, 0]
    if head.weight is embedding.weight:
        net.set_output_embeddings(Head(table, own=False, bias=bias))
    else:
        net.set_output_embeddings(Head(Table(*rows(head.weight, offset, pieces, own), 1.0), own=True, bias=bias))
    net.set_input_embeddings(table)


def _first(token: int | list[int] | None, otherwise: int | None = None) -> int | None:
    token = token[0] if isinstance(token, list) and token else token
    return token if isinstance(token, int) else otherwise


def _check(net: Any, folder: Path, context: int) -> None:
    """GW-0184 if the network cannot read windows of so many tokens, or no packed ones."""
    if lacking := NEEDED - inspect.signature(net.forward).parameters.keys():
        raise _unusable(folder, f"models of type {net.config.model_type} take no {', '.join(sorted(lacking))}")
    config = net.config.get_text_config()
    for limit in (getattr(config, name, None) for name in ("max_position_embeddings", "sliding_window")):
        if limit and context > limit:
            raise GenwrightError(
                "GW-0184",
                f"The model in {str(folder)!r} looks back over {limit} tokens at most, not over {context}",
                f"--text.context {limit}",
            )


@torch.no_grad()
def _check_law(net: Any, folder: Path, offset: int) -> None:
    """GW-0184 if documents of a window see each other or what is to come: not every architecture heeds a mask."""
    net.eval()
    first, second = offset, offset + 1
    windows = torch.tensor(
        [[BEGIN, first, second, BEGIN, second, first], [BEGIN, second, first, BEGIN, second, second]]
    )
    places, mask = packed(windows)
    logits = net(input_ids=windows, position_ids=places, attention_mask=mask, use_cache=False).logits
    alone = net(input_ids=windows[:, 3:], position_ids=places[:, 3:], use_cache=False).logits
    tolerance = 1e-4 * float(logits.abs().max())
    if not torch.allclose(logits[:, 3:], alone, rtol=0, atol=tolerance) or not torch.allclose(
        logits[0, 3:5], logits[1, 3:5], rtol=0, atol=tolerance
    ):
        raise _unusable(folder, f"models of type {net.config.model_type} cannot keep documents of a window apart")


def _unusable(folder: Path, reason: str) -> GenwrightError:
    return GenwrightError(
        "GW-0184",
        f"The pretrained model in {str(folder)!r} cannot be used: {reason}",
        "Give a folder with config.json, .safetensors weights and tokenizer.json of a causal language model",
    )


def _reason(error: Exception) -> str:
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__
