"""How much generated texts overlap with references: BLEU, chrF, ROUGE, exact match and token F1.

BLEU and chrF are those of sacrebleu 2.6 (Post 2018), ROUGE that of rouge-score 0.1.2, to the last digits: `tests/parity`.
They are written out here because the packages would bring lxml, regex, nltk and others for two hundred lines of counting.
Scores are in [0, 100] for BLEU and chrF, as theirs, and in [0, 1] for the others; higher is better.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from genwright.errors import GenwrightError
from genwright.metrics.text_words import ascii_letters, unspaced, words

ORDERS = 4  # of BLEU
CHRF_ORDERS, CHRF_BETA = 6, 2
ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
SIGNS = re.compile(f"([{re.escape(''.join(set(string.punctuation) - set(chr(39) + ',-.')))}])")
# Signs and characters that `zh` sets apart: the blocks that sacrebleu 2.6 was seen to set apart, character by character.
CHINESE = re.compile(
    "([\u2000-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31ef\u3200-\u4db5\u4e00-\u9fbb\uf900-\ufa2d"
    "\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef])"
)
ASCII_WORD = re.compile("[a-z0-9]+")
Grams = Counter[tuple[str, ...]]


def bleu_tokens(text: str, chinese: bool) -> list[str]:
    """The tokens of sacrebleu's `13a` (mteval-v13a: signs apart, but for apostrophes, and points and commas in numbers) or,
    for Chinese, of its `zh` (the same, with each Chinese character apart)."""
    if chinese:
        text = CHINESE.sub(r" \1 ", text.strip())
    else:
        text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
        for entity, sign in ENTITIES.items():
            text = text.replace(entity, sign)
    text = SIGNS.sub(r" \1 ", f" {text} ")
    text = re.sub(r"([^0-9])([.,])", r"\1 \2 ", text)
    text = re.sub(r"([.,])([^0-9])", r" \1 \2", text)
    return re.sub(r"([0-9])(-)", r"\1 \2 ", text).split()


def bleu(made: Sequence[str], references: Sequence[str], *, chinese: bool | None = None) -> float:
    """BLEU of a set of texts, one reference each (Papineni et al. 2002; zero counts smoothed as by mteval-v13a).

    `chinese`: which tokens; None: as the references are written. Errors: GW-0531 for lists of different length.
    """
    check_pairs(made, references)
    chinese = unspaced(references) if chinese is None else chinese
    correct, total, lengths = np.zeros(ORDERS), np.zeros(ORDERS), np.zeros(2)
    for one, other in zip(made, references, strict=True):
        tokens, wanted = bleu_tokens(one, chinese), bleu_tokens(other, chinese)
        for n in range(1, ORDERS + 1):
            counts = ngrams(tokens, n)
            correct[n - 1] += (counts & ngrams(wanted, n)).total()
            total[n - 1] += counts.total()
        lengths += len(tokens), len(wanted)
    return bleu_of_counts(correct, total, *lengths)


def bleu_of_counts(
    correct: np.ndarray, total: np.ndarray, length: float, wanted: float, *, short: bool = False
) -> float:
    """BLEU of n-grams found and made by order, and of the lengths of both sides; `short`: orders longer than the text do
    not count, as for single sentences."""
    if not correct.any():
        return 0.0
    logs, smoothing = [], 1.0
    for found, made in zip(correct, total, strict=True):
        if made == 0:
            break
        smoothing *= 1 if found else 2
        logs.append(math.log(100 * found / made if found else 100 / (smoothing * made)))
    if len(logs) < ORDERS and not short:
        return 0.0
    return min(1.0, math.exp(1 - wanted / length)) * math.exp(sum(logs) / len(logs))


def chrf(made: Sequence[str], references: Sequence[str]) -> float:
    """chrF2 of a set of texts: F-score, recall counted twice, of character n-grams up to 6 without spaces (Popovic 2015)."""
    check_pairs(made, references)
    counts = np.zeros((CHRF_ORDERS, 3))  # of the text, of the reference, of both
    for one, other in zip(made, references, strict=True):
        one, other = "".join(one.split()), "".join(other.split())
        for n in range(1, CHRF_ORDERS + 1):
            own, wanted = (Counter(text[at : at + n] for at in range(len(text) - n + 1)) for text in (one, other))
            # As in sacrebleu, n-grams longer than the reference are no mistakes.
            counts[n - 1] += own.total() if wanted else 0, wanted.total(), (own & wanted).total()
    both = counts[(counts[:, 0] > 0) & (counts[:, 1] > 0)]
    if not len(both):
        return 0.0
    precision, recall = (both[:, 2] / both[:, 0]).mean(), (both[:, 2] / both[:, 1]).mean()
    weight = CHRF_BETA**2
    below = weight * precision + recall
    return float(100 * (1 + weight) * precision * recall / below) if below else 0.0


def rouge_tokens(references: Sequence[str]) -> Callable[[str], list[str]]:
    """How ROUGE cuts texts: small letters a to z and digits. Departs: rouge-score throws all other letters away, which makes
    0 of Chinese; where those are most of the references, texts are cut into `words` without signs."""
    if ascii_letters(references) and not unspaced(references):
        return lambda text: ASCII_WORD.findall(text.lower())
    return lambda text: [word for word in words(text.lower()) if word[0].isalnum()]


def rouge(made: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Mean F1 of "rouge_1", "rouge_2" (n-grams) and "rouge_l" (longest common subsequence); no stemming (Lin 2004)."""
    check_pairs(made, references)
    cut, found = rouge_tokens(references), {"rouge_1": 0.0, "rouge_2": 0.0, "rouge_l": 0.0}
    for one, other in zip(made, references, strict=True):
        tokens, wanted = cut(one), cut(other)
        for n in (1, 2):
            own, theirs = ngrams(tokens, n), ngrams(wanted, n)
            found[f"rouge_{n}"] += _f1((own & theirs).total(), own.total(), theirs.total())
        found["rouge_l"] += _f1(common_subsequence(tokens, wanted), len(tokens), len(wanted))
    return {name: total / len(made) for name, total in found.items()}


