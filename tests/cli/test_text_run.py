"""Runs on texts, from files of every form to samples, report and commands, as a user would work."""

import json
import re
import zipfile

import numpy as np
import polars as pl
import pytest

import coded_texts
import genwright
from genwright.cli import main
from genwright.config import Impute
from genwright.data.documents import Document, Message, TextForm
from genwright.data.text_writers import record, write_texts
from genwright.data.texts import open_texts
from genwright.drawing_commands import impute_command
from genwright.errors import GenwrightError
from genwright.metrics import text_canaries
from genwright.text_measures import exposed, nats

SMALL = {
    "model": "gpt", "model.width": 16, "model.depth": 1, "model.head": 8, "model.length": 24, "text.context": 32,
    "text.tokeniser": "characters", "steps": 12, "training.batch_size": 8, "quiet": True, "rows": 6,
}  # fmt: skip
LABELS = [coded_texts.CONDITIONS[label] for label in coded_texts.TRAIN_LABELS]


def trained(data, folder, **given):
    return genwright.train(data, out=folder, **{**SMALL, "report": False, **given})


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """A run on a table of texts with a condition."""
    folder = tmp_path_factory.mktemp("conditional")
    table = pl.DataFrame({"body": coded_texts.TRAIN, "theme": LABELS})
    table.write_csv(folder / "texts.csv")
    more = {"text.column": "body", "steps": 40, "report": True, "model.length": 100}
    return trained(folder / "texts.csv", folder / "run", **more)


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    """A run on prompts and answers."""
    folder = tmp_path_factory.mktemp("talks")
    rows = [{"prompt": f"Say {n}.", "response": text[:40]} for n, text in enumerate(coded_texts.TRAIN[:60])]
    path = folder / "talks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return trained(path, folder / "run", **{"text.learn": "answers", "text.near_duplicates": "ignore", "report": True})


def test_a_table_of_texts_comes_back_as_one(conditional, tmp_path):
    frame = pl.read_csv(conditional.folder / "samples" / "synthetic.csv")
    assert frame.columns == ["body", "theme"]
    assert set(frame["theme"]) <= set(coded_texts.CONDITIONS)
    main(["sample", str(conditional.folder), "-n", "5", "--where", "theme=kitchen", "--out", str(tmp_path / "k.jsonl")])
    rows = [json.loads(line) for line in (tmp_path / "k.jsonl").read_text().splitlines()]
    assert [row["theme"] for row in rows] == ["kitchen"] * 5
    assert conditional.sample(3, seed=4) == conditional.sample(3, seed=4) != conditional.sample(3, seed=5)


def test_what_is_wrong_is_said_before_a_prompt_is_written(conditional, capsys):
    with pytest.raises(SystemExit):
        main(["sample", str(conditional.folder), "--out", "-", "--prompt", "Hello", "--where", "theme=sea"])
    said = capsys.readouterr()
    assert (said.out, "GW-0198" in said.err) == ("", True)


def test_unknown_conditions_and_words_are_refused(conditional):
    with pytest.raises(GenwrightError, match="theme") as error:
        conditional.sample(2, where={"them": "kitchen"})
    assert error.value.code == "GW-0198"
    with pytest.raises(GenwrightError, match="never 'sea'"):
        conditional.sample(2, where={"theme": "sea"})
    with pytest.raises(GenwrightError, match="temperatur"):
        conditional.sample(2, temperatur=2)
    with pytest.raises(GenwrightError, match="one text or more"):
        conditional.sample(0)


def test_texts_go_on_from_a_prompt(conditional):
    texts = [row["body"] for row in conditional.sample(4, prompt="The old rain", length=5)]
    assert all(text.startswith("The old rain") and len(text) <= len("The old rain") + 5 for text in texts)


