"""`python -m genwright` is the command `genwright`."""

from genwright.cli import main

main()
