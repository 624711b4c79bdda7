"""Drawing token after token by laws: what is drawn follows the distribution that the settings describe, and nothing else."""

from functools import partial

import pytest
import torch
from torch import Tensor

from genwright.contract import BEGIN, END, DataSpec
from genwright.models.gpt import GPT
from genwright.networks.drawing import Drawing, guided, less_repeated, likely, stream

CONTEXT, VOCABULARY = 16, 12
PLAIN = {"repetition": 1.0, "guidance": 1.0, "rank": 0, "alpha": 1.0}


class Recorded:
    """A reader that says the same of every next token, and writes down all that it was given."""

    def __init__(self, logits: Tensor, log: list[list[Tensor]], n: int) -> None:
        self.logits, self.n = logits, n
        self.given: list[Tensor] = []
        log.append(self.given)

    def read(self, tokens: Tensor) -> Tensor:
        assert len(tokens) == self.n
        self.given.append(tokens.clone())
        return self.logits.expand(self.n, -1)

    def select(self, texts: Tensor) -> None:
        self.n, self.given[:] = len(texts), [tokens[texts] for tokens in self.given]


def recorded(logits, prompts, drawing=Drawing(), *, length=20, context=CONTEXT, seed=0, **words):  # noqa: B008
    """The tokens that are drawn (B, t), and for each reader all it read (n, places)."""
    log: list[list[Tensor]] = []
    drawn = list(
        stream(
            partial(Recorded, logits, log),
            context,
            prompts,
            drawing,
            length=length,
            generator=torch.Generator().manual_seed(seed),
            **words,
        )
    )
    return torch.stack(drawn, dim=1), [torch.cat(given, dim=1) for given in log]


def gpt(**changes):
    """A small one whose blocks do something: at first they are nothing."""
    torch.manual_seed(0)
    settings = {"length": 40, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, **PLAIN, **changes}
    spec = DataSpec("tokens", (CONTEXT + 1,), vocabulary=VOCABULARY)
    model = GPT(spec, width=32, depth=2, head=8, key_heads=0, mixing=3, counts=0, **settings).eval()
    with torch.no_grad():
        for parameter in model.net.blocks.parameters():
            parameter.normal_(std=0.2)
    return model


def even(*unlikely):
    """Logits of tokens that are all as likely, but for those."""
    logits = torch.zeros(VOCABULARY)
    logits[[*unlikely]] = -1e9
    return logits


def test_a_reader_reads_every_token_once_until_the_context_is_full():
    prompts = torch.tensor([[BEGIN, 5], [BEGIN, 6]])
    drawn, readers = recorded(even(END), prompts, length=18)
    tokens = torch.cat([prompts, drawn], dim=1)
    assert [read.shape[1] for read in readers] == [16, 10], "16 places, then the later 8 of 17 and two more"
    assert torch.equal(readers[0], tokens[:, :16])
    assert torch.equal(readers[1], tokens[:, 9:19])


def test_control_tokens_stay_when_the_window_slides():
    prompts = torch.tensor([[BEGIN, 9, 10, 5], [BEGIN, 9, 11, 6]])
    drawn, readers = recorded(even(END), prompts, length=30, keep=2)
    tokens = torch.cat([prompts, drawn], dim=1)
    for read in readers[1:]:
        assert torch.equal(read[:, :2], prompts[:, 1:3])
        assert read.shape[1] <= CONTEXT
    assert torch.equal(readers[1][:, 2:9], tokens[:, 10:17]), "the later half of what the control tokens leave free"


def test_of_a_prompt_that_is_longer_than_the_context_the_last_tokens_are_read():
    prompts = torch.arange(2, 12).repeat(3)[None]
    drawn, readers = recorded(even(END), prompts, length=2)
    assert torch.equal(readers[0][:, :8], prompts[:, -8:])
    assert drawn.shape == (1, 2)
    assert gpt(length=3).sample(1, condition=prompts, generator=torch.Generator()).x.shape == (1, 33)


@pytest.mark.parametrize("sides", [1, 2])
def test_texts_that_have_ended_stay_so_and_are_dropped_from_reading(sides):
    logits = even()
    logits[END] = 1.0
    prompts = torch.stack([torch.full((64,), BEGIN), torch.arange(64)], dim=1)
    words = {"opposite": -prompts} if sides == 2 else {}
    drawn, (read,) = recorded(logits, prompts, Drawing(guidance=2.0), length=200, context=300, **words)
    assert drawn.shape[1] < 200, "it stops when all have ended"
    ended = (drawn == END).cumsum(1) - (drawn == END).int()
    assert (drawn[ended > 0] == BEGIN).all()
    assert (drawn == END).any(1).all()
    assert len(read) == sides, "in the end one text is read"
    last = int((ended == 0).sum(1).argmax())
    assert read[:, 1].tolist() == [last, -last][:sides]
    assert torch.equal(read[0, 2:], drawn[last, :-1])