def test_the_report_has_every_number_beside_its_floor(conditional):
    scores = json.loads((conditional.folder / "report.json").read_text())
    for name in (
        "frechet", "mauve", "frechet_states", "mauve_states", "judge", "self_bleu", "conditions_kept", "copied_8",
        "predictability", "nats", "bits_per_byte",
    ):  # fmt: skip
        assert scores["metrics"][name]["value"] is not None
        assert scores["metrics"][name]["floor"] is not None
    assert scores["metrics"]["bits_per_byte"]["value"] > 0
    assert scores["baselines"]["ngram"]["bits_per_byte"] > 0
    assert "<html" in (conditional.folder / "report.html").read_text()
    assert "theme" in (conditional.folder / "card.md").read_text()
    assert "cost an n-gram model" in (conditional.folder / "card.md").read_text()
    assert "cost an n-gram model" in genwright.compare(conditional).note


def test_the_models_own_likelihood_is_that_of_each_document_alone(conditional):
    """By another way: each held-out document alone in one window that holds it whole."""
    import torch

    from genwright.contract import Batch

    codec, model = conditional.codec, conditional.model
    documents = [Document.of(text, {"theme": "street"}) for text in ("The cat", "A dog sat.", "Rain")]
    total = tokens = 0.0
    for ids, counted in codec.encode_all(documents):
        batch = Batch(torch.from_numpy(ids.astype(np.int64))[None], counts=torch.from_numpy(counted)[None])
        with torch.no_grad():
            cost, counting = model.nats(batch)
        total += float(cost[counting].sum())
        tokens += counted.sum()
    found = nats(model, codec, documents)
    assert found == (pytest.approx(total / tokens, rel=1e-5), tokens)


def test_long_documents_are_read_with_half_a_context_before_each_token(tmp_path):
    """A model of long texts, against windows made by hand."""
    import torch

    from genwright.contract import Batch

    run = trained(["abcdefgh" * 40, "hgfedcba" * 40], tmp_path / "run")
    codec, model, document = run.codec, run.model, Document.of("abcdefgh" * 20)
    (ids, counted), context = codec.encode(document), codec.context
    assert counted.sum() == 161
    x = torch.from_numpy(ids.astype(np.int64))
    cost, start, known = 0.0, 0, 1  # known: tokens whose cost is taken
    while known < len(x):
        window = x[start : start + context + 1]
        counts = torch.arange(start, start + len(window)) >= known
        batch = Batch(window[None], counts=counts[None])
        with torch.no_grad():
            each, counting = model.nats(batch)
        cost += float(each[counting].sum())
        known, start = start + len(window), start + context // 2
    assert nats(model, codec, [document]) == (pytest.approx(cost / 161, rel=1e-5), 161)


def test_answers_are_compared_with_the_real_ones(talks, monkeypatch):
    metrics = json.loads((talks.folder / "report.json").read_text())["metrics"]
    assert {"bleu", "chrf", "rouge_l", "exact_match", "token_f1"} <= metrics.keys()
    answer = talks.sample(2, prompt="Say 3.")[0]
    assert set(answer) == {"prompt", "response"}
    assert answer["prompt"] == "Say 3."
    with pytest.raises(GenwrightError, match=r"\.jsonl"):
        talks.write_samples(talks.folder / "lost.txt", 2)
    monkeypatch.setattr(talks, "documents", pytest.fail)  # nobody waits for texts that cannot be written
    for name in ("lost.txt", "lost.docx", "folder"):
        with pytest.raises(GenwrightError, match="GW-0115"):
            talks.write_samples(talks.folder / name, 2)


def test_whole_conversations_can_be_learned(tmp_path):
    data = [Document((Message("user", f"ask {n}"), Message("assistant", f"answer {n}"))) for n in range(30)]
    run = trained(data, tmp_path / "run", **{"text.duplicates": "keep", "steps": 300, "training.learning_rate": 1e-2})
    turns = [[turn["role"] for turn in row["messages"]] for row in run.sample(20)]
    assert turns.count(["user", "assistant"]) > 15