def exact_match(made: Sequence[str], references: Sequence[str]) -> float:
    """Share of texts that are their reference, but for case, signs, articles and spaces (Rajpurkar et al. 2016)."""
    check_pairs(made, references)
    return float(np.mean([_plain(one) == _plain(other) for one, other in zip(made, references, strict=True)]))


def token_f1(made: Sequence[str], references: Sequence[str]) -> float:
    """Mean F1 of the words that a text shares with its reference, compared as by `exact_match`; both empty: 1."""
    check_pairs(made, references)
    scores = []
    for one, other in zip(made, references, strict=True):
        own, wanted = Counter(_plain(one)), Counter(_plain(other))
        both = _f1((own & wanted).total(), own.total(), wanted.total())
        scores.append(both if own and wanted else float(own == wanted))
    return float(np.mean(scores))


def ngrams(tokens: Sequence[str], n: int) -> Grams:
    """How often each n-gram occurs."""
    return Counter(zip(*(tokens[at:] for at in range(n)), strict=False))


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence: bits of one integer hold a row of the table (Hyyro 2004)."""
    places: dict[str, int] = {}
    for at, token in enumerate(first):
        places[token] = places.get(token, 0) | 1 << at
    full = (1 << len(first)) - 1
    row = full
    for token in second:
        hit = row & places.get(token, 0)
        row = ((row + hit) | (row - hit)) & full
    return len(first) - row.bit_count()


def check_pairs(made: Sequence[str], references: Sequence[str]) -> None:
    """GW-0531 for lists that are no pairs."""
    if len(made) != len(references) or not made:
        raise GenwrightError(
            "GW-0531",
            f"There are {len(made)} generated texts for {len(references)} references",
            "Give one generated text for each reference, and one pair at least",
        )


def _plain(text: str) -> list[str]:
    return [word for word in words(text.lower()) if word[0].isalnum() and word not in ("a", "an", "the")]


def _f1(both: int, made: int, wanted: int) -> float:
    return 2 * both / (made + wanted) if both else 0.0
