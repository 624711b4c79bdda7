"""Random words from a seed, for tests of noise alone: private runs never take one."""

import numpy as np

from genwright.privacy.noise import Source


def seeded(seed: int = 0) -> Source:
    """A source of 64-bit words that repeats."""
    generator = np.random.default_rng(seed)
    return lambda n: generator.integers(0, 2**64, n, dtype=np.uint64)
