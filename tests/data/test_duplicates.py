"""Documents that occur again are found, exactly or nearly; different ones are not."""

import random

import numpy as np
import pytest

from genwright.data import duplicates
from genwright.data.documents import Document
from genwright.data.duplicates import Duplicates, signatures, similarity

WORDS = [f"word{n}" for n in range(500)]
SIGNS = [chr(0x4E00 + n) for n in range(500)]


def made(seed, count=200, words=WORDS):
    return random.Random(seed).choices(words, k=count)


def changed(words, share, seed=0, new="new"):
    generator = random.Random(seed)
    return [new + str(generator.random()) if generator.random() < share else word for word in words]


def grouped(texts, *, near=True):
    found = Duplicates(near=near)
    for text in texts:
        found.add(text if isinstance(text, Document) else Document.of(text))
    return found


def jaccard(one, other):
    one, other = ({tuple(words[at : at + 5]) for at in range(len(words) - 4)} for words in (one, other))
    return len(one & other) / len(one | other)


@pytest.mark.parametrize("share", [0.0, 0.003, 0.01, 0.02, 0.05, 0.2])
def test_signatures_tell_the_jaccard_similarity_of_5_grams(share):
    words = made(1, 3000)
    other = changed(words, share)
    one, two = signatures([" ".join(words), ", ".join(other).upper()])
    assert abs(similarity(one, two) - jaccard(words, other)) < 0.12  # three deviations of 120 minima


def test_chinese_is_compared_by_characters():
    text = "".join(made(1, 400, SIGNS))
    other = text[:200] + "新" + text[201:]
    assert similarity(*signatures([text, other])) > 0.9
    assert similarity(*signatures([text, "".join(made(2, 400, SIGNS))])) < 0.1


def test_a_signature_does_not_depend_on_its_neighbours():
    texts = [" ".join(made(n, n)) for n in range(30)] + ["", " ", "!", "一", "a\0b c", "\ud800 x"]
    alone = np.concatenate([signatures([text]) for text in texts])
    assert (signatures(texts) == alone).all()
    assert (signatures(texts[::-1])[::-1] == alone).all()
    assert len(np.unique(alone[:30], axis=0)) == 30


def test_long_texts_are_read_in_blocks(monkeypatch):
    text = " ".join(made(1, 5000))
    whole = signatures([text, "b"])
    monkeypatch.setattr(duplicates, "_BLOCK", 1000)
    assert similarity(signatures([text, "b"])[0], whole[0]) > 0.8
    assert (signatures([text, "b"])[1] == whole[1]).all()


def test_near_duplicates_share_a_group_and_others_do_not():
    texts = [" ".join(made(seed)) for seed in range(50)]
    again = [" ".join(changed(made(seed), 0.01, seed)) for seed in range(0, 50, 5)]
    leader, copies = grouped(texts + again + texts[:3]).groups()
    assert leader[:50].tolist() == list(range(50))
    assert leader[50:60].tolist() == list(range(0, 50, 5))
    assert leader[60:].tolist() == [0, 1, 2]
    assert copies.tolist() == [False] * 50 + [True] * 13


def test_copies_of_copies_chain_but_are_no_copies_of_the_first():
    words = made(1, 1000)
    chain = [words]
    for step in range(8):
        chain.append(changed(chain[-1], 0.006, step))
    leader, copies = grouped(map(" ".join, chain)).groups()
    assert set(leader) == {0}
    assert not copies[-1]
    assert copies[1]


def test_many_texts_in_one_bucket_take_little_time():
    texts = [" ".join(made(1)) + f" end {n}" for n in range(3000)]
    leader, copies = grouped(texts).groups()
    assert set(leader) == {0}
    assert copies.sum() == 2999


def test_exact_duplicates_have_the_same_conditions_and_roles():
    texts = [Document.of("a"), Document.of("a", {"x": "1"}), Document.of("A"), Document.of("a"), Document.of("a ")]
    assert grouped(texts, near=False).exact().tolist() == [0, 1, 2, 0, 4]
    leader, copies = grouped(texts, near=False).groups()
    assert leader.tolist() == [0, 1, 2, 0, 4]
    assert copies.tolist() == [False, False, False, True, False]
    assert set(grouped(texts).groups()[0]) == {0}


def test_nothing_is_no_error():
    leader, copies = grouped([]).groups()
    assert len(leader) == len(copies) == 0
