"""Genwright: train a generative model on your own data, get synthetic data back, with an honest report.

    import genwright
    run = genwright.train("patients.csv")
    rows = run.sample(1000, where={"age": 30})
    run.report()

Names are loaded when first used, so that importing the package costs nothing. Read `trainer.py` next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["GenwrightError", "Report", "Run", "compare", "models", "open", "train"]

if TYPE_CHECKING:
    from genwright import models
    from genwright.comparison import compare
    from genwright.errors import GenwrightError
    from genwright.modalities import open_run as open
    from genwright.report import Report
    from genwright.run import Run
    from genwright.trainer import train


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'genwright' has no attribute {name!r}")
    if name == "models":
        import genwright.models

        return genwright.models
    from genwright.comparison import compare
    from genwright.errors import GenwrightError
    from genwright.modalities import open_run
    from genwright.report import Report
    from genwright.run import Run
    from genwright.trainer import train

    names = {
        "GenwrightError": GenwrightError,
        "Report": Report,
        "Run": Run,
        "compare": compare,
        "open": open_run,
        "train": train,
    }
    names |= {"compare": compare, "open": open_run, "train": train}
    return names[name]


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
