"""Bytes that were on the wire once, and the records that they are. Today's code must read them for ever.

`<Record>.v<version>.json` or `.hex` (MessagePack) or `.arrow.hex`. A layout that changes gets a new version and a new
file beside the old one; a file here is never rewritten.
"""
