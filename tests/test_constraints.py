"""Texts under a constraint are what it says, whatever the model: an untrained one knows nothing of it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from genwright.codecs.text import TextCodec
from genwright.constraints import Constraint, Vocabulary
from genwright.contract import BEGIN, END
from genwright.data.documents import Document
from genwright.errors import GenwrightError
from genwright.models.gpt import GPT

TEXTS = 5 * [
    "The old tram finds the cold bridge at night.",
    '{"name": "tram", "year": 1901}',
    "东京的雨夜 很冷。",
    "naïve 🏳️\r\n",
]
LINES = 24
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "year": {"type": "integer", "minimum": 0, "maximum": 2100},
        "city": {"enum": ["Bath", "东京"]},
        "stops": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["name", "year", "city", "stops"],
    "additionalProperties": False,
}


def codec_of(tokeniser):
    return TextCodec.fit([Document.of(text) for text in TEXTS], tokeniser=tokeniser, vocabulary=400, context=16)


def drawn(codec, constraint, *, length=400, n=LINES, seed=0):
    """Texts of an untrained model, and which of them are complete."""
    torch.manual_seed(0)
    model = GPT(
        codec.spec,
        width=16,
        depth=1,
        head=8,
        key_heads=0,
        mixing=3,
        counts=0,
        length=length,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        min_p=0.0,
        repetition=1.0,
        guidance=1.0,
        rank=0,
        alpha=1.0,
    ).eval()
    prompts, obeying = torch.full((n, 1), BEGIN), constraint.start(n)
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.stack(list(model.stream(prompts, generator=generator, allowed=obeying)), dim=1)
    texts = []
    for row in tokens.numpy():
        end = np.flatnonzero(row == END)
        texts.append(codec.decode(np.append(BEGIN, row[: end[0] if len(end) else None])).text)
    return texts, obeying.complete(tokens)


@pytest.fixture(params=["characters", "bpe"], scope="module")
def codec(request):
    return codec_of(request.param)


@pytest.mark.parametrize(
    "pattern",
    ["(yes|no|是的|不是)", r"\d{4}-\d{2}-\d{2}", "[a-z]{1,6}( [a-z]{1,6}){0,2}[.!]", "(东|西|é){2,5}", "a/b\n\"'"],
)
def test_every_text_matches_the_regular_expression(codec, pattern):
    texts, complete = drawn(codec, Constraint.regex(pattern, codec))
    assert complete.all()
    assert all(re.fullmatch(pattern, text) for text in texts), texts
    assert len(set(texts)) > 1 or pattern.startswith("a/b"), "nothing but one text is drawn"


def test_every_text_is_json_of_the_schema(codec):
    texts, complete = drawn(codec, Constraint.json_schema(SCHEMA, codec))
    assert complete.all()
    for text in texts:
        found = json.loads(text)
        assert list(found) == SCHEMA["required"]
        assert isinstance(found["name"], str)
        assert len(found["name"]) <= 5
        assert isinstance(found["year"], int)
        assert 0 <= found["year"] <= 2100
        assert found["city"] in ("Bath", "东京")
        assert len(found["stops"]) <= 3
        assert all(isinstance(stop, bool) for stop in found["stops"])


def test_what_runs_out_of_length_is_known(codec):
    texts, complete = drawn(codec, Constraint.regex("[a-z]{1,30}[.]", codec), length=9)
    assert not complete.all()
    for text, whole in zip(texts, complete, strict=True):
        assert bool(re.fullmatch("[a-z]{1,30}[.]", text)) == whole
        assert re.fullmatch("[a-z]{0,30}[.]?", text), "what there is, is a beginning"


def test_what_fits_keeps_its_probability():
    codec = codec_of("characters")
    obeying = Constraint.regex(r"(?s:.)*", codec).start(2)
    permitted = obeying(torch.empty(2, 0, dtype=torch.long))
    assert torch.equal(permitted[0], permitted[1])
    # All but BEGIN and bytes that begin no character: no probability is moved but theirs.
    never = torch.tensor([BEGIN, *(codec.offset + byte for byte in [*range(0x80, 0xC2), *range(0xF5, 0x100)])])
    wanted = torch.ones(codec.spec.vocabulary, dtype=torch.bool)
    wanted[never] = False
    assert torch.equal(permitted[0], wanted)


def test_texts_that_have_ended_only_end(codec):
    obeying = Constraint.regex("ab?", codec).start(2)
    (a,) = codec.tokeniser.encode(["a"])[0] + codec.offset
    permitted = obeying(torch.tensor([[a, END], [a, a]])[:, :1])
    assert permitted[:, END].all()
    permitted = obeying(torch.tensor([[a, END], [a, END]]))
    assert permitted.nonzero().tolist() == [[0, END], [1, END]]
    assert obeying.complete(torch.tensor([[a, END, BEGIN], [a, END, BEGIN]])).all()


def test_in_whole_conversations_the_next_begin_follows_the_message(codec):
    whole = replace(codec, whole=True)
    (a,) = codec.tokeniser.encode(["a"])[0] + codec.offset
    obeying = Constraint.regex("a", whole).start(1)
    assert obeying(torch.tensor([[a, END]])).nonzero().tolist() == [[0, BEGIN]]


@pytest.mark.parametrize("pattern", ["a{2,3", "(?=a)b", r"(a)\1", "[z-a]"])
def test_a_regular_expression_that_cannot_be_used_is_refused(codec, pattern):
    with pytest.raises(GenwrightError, match=r"GW-0176.*cannot be used: [a-z]"):
        Constraint.regex(pattern, codec)


@pytest.mark.parametrize("schema", [{"type": "objekt"}, {"type": "array", "uniqueItems": True}, {"enum": []}])
def test_a_schema_that_cannot_be_used_is_refused(codec, schema):
    with pytest.raises(GenwrightError, match=r"GW-0177.*cannot be used: [A-Z]"):
        Constraint.json_schema(schema, codec)


def folder(path, kind):
    """A folder with the tokeniser of a pretrained model of that kind, learned from TEXTS."""
    if kind == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        letters = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=letters, special_tokens=["<|endoftext|>"])
    elif kind == "sentencepiece":
        made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special)
    else:
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.pre_tokenizer, made.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]"])
    made.train_from_iterator(TEXTS, trainer)
    definition = json.loads(made.to_str())
    for token in definition["added_tokens"]:  # byte pieces are usual ones
        token["special"] = not token["content"].startswith("<0x")
    if kind == "sentencepiece":
        definition["added_tokens"] = [token for token in definition["added_tokens"] if token["special"]]
    path.mkdir()
    (path / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    return codec_of(f"folder:{path}")


@pytest.mark.parametrize("kind", ["bytes", "sentencepiece"])
def test_tokenisers_of_pretrained_models_obey(tmp_path, kind):
    codec = folder(tmp_path / kind, kind)
    assert Vocabulary.of(codec).drops_blank == (kind == "sentencepiece")
    for pattern in ("(yes|no|是的|东京) (old|冷){1,3}", r" ?[0-9]{2,4}"):
        texts, complete = drawn(codec, Constraint.regex(pattern, codec))
        assert complete.all()
        assert all(re.fullmatch(pattern, text) for text in texts), texts
    texts, complete = drawn(codec, Constraint.json_schema(SCHEMA, codec))
    assert complete.all()
    assert all(list(json.loads(text)) == SCHEMA["required"] for text in texts)


def test_a_continued_message_has_no_blank_of_its_own(tmp_path):
    codec = folder(tmp_path / "folder", "sentencepiece")
    constraint = Constraint.regex("[0-9]+", codec)
    blank = [codec.offset + piece for piece, spelled in enumerate(constraint.vocabulary.pieces) if spelled == b" "]
    nothing = torch.empty(1, 0, dtype=torch.long)
    assert constraint.start(1)(nothing)[0].nonzero()[:, 0].tolist() != []
    assert constraint.start(1)(nothing)[0, blank].any()
    assert not constraint.start(1, continued=True)(nothing)[0, blank].any()


def test_a_tokeniser_of_words_is_refused(tmp_path):
    with pytest.raises(GenwrightError, match=r"GW-0178.*do not stand for bytes"):
        Constraint.regex("a", folder(tmp_path / "words", "words"))