def test_a_folder_of_texts_comes_back_as_one(tmp_path):
    for number, (text, label) in enumerate(zip(coded_texts.TRAIN[:60], LABELS, strict=False)):
        path = tmp_path / "letters" / label / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    run = trained(tmp_path / "letters", tmp_path / "run")
    made = list((tmp_path / "run" / "samples" / "synthetic").glob("*/*.txt"))
    assert len(made) == 6
    assert {path.parent.name for path in made} <= set(coded_texts.CONDITIONS)
    assert run.suffix == ""


@pytest.mark.parametrize("suffix", [".txt", ".jsonl", ".csv", ".parquet", ""])
def test_what_is_written_reads_back(tmp_path, suffix):
    documents = [Document.of(text) for text in ('one, "two"', "第三 行\u0301", "- four")]
    form = TextForm("file", separator="blank line")
    write_texts(tmp_path / f"out{suffix}", documents, form)
    back = open_texts(tmp_path / f"out{suffix}", separator="blank line" if suffix in (".txt", "") else "")
    assert [document.text for document in back.documents()] == [document.text for document in documents]


def test_a_row_has_the_columns_of_the_users_table():
    talk = (Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hello"))
    pair = TextForm("csv", columns=("rules", "question", "answer"))
    assert record(Document(talk, {"tone": "warm"}), pair) == {
        "rules": "Be kind.", "question": "Hi", "answer": "Hello", "tone": "warm",
    }  # fmt: skip
    assert record(Document(talk[1:]), TextForm("csv", columns=("q", "a"))) == {"q": "Hi", "a": "Hello"}
    assert record(Document(talk[1:]), TextForm("jsonl", columns=("turns",)))["turns"][1]["content"] == "Hello"


def test_a_canary_that_is_planted_fifty_times_is_flagged_and_a_fresh_one_is_not(tmp_path):
    """Exposure in bits: 6.6 is what a text never seen exceeds in one case of a hundred."""
    texts = coded_texts.TRAIN[:150]
    base = {
        "model.width": 64, "model.head": 16, "model.depth": 2, "text.context": 64, "steps": 150,
        "training.learning_rate": 5e-3, "training.batch_size": 16, "report": True,
    }  # fmt: skip
    run = trained(texts, tmp_path / "run", **base, **{"text.canaries": 1, "text.canary_copies": 50})
    found = json.loads((run.folder / "report.json").read_text())["metrics"]["exposure"]
    assert found["flagged"] == 1
    assert found["value"] > 6.64
    fresh, others = text_canaries.make(1200, seed=9)[:1], text_canaries.make(1200, seed=9)[1:]
    assert exposed(run.model, run.codec, fresh, others)["exposure"]["flagged"] == 0


def test_an_ngram_run_does_all_that_a_gpt_run_does(tmp_path):
    run = genwright.train(
        coded_texts.TRAIN, model="ngram", out=tmp_path / "run", quiet=True, rows=5,
        **{"model.length": 60, "text.tokeniser": "characters", "text.canaries": 1, "text.canary_copies": 50},
    )  # fmt: skip
    metrics = json.loads((run.folder / "report.json").read_text())["metrics"]
    assert 0 < metrics["bits_per_byte"]["value"] < 2.5
    assert metrics["exposure"]["flagged"] == 1
    assert run.sample(2, seed=1) == genwright.open(run.folder).sample(2, seed=1)


def test_any_texts_can_be_judged(tmp_path, capsys):
    for name, texts in (("train", coded_texts.TRAIN), ("test", coded_texts.HELD), ("made", coded_texts.FRESH)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    words = [
        f"--{flag}={tmp_path / name}.jsonl" for flag, name in (("train", "train"), ("test", "test"), ("synth", "made"))
    ]
    main(["report", *words, "--effort", "quick", "--out", str(tmp_path / "report")])
    assert "MAUVE" in capsys.readouterr().out
    assert (tmp_path / "report" / "report.html").exists()


def test_data_shows_what_would_be_read(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("\n".join(coded_texts.TRAIN[:50]))
    main(["data", str(tmp_path / "notes.txt")])
    shown = capsys.readouterr().out
    assert "50 documents" in shown
    assert "⟨begin⟩" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.txt", b"", "GW-0170"),
        ("blank.txt", b" \n\n \n", "GW-0170"),
        ("binary.txt", bytes(range(256)) * 40, "GW-0170"),
    ],
)
def test_files_without_texts_are_refused_and_leave_no_run(tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GenwrightError) as error:  # as the command does, which has to guess what the file is
        genwright.train(tmp_path / name, out=tmp_path / "run", quiet=True)
    assert error.value.code in (code, "GW-0102", "GW-0105")
    with pytest.raises(GenwrightError) as error:
        trained(tmp_path / name, tmp_path / "run")
    assert error.value.code == code
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("texts", [["One."], ["a"], ["x" * 40], ["A short one.", "Another."]])
def test_the_smallest_collections_train(tmp_path, texts):
    run = trained(texts, tmp_path / "run", report=True)
    assert len(run.sample(2)) == 2


def test_invalid_bytes_and_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "letters.zip", "w") as archive:
        for number, text in enumerate(coded_texts.TRAIN[:30]):
            archive.writestr(f"{number}.txt", text.encode() + b"\xff\xfe\x80")
    assert trained(tmp_path / "letters.zip", tmp_path / "run").state["status"] == "finished"