def test_a_text_may_end_with_the_next_begin():
    prompts = torch.full((20, 1), BEGIN)
    drawn, _ = recorded(even(), prompts, length=200, context=300, last=BEGIN)
    for row in drawn.tolist():
        end = row.index(BEGIN)
        assert set(row[end:]) == {BEGIN}
    assert (drawn == END).sum() > 20, "messages end, and others follow"


def test_a_reader_that_forgets_nothing_drops_texts_when_it_is_replaced():
    class Simple(Recorded):
        select = None

    log: list[list[Tensor]] = []
    words = {"length": 60, "generator": torch.Generator().manual_seed(0)}
    drawn = list(stream(partial(Simple, even(), log), CONTEXT, torch.full((64, 1), BEGIN), Drawing(), **words))
    assert len(drawn) > CONTEXT
    assert len(log[0][-1]) == 64
    assert len(log[1][0]) == int((torch.stack(drawn[:CONTEXT], dim=1) != END).all(1).sum())


def test_dropping_and_sliding_change_no_logits():
    """Each token must be likely by a fresh reading of what the window holds."""
    model = gpt(length=60, temperature=0.05)  # so cold that it draws the likeliest, but for ties
    drawn = model.sample(8, generator=torch.Generator().manual_seed(1)).x
    first = 0
    for end in range(1, drawn.shape[1]):
        if end - first > CONTEXT:
            first = end - CONTEXT // 2
        logits = model.net.logits(model.net(drawn[:, first:end])[:, -1])
        going = (drawn[:, 1 : end + 1] != BEGIN).all(1)  # a fresh reading would take what follows for another document
        assert going.sum() >= 4
        shortfall = logits.max(1).values - logits.gather(1, drawn[:, end : end + 1])[:, 0]
        assert (shortfall[going] < 1.0).all()


def test_draws_have_the_frequencies_of_the_model():
    logits = torch.tensor([-1e9, -1e9, 0.5, 0.3, 0.15, 0.05])
    logits[2:] = logits[2:].log()
    drawn, _ = recorded(logits, torch.full((20_000, 1), BEGIN), length=1)
    share = torch.bincount(drawn[:, 0], minlength=6) / 20_000
    torch.testing.assert_close(share[2:], torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.012, rtol=0)
    colder, _ = recorded(logits, torch.full((20_000, 1), BEGIN), Drawing(temperature=0.5), length=1)
    share = torch.bincount(colder[:, 0], minlength=6) / 20_000
    wanted = torch.tensor([0.5, 0.3, 0.15, 0.05]).square()
    torch.testing.assert_close(share[2:], wanted / wanted.sum(), atol=0.012, rtol=0)


def test_only_what_is_allowed_is_drawn_and_cuts_come_after():
    logits = torch.arange(VOCABULARY).float()  # the likeliest are not allowed
    asked = []

    def allowed(tokens):
        asked.append(tokens.clone())
        permitted = torch.zeros(len(tokens), VOCABULARY, dtype=torch.bool)
        permitted[:, [3, 4, 5]] = True
        permitted[-1] = False
        permitted[-1, END] = True
        return permitted

    prompts = torch.full((5, 3), BEGIN)
    drawn, _ = recorded(logits, prompts, Drawing(top_k=2), length=9, allowed=allowed)
    assert set(drawn[:4].flatten().tolist()) == {4, 5}
    assert drawn[4].tolist() == [END, *[BEGIN] * 8]
    assert [tokens.shape for tokens in asked] == [(5, place) for place in range(9)]
    assert torch.equal(asked[-1], drawn[:, :8]), "it sees what was drawn, without prompts"


def test_guidance_moves_away_from_what_is_likely_anyway():
    given, free = torch.tensor([[0.6, 0.3, 0.1]]).log(), torch.tensor([[0.2, 0.6, 0.2]]).log()
    torch.testing.assert_close(guided(given + 3, free - 2, by=1.0).softmax(-1), given.exp())
    torch.testing.assert_close(guided(given, free, by=0.0).softmax(-1), free.exp())
    wanted = given.exp() ** 2 / free.exp()
    torch.testing.assert_close(guided(given + 3, free - 2, by=2.0).softmax(-1), wanted / wanted.sum())


