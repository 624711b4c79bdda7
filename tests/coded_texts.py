"""Small texts made on the spot, of three conditions that their words tell: what the tests of text metrics score."""

import numpy as np

CONDITIONS = ("weather", "kitchen", "street")
NOUNS = (
    ("rain", "wind", "cloud", "storm", "sun", "snow", "fog", "thunder"),
    ("soup", "bread", "salt", "oven", "knife", "onion", "butter", "plate"),
    ("tram", "corner", "lamp", "bridge", "market", "crowd", "bicycle", "shop"),
)
VERBS = ("finds", "leaves", "follows", "hides", "carries", "forgets", "passes", "meets", "covers", "turns")
ADJECTIVES = ("old", "quiet", "cold", "bright", "slow", "yellow", "heavy", "early", "thin", "strange", "soft", "late")
ENDS = ("at night", "in the morning", "again", "without a sound", "for an hour", "before noon", "at last", "in June")


def sentences(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    """n texts of three to five sentences and (n,) the number of the condition of each."""
    random = np.random.default_rng(seed)
    labels = random.integers(len(CONDITIONS), size=n)
    return [" ".join(_sentence(random, label) for _ in range(random.integers(3, 6))) for label in labels], labels


def _sentence(random: np.random.Generator, label: int) -> str:
    first, second = random.choice(NOUNS[label], 2, replace=False)
    adjectives = random.choice(ADJECTIVES, 2)
    return f"The {adjectives[0]} {first} {random.choice(VERBS)} the {adjectives[1]} {second} {random.choice(ENDS)}."


TRAIN, TRAIN_LABELS = sentences(400, 0)
HELD, HELD_LABELS = sentences(220, 1)
FRESH, FRESH_LABELS = sentences(200, 2)