def test_a_wrong_column_is_named(tmp_path):
    pl.DataFrame({"body": coded_texts.TRAIN}).write_csv(tmp_path / "t.csv")
    with pytest.raises(GenwrightError, match="'body'") as error:
        trained(tmp_path / "t.csv", tmp_path / "run", **{"text.column": "bodi"})
    assert error.value.code == "GW-0172"


def test_texts_end_before_a_stop_string(conditional):
    plain, stopped = (conditional.documents(6, seed=2, **more) for more in ({}, {"stop": ("e", "a")}))
    for whole, cut in zip(plain, stopped, strict=True):
        places = [place for stop in "ea" if (place := whole.text.find(stop)) >= 0]
        assert cut.text == whole.text[: min(places, default=None)]


def test_every_prompt_of_a_file_gets_its_text(conditional, tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("The wind\nSnow\nThe old tram\n")
    out = tmp_path / "out.jsonl"
    main(["sample", str(conditional.folder), "--prompts", str(tmp_path / "prompts.txt"), "--out", str(out)])
    assert re.search(r"3 texts in .* s, [0-9,]+ tokens/s\)", capsys.readouterr().out)
    texts = [json.loads(line)["body"] for line in out.read_text().splitlines()]
    assert [text.startswith(prompt) for text, prompt in zip(texts, ("The wind", "Snow", "The old tram"), strict=True)]
    assert len(texts) == 3


def test_texts_obey_a_regular_expression_or_a_schema(conditional, tmp_path, capsys):
    texts = [row["body"] for row in conditional.sample(5, regex="(rain|snow) [0-9]{2}")]
    assert all(re.fullmatch("(rain|snow) [0-9]{2}", text) for text in texts)
    schema = tmp_path / "schema.json"
    schema.write_text(
        json.dumps(
            {
                "type": "object",
                "properties": {"ok": {"type": "boolean"}},
                "required": ["ok"],
                "additionalProperties": False,
            }
        )
    )
    main(["sample", str(conditional.folder), "-n", "3", "--schema", str(schema), "--out", str(tmp_path / "o.jsonl")])
    for line in (tmp_path / "o.jsonl").read_text().splitlines():
        assert set(json.loads(json.loads(line)["body"])) == {"ok"}
    with pytest.raises(GenwrightError) as error:
        conditional.sample(2, regex="[a-z]{200}")
    assert error.value.code == "GW-0179"
    with pytest.raises(GenwrightError) as error:
        conditional.sample(2, regex="(")
    assert error.value.code == "GW-0176"


def test_pieces_of_a_text_are_the_text(conditional):
    prompt = conditional.begun("The ")
    for seed in range(3):
        pieces = list(conditional.pieces(prompt, seed=seed, where={"theme": "street"}))
        (whole,) = conditional.documents(1, prompt="The ", seed=seed, where={"theme": "street"})
        assert "The " + "".join(pieces) == whole.text
        assert len(pieces) > 1
        cut = "".join(conditional.pieces(prompt, seed=seed, where={"theme": "street"}, stop=("e",)))
        assert cut == "".join(pieces).partition("e")[0]


def test_pieces_obey_what_whole_texts_obey(conditional):
    begun = conditional.begun("")
    text = "".join(conditional.pieces(begun, regex="(rain|snow) [0-9]{2}"))
    assert re.fullmatch("(rain|snow) [0-9]{2}", text)
    for asked, code in (
        ({"regex": "[a-z]{200}"}, "GW-0179"),
        ({"where": {"theme": "moon"}}, "GW-0198"),
        ({"where": {"them": "x"}}, "GW-0198"),
    ):
        with pytest.raises(GenwrightError) as error:
            list(conditional.pieces(begun, **asked))
        assert error.value.code == code


def test_a_run_on_texts_has_no_cells_to_impute(conditional, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(GenwrightError, match="is a run on texts, not on rows"):
        impute_command(Impute(run=str(conditional.folder), file=str(tmp_path / "t.csv")))


def test_the_terminal_shows_texts_and_talks(conditional, talks, capsys, monkeypatch):
    main(["sample", str(conditional.folder), "-n", "2", "--prompt", "Rain", "--out", "-"])
    assert capsys.readouterr().out.count("Rain") >= 2
    lines = iter(["Say 3.", "Say 4.", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    main(["chat", str(talks.folder), "--length", "6"])
    assert len(capsys.readouterr().out.strip().splitlines()) >= 1
    with pytest.raises(StopIteration):
        next(lines)


def test_guidance_pushes_texts_towards_their_condition(conditional):
    """Towards what the model makes of the condition: logits move, and with them the texts."""
    plain, pushed = (conditional.sample(8, seed=1, where={"theme": "kitchen"}, **g) for g in ({}, {"guidance": 3}))
    assert plain != pushed


def test_a_run_is_tuned_further_with_its_tokens_and_its_network(conditional, tmp_path):
    """All weights or adapters: the loss on the new texts falls below what the first run had."""
    texts = [text.replace("The", "Ye") for text in coded_texts.HELD]
    given = {
        "model": "gpt",
        "steps": 40,
        "training.batch_size": 8,
        "training.learning_rate": 1e-2,
        "quiet": True,
        "rows": 2,
    }
    held = [Document.of(text.replace("The", "Ye")) for text in coded_texts.FRESH[:40]]
    before = nats(conditional.model, conditional.codec, held)[0]
    for rank in (0, 4):
        out = tmp_path / str(rank)
        run = genwright.train(
            texts, start=str(conditional.folder), out=out, report=False, **given, **{"model.rank": rank}
        )
        assert run.codec.to_json() == conditional.codec.to_json()
        assert nats(run.model, run.codec, held)[0] < before - 0.05
    with pytest.raises(GenwrightError) as error:
        genwright.train(texts, start=str(conditional.folder), model="ngram", out=tmp_path / "x", quiet=True)
    assert error.value.code == "GW-0214"


def test_what_has_nothing_to_tune_says_so(tmp_path):
    for given, code in (({"model": "gpt", "model.rank": 4}, "GW-0214"), ({"model": "pretrained"}, "GW-0202")):
        with pytest.raises(GenwrightError) as error:
            genwright.train(["One.", "Two."], out=tmp_path / "run", quiet=True, **given)
        assert error.value.code == code
        assert not (tmp_path / "run").exists()
