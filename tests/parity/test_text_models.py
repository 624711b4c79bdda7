"""The text models by laws: a cache changes nothing, documents do not see each other, cuts of the distribution are right."""

from itertools import pairwise

import numpy as np
import torch

from genwright.contract import BEGIN, END, Batch
from genwright.models.ngram import NGram
from small_gpt import SPEC, counting, gpt


def test_with_a_memory_every_token_gets_the_same_logits():
    from genwright.networks.sequence import Memory

    for key_heads in (0, 2, 1):
        net = gpt(key_heads=key_heads).net
        tokens = torch.randint(2, 12, (3, 16))
        whole = net(tokens)
        memory, parts = Memory(net, 3, 16), []
        for size in (5, 1, 4, 1, 5):
            start = memory.length
            parts.append(net(tokens[:, start : start + size], memory))
        torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)


def test_a_document_is_read_as_if_it_stood_alone():
    net = gpt().net
    first, second = torch.tensor([[BEGIN, 5, 6, 7, END]]), torch.tensor([[BEGIN, 9, 3, 4]])
    together = net(torch.cat([first, second], 1))[:, 5:]
    other = net(torch.cat([torch.tensor([[BEGIN, 8, 8, 3, END]]), second], 1))[:, 5:]
    torch.testing.assert_close(together, other, atol=1e-6, rtol=1e-5)
    # Rotary positions are relative: what stood before moves nothing.
    torch.testing.assert_close(together, net(second), atol=1e-5, rtol=1e-5)


def test_the_loss_of_one_window_depends_on_no_other():
    model, windows = gpt(), counting()
    batch = windows.batch(np.arange(0, 64, 8), torch.device("cpu"))
    (before,) = model.loss(model.phases[0], batch).values()
    x = batch.x.clone()
    x[2] = 5
    (after,) = model.loss(model.phases[0], Batch(x, counts=batch.counts)).values()
    others = torch.arange(8) != 2
    assert torch.equal(before[others], after[others])
    assert not torch.equal(before[2], after[2])
    silent = Batch(batch.x, counts=torch.zeros_like(batch.counts))
    assert (model.loss(model.phases[0], silent)["nats"] == 0).all(), "nothing counts"


def test_gpt_learns_to_count_and_to_end():
    model, windows = gpt(length=40), counting()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    random = np.random.default_rng(0)
    for _ in range(150):
        batch = windows.batch(random.integers(0, len(windows), 32), torch.device("cpu"))
        loss = model.loss(model.phases[0], batch)["nats"].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    drawn = model.sample(200, generator=torch.Generator().manual_seed(0)).x
    steps = [(b - a) % 7 for row in drawn.tolist() for a, b in pairwise(row) if a > 2 and b > 2]
    assert np.mean(np.array(steps) == 1) > 0.9
    assert (drawn == END).any(1).float().mean() > 0.9
    for row in drawn.tolist():
        if END in row:
            assert set(row[row.index(END) + 1 :]) <= {BEGIN}, "drawing goes on after the end"


def test_samples_go_on_from_prompts_beyond_the_context():
    model = gpt(length=50)
    prompt = torch.tensor([[BEGIN, 4], [BEGIN, 7]])
    first, again = (model.sample(2, condition=prompt, generator=torch.Generator().manual_seed(3)).x for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first[:, :2], prompt)
    assert first.shape[1] <= 52


def test_the_ngram_model_learns_in_fit_and_is_loaded_as_it_was_saved():
    windows, model = counting(), NGram(SPEC, order=3, length=20)
    model.fit(windows.once(torch.device("cpu")), None)
    nats = model.measures(counting(seed=1).once(torch.device("cpu")), torch.Generator())["nats"]
    assert nats < 0.7 * np.log(12), "less than half of what chance costs"
    other = NGram(SPEC, order=3, length=20)
    other.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    draws = [m.sample(20, generator=torch.Generator().manual_seed(5)).x for m in (model, other)]
    assert torch.equal(*draws)
    assert (draws[0][:, 0] == BEGIN).all()
    for row in draws[0].tolist():
        if END in row:
            assert set(row[row.index(END) + 1 :]) <= {BEGIN}
