"""`python -m driftline`: the command line, where its script is not on the path."""

from driftline.cli.main import main

main()
