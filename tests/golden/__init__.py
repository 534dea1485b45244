"""The bytes of every record, as they are on the wire at the version that this code writes.

`<Record>.v<version>.json` or `.hex` (MessagePack) or `.arrow.hex`. A file is never rewritten: a layout that changes
gets a new version, and a new file in place of the old one.
"""
