"""The command `genwright`, also as `python -m genwright`: answers --version before anything else is imported."""

import sys


def main() -> None:
    """Entry point; everything but --version is in `cli.py`."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from genwright import __version__

        print(f"genwright {__version__}")
        return
    from genwright.cli import main as command

    command()


if __name__ == "__main__":
    main()
