"""The operations on which the time goes, one folder each: a `reference` (plain numpy, the definition), the numba
version, and a face that only dispatches. Tests and benchmarks import the references; they are shipped code.

Every version accumulates in one fixed order and without `fastmath`, so a result has the same bits whatever stands
beside it in the batch. Nothing here imports torch.
"""
