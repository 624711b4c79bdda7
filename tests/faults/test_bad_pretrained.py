"""Folders of pretrained models that are damaged, foreign or hostile: each is refused in a sentence."""

import json
import shutil
import socket
import sys
from pathlib import Path

import pytest
import torch

from folders import CONTEXT, build, codec_of, make, transformers
from genwright.contract import DataSpec
from genwright.errors import GenwrightError


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def offline(monkeypatch) -> None:
    def refuse(*_, **__):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("offline")
def test_reading_a_folder_runs_no_code_of_it(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "model")
    edit(folder, auto_map={"AutoConfig": "code.Own", "AutoModelForCausalLM": "code.Own"})
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nOwn = 1\n")
    model = build(folder, codec_of(folder).spec)
    assert type(model.net) is transformers.LlamaForCausalLM
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("offline")
def test_a_strangers_weights_name_no_code_to_fetch(whole, tmp_path):
    spec = codec_of(whole).spec
    weights = dict(build(whole, spec).state_dict())
    architecture = json.loads(bytes(weights["architecture"].tolist()))
    assert str(whole) not in json.dumps(architecture)
    architecture["config"] |= {
        "auto_map": {"AutoModelForCausalLM": "someone/else--code.Own"},
        "attn_implementation": "someone/kernel",
        "_attn_implementation": "someone/kernel",
    }
    weights["architecture"] = torch.tensor(list(json.dumps(architecture).encode()), dtype=torch.uint8)
    model = build(tmp_path / "nowhere", spec)
    model.load_state_dict(weights)
    assert type(model.net) is transformers.LlamaForCausalLM


def edit(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def bare(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def torn(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


DAMAGES = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "GW-0184: .* there is no config.json"),
    "config is no JSON": (lambda folder: (folder / "config.json").write_text("[1, 2"), "GW-0184: .*config.json"),
    "config is a list": (lambda folder: (folder / "config.json").write_text("[1, 2]"), "GW-0184: .*config.json"),
    "unknown type": (lambda folder: edit(folder, model_type="wonderful"), "GW-0184: .*wonderful"),
    "no weights": (bare, "GW-0184: .*no .safetensors"),
    "torn weights": (torn, "GW-0184: .*cannot be used"),
    "pickled weights": (pickled, "GW-0185: .*could run any code"),
    "weights of fewer layers": (lambda folder: edit(folder, num_hidden_layers=3), "GW-0184: .*weights are missing"),
    "weights of another width": (lambda folder: edit(folder, hidden_size=64), "GW-0184: .*cannot be used"),
    "quantised": (lambda folder: edit(folder, quantization_config={"bits": 4}), "GW-0184: .*quantised"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "GW-0184: .*tokenizer.json"),
    "few places": (lambda folder: edit(folder, max_position_embeddings=16), "GW-0184: .*16 tokens .*context 16"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_folders_that_cannot_be_used(whole, damage, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "model")
    spec = codec_of(folder).spec
    spoil, words = DAMAGES[damage]
    spoil(folder)
    model = build(folder, spec)
    with pytest.raises(GenwrightError, match=words):
        list(model.parameters())
    finished = build(whole, spec)
    model.load_state_dict(finished.state_dict())  # a finished run opens nevertheless
    assert len(list(model.parameters())) == len(list(finished.parameters()))


def test_models_that_let_documents_see_each_other_are_refused(tmp_path):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    for kind, changes in {
        "bert": sizes,  # sees what is to come
        "lfm2": {**sizes, "num_key_value_heads": 2, "layer_types": ["conv", "full_attention"]},  # convolutions mix
    }.items():
        folder = make(tmp_path / kind, "llama")
        net = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.for_model(kind, vocab_size=320, **changes)
        )
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        net.save_pretrained(folder)
        with pytest.raises(GenwrightError, match=r"GW-0184: .*cannot keep documents of a window apart"):
            list(build(folder, codec_of(folder).spec).parameters())


def test_other_pieces_and_missing_things_are_said(whole, tmp_path, monkeypatch):
    with pytest.raises(GenwrightError, match=r"GW-0187: .*--text.tokeniser folder:"):
        list(build(whole, DataSpec("tokens", (CONTEXT + 1,), vocabulary=200)).parameters())
    nowhere = build(tmp_path / "nowhere", DataSpec("tokens", (CONTEXT + 1,), vocabulary=305))
    with pytest.raises(GenwrightError, match=r"GW-0184: There is no folder .*nowhere"):
        list(nowhere.parameters())
    damaged = dict(build(whole, codec_of(whole).spec).state_dict())
    damaged["architecture"] = torch.tensor(list(b'{"config": {}}'), dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="damaged"):
        nowhere.load_state_dict(damaged)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(GenwrightError, match=r"GW-0186: .*genwright\[hub\]"):
        list(build(whole, codec_of(whole).spec).parameters())
