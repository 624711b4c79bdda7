"""How far generated texts are from real ones: over embeddings, over n-grams, and to a classifier that tells them apart.

*Embeddings* are whatever the caller gives, a function of texts that returns vectors. Without one, English texts get those of
`sentences.py`, where its package is installed. All others need nothing but the training texts: counts of character and word
n-grams, weighted as by TF-IDF, in the 64 directions in which training texts differ most (latent semantic analysis, Deerwester
et al. 1990). They see words and spelling, little of meaning.
"""

from __future__ import annotations

import hashlib
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genwright.data.language import most_common_language
from genwright.metrics import sentences
from genwright.metrics.auc import Estimate, auc
from genwright.metrics.text_words import Numbered, grams, number

Embed = Callable[[Sequence[str]], np.ndarray]
WIDTH_BITS = 15  # of columns of hashed n-grams
SPREAD = np.uint64(0xD6E8FEB86659FD93)  # odd, of even bits: what it multiplies is spread over the high bits
DIRECTIONS = 64
READ = 4_000  # first characters of a text
CHARACTERS, WORDS = (2, 3, 4), (1, 2)
FOLDS = 3
FEWEST = 20  # texts of each kind; with fewer a classifier finds nothing, and its .5 would look like success
SCALE, MIXTURES = 5.0, 25  # of MAUVE


class Weighted:
    """Rows of TF-IDF weights of hashed n-grams, with the weights of the texts that it is made of."""

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfTransformer

        self.weights = TfidfTransformer(sublinear_tf=True).fit(hashed(texts))

    def __call__(self, texts: Sequence[str]) -> Any:
        """(texts, 32,768) sparse rows of length one; an empty text is a row of zeros."""
        return self.weights.transform(hashed(texts))


@dataclass(frozen=True)
class Embedding:
    """Vectors of texts, and what they are called in a report."""

    name: str
    sha256: str
    call: Embed


def embedding(texts: Sequence[str], weighted: Weighted, *, seed: int) -> Embedding:
    """The embedding for training texts: of a sentence model, if one is installed for their language, else fitted to them."""
    if sentences.folder() is not None and most_common_language(texts) == sentences.LANGUAGE:
        return Embedding(sentences.NAME, sentences.SHA256, sentences.vectors)
    return fitted(texts, weighted, seed=seed)


def fitted(texts: Sequence[str], weighted: Weighted, *, seed: int) -> Embedding:
    """The embedding fitted to training texts; "sha256" is of its matrix, rounded, so that equal numbers mean equal ones."""
    from sklearn.decomposition import TruncatedSVD

    rows = weighted(texts)
    size = max(1, min(DIRECTIONS, len(texts) - 1))
    with np.errstate(invalid="ignore", divide="ignore"):  # shares of a variance of nothing, which nobody reads
        directions = TruncatedSVD(size, n_iter=2, random_state=seed).fit(rows)
    kept = np.round(directions.components_.astype(np.float32), 4)
    mark = hashlib.sha256(kept.tobytes()).hexdigest()
    return Embedding(f"tfidf_svd_{size}", mark, lambda asked: directions.transform(weighted(asked)))


def hashed(texts: Sequence[str]) -> Any:
    """(texts, 32,768) sparse counts of n-grams: 2 to 4 characters, and 1 to 2 words, in small letters."""
    from scipy.sparse import csr_matrix

    texts = [text[:READ].lower() for text in texts]
    known: dict[str, int] = {}
    words = number(texts, known)
    # The same in every process and for every set of texts, unlike numbers by order or Python's own hash.
    marks = [zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in known]
    words = Numbered(np.array(marks, dtype=np.uint32)[words.ids], words.starts)
    rows, columns = [], []
    for part, sizes in ((_codes(texts), CHARACTERS), (words, WORDS)):
        for n in sizes:
            mixed = (grams(part, n) + np.uint64(n)) * SPREAD
            columns.append((mixed >> np.uint64(64 - WIDTH_BITS)).astype(np.int64))
            rows.append(part.text[part.whole(n)])
    row, column = np.concatenate(rows), np.concatenate(columns)
    return csr_matrix((np.ones(len(row)), (row, column)), shape=(len(texts), 1 << WIDTH_BITS))


