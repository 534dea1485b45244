"""The command line. A module a group of commands; bodies are thin, and import what is heavy themselves."""
