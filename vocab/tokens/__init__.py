"""Tweets to tokens to keys: what a token is, on pinned Unicode data. `tokenizer` is the way in.

`tokenizer_reference` is the definition in plain Python, made of `twitter_text` (entities), `words` (segments),
`folding` and `patterns` (canonical forms); `native` is the same compiled; `subwords` makes n-grams of made-up words.
"""