def divergence(first: Numbered, second: Numbered, n: int) -> float | None:
    """Jensen-Shannon distance of the n-grams of both: the root of the divergence in bits, in [0, 1]; None without n-grams."""
    parts = [np.unique(grams(texts, n), return_counts=True) for texts in (first, second)]
    if not all(len(keys) for keys, _ in parts):
        return None
    every = np.union1d(parts[0][0], parts[1][0])
    shares = np.zeros((2, len(every)))
    for share, (keys, counts) in zip(shares, parts, strict=True):
        share[np.searchsorted(every, keys)] = counts / counts.sum()
    middle = shares.mean(0)
    return float(np.sqrt(max(0.0, np.mean([_relative(share, middle) for share in shares]) / np.log(2))))


def mauve(real: np.ndarray, made: np.ndarray, *, seed: int) -> float:
    """Area under the divergence frontier of clustered vectors, in [0, 1], higher is nearer (Pillutla et al. 2021, section 2).

    Departs: the vectors are those of `embedding`, so numbers compare with each other but not with published ones; a half is
    added to each count (Krichevsky and Trofimov), as the authors later advised for few texts.
    """
    from sklearn.cluster import KMeans

    both = np.concatenate([real, made])
    both = both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-12)
    clusters = max(2, min(500, len(both) // 20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer different texts than clusters: some stay empty
        place = KMeans(clusters, n_init=1, random_state=seed).fit_predict(both)
    counts = [np.bincount(part, minlength=clusters) + 0.5 for part in (place[: len(real)], place[len(real) :])]
    return frontier(*(count / count.sum() for count in counts))


def frontier(p: np.ndarray, q: np.ndarray) -> float:
    """MAUVE of two distributions over the same clusters: equations 1 and 2 of Pillutla et al. 2021, c = 5, the mean of the
    areas seen from either axis."""
    share = np.linspace(1e-6, 1 - 1e-6, MIXTURES)[:, None]
    mixed = share * p + (1 - share) * q
    x = np.array([1, *(np.exp(-SCALE * _relative(q, r)) for r in mixed), 0])
    y = np.array([0, *(np.exp(-SCALE * _relative(p, r)) for r in mixed), 1])
    return float((abs(np.trapezoid(y, x)) + abs(np.trapezoid(x, y))) / 2)


def judge(real: Any, made: Any, *, seed: int) -> Estimate | None:
    """AUC of a logistic regression on sparse rows that tells generated texts from real ones, by threefold cross-validation;
    .5 best, below it where texts of one set are in the other. None of fewer than 20 of each."""
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    if min(real.shape[0], made.shape[0]) < FEWEST:
        return None
    x, y = vstack([real, made]).tocsr(), np.arange(real.shape[0] + made.shape[0]) >= real.shape[0]
    random = np.random.default_rng([seed, 19])
    fold = np.concatenate([random.permutation(part.shape[0]) % FOLDS for part in (real, made)])
    parts = []
    for k in range(FOLDS):
        model = LogisticRegression(solver="liblinear", random_state=seed).fit(x[fold != k], y[fold != k])
        parts.append(auc(y[fold == k], model.decision_function(x[fold == k])))
    value = float(np.mean([part.value for part in parts]))
    return Estimate(value, float(np.sqrt(sum(part.error**2 for part in parts))) / FOLDS)


def _relative(p: np.ndarray, q: np.ndarray) -> float:
    """Kullback-Leibler divergence in nats."""
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum())


def _codes(texts: Sequence[str]) -> Numbered:
    """The characters of texts, numbered by Unicode."""
    parts = [np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32) for text in texts]
    return Numbered(np.concatenate(parts), np.cumsum([0, *map(len, parts)]))
