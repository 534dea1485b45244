"""`python -m driftline`: the command line without its script on the path."""

from driftline.cli.main import main

main()