def test_guidance_reads_both_sides_and_follows_the_conditions():
    class Conditional:
        """Says 8 after control token 4; says nothing when the condition is left open (3)."""

        def __init__(self, n):
            self.controls = None

        def read(self, tokens):
            self.controls = tokens[:, 1] if self.controls is None else self.controls
            logits = torch.full((len(tokens), VOCABULARY), 0.0)
            logits[:, END] = -1e9
            logits[self.controls == 4, 8] = 1.0
            return logits

    prompts = torch.tensor([[BEGIN, 4]]).repeat(2000, 1)
    opposite = torch.tensor([[BEGIN, 3]]).repeat(2000, 1)
    shares = []
    for guidance in (1.0, 3.0):
        words = {"length": 3, "generator": torch.Generator().manual_seed(0), "opposite": opposite}
        drawn = torch.stack(list(stream(Conditional, CONTEXT, prompts, Drawing(guidance=guidance), **words)))
        shares.append(float((drawn == 8).float().mean()))
    assert shares == pytest.approx([torch.e / (torch.e + 10), torch.e**3 / (torch.e**3 + 10)], abs=0.02)


def test_guidance_with_the_same_prompts_on_both_sides_changes_nothing():
    model = gpt()
    prompts = torch.tensor([[BEGIN, 4], [BEGIN, 7]])
    plain, both = (
        torch.stack(list(model.stream(prompts, generator=torch.Generator().manual_seed(0), **words)))
        for words in ({}, {"opposite": prompts, "drawing": Drawing(guidance=2.0)})
    )
    assert torch.equal(plain, both)


def test_repeated_tokens_are_less_likely_but_the_end():
    logits = torch.tensor([[1.0, 2.0, 3.0, -1.0]])
    assert less_repeated(logits, torch.tensor([[2, 3, 2, END]]), 2.0).tolist() == [[1.0, 2.0, 1.5, -2.0]]
    assert less_repeated(logits, torch.tensor([[BEGIN]]), 2.0).tolist() == logits.tolist()


def test_repetition_looks_back_over_its_window():
    logits = even(BEGIN, END)
    logits[2:] = 1.0
    prompts = torch.full((50, 1), BEGIN)
    (near, _), (all_over, _) = (
        recorded(logits, prompts, Drawing(temperature=0.01, repetition=1e9, window=window), length=10)
        for window in (3, 0)
    )
    for row in near.tolist():
        assert all(row[place] not in row[max(0, place - 3) : place] for place in range(10))
    assert any(len(set(row)) < 10 for row in near.tolist()), "what stands further back may come again"
    assert all(len(set(row)) == 10 for row in all_over.tolist())


def test_unlikely_tokens_are_cut_as_the_settings_say():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    kept = {
        (2, 1.0, 0.0): [True, True, False, False],
        (0, 0.6, 0.0): [True, True, False, False],  # .5 is too little, .8 enough
        (0, 0.5, 0.0): [True, False, False, False],
        (0, 1.0, 0.4): [True, True, False, False],
        (0, 1.0, 0.0): [True, True, True, True],
        (0, 0.0, 1.0): [True, False, False, False],
        (3, 0.84, 0.0): [True, True, False, False],  # shares are of what the cut before has left
    }
    for cut, wanted in kept.items():
        assert likely(logits, *cut).isfinite().tolist() == [wanted]


def test_the_likeliest_of_a_large_vocabulary_are_those_of_a_full_sort():
    logits = torch.randn(6, 3000, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[4.0], [3], [2], [1], [1], [0.1]]
    )
    for top_p in (0.3, 0.9, 0.999):
        for rows in (logits[:1], logits):  # the first needs few tokens, the others many
            ordered, places = rows.softmax(-1).sort(descending=True)
            inside = torch.zeros_like(rows, dtype=torch.bool).scatter(1, places, ordered.cumsum(1) - ordered < top_p)
            assert torch.equal(likely(rows, 0, top_p, 0.0).isfinite(), inside)


def test_a_model_streams_what_it_samples():
    model, prompts = gpt(), torch.tensor([[BEGIN, 4], [BEGIN, 7], [BEGIN, 2]])
    sampled = model.sample(3, condition=prompts, generator=torch.Generator().manual_seed(5)).x
    streamed = model.stream(prompts, generator=torch.Generator().manual_seed(5))
    assert torch.equal(next(streamed), sampled[:, 2]), "the first comes before the others are drawn"
    assert torch.equal(torch.stack(list(streamed), dim=1), sampled[:, 3:])
