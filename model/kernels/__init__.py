"""The operations that take the time, one folder each: a `reference` (plain numpy, the definition), the numba version,
and a face that only dispatches. References are shipped code, which tests and benchmarks import.

Every version accumulates in one fixed order and without `fastmath`, so a result has the same bits in any batch.
Nothing here imports torch.
"""
