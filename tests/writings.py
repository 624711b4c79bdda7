"""Settings for tests of texts."""

from types import SimpleNamespace

from genwright.text_settings import TextSettings


def settings(holdout=0.1, test="", seed=0, **text):
    """All that a TextSet reads of a training's settings."""
    return SimpleNamespace(epsilon=0.0, text=TextSettings(**text), holdout=holdout, test=test, seed=seed)
