"""The tokenizer compiled: Python calls what is in `tweets`; the other files are its parts."""
