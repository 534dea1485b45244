"""The command line: one module per group of commands. Commands are thin and import heavy packages when they run."""
