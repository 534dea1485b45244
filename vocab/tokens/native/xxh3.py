"""XXH3, 64 bits, without a seed, of bytes within a buffer: what `xxhash.xxh3_64_intdigest` gives, compiled.

After the specification of Yann Collet (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
"""

from typing import Any

import numpy as np

from vocab.tokens.native.compiled import compiled

_SECRET = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
        "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
        "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
        "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
        "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
        "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
    ),
    np.uint8,
)
_P32_1, _P32_2, _P32_3 = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77), np.uint64(0xC2B2AE3D)
_P64_1, _P64_2, _P64_3 = np.uint64(0x9E3779B185EBCA87), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
_P64_4, _P64_5 = np.uint64(0x85EBCA77C2B2AE63), np.uint64(0x27D4EB2F165667C5)
_MIX_1, _MIX_2 = np.uint64(0x165667919E3779F9), np.uint64(0x9FB21C651E98DF25)
_LANES = np.array([_P32_3, _P64_1, _P64_2, _P64_3, _P64_4, _P32_2, _P64_5, _P32_1])
_LOW = np.uint64(0xFFFFFFFF)
_STRIPE, _BLOCK = 64, 1024  # bytes


@compiled
def xxh3_64(buffer: Any, begin: int, end: int) -> Any:
    """uint64: the hash of `buffer[begin:end]`, uint8."""
    length = end - begin
    if length <= 16:
        return _up_to_16(buffer, begin, length)
    if length <= 240:
        return _up_to_240(buffer, begin, length)
    return _longer(buffer, begin, length)


@compiled
def xxh3_64_of_17(first: int, low: Any, high: Any) -> Any:
    """uint64: the hash of a byte and two uint64, little-endian."""
    eight = np.uint64(8)
    mixed = np.uint64(17) * _P64_1
    mixed += _fold(
        (low << eight | np.uint64(first)) ^ _read64(_SECRET, 0),
        (high << eight | low >> np.uint64(56)) ^ _read64(_SECRET, 8),
    )
    mixed += _fold(low ^ _read64(_SECRET, 16), high ^ _read64(_SECRET, 24))
    return _avalanche(mixed)


@compiled
def _up_to_16(buffer: Any, at: int, length: int) -> Any:
    size = np.uint64(length)
    if length > 8:
        low = _read64(buffer, at) ^ _read64(_SECRET, 24) ^ _read64(_SECRET, 32)
        high = _read64(buffer, at + length - 8) ^ _read64(_SECRET, 40) ^ _read64(_SECRET, 48)
        return _avalanche(size + _swap(low) + high + _fold(low, high))
    if length >= 4:
        first, last = _read32(buffer, at), _read32(buffer, at + length - 4)
        mixed = (last + (first << np.uint64(32))) ^ _read64(_SECRET, 8) ^ _read64(_SECRET, 16)
        mixed ^= _rotate(mixed, 49) ^ _rotate(mixed, 24)
        mixed *= _MIX_2
        mixed ^= (mixed >> np.uint64(35)) + size
        mixed *= _MIX_2
        return mixed ^ (mixed >> np.uint64(28))
    if length > 0:
        first, middle = np.uint64(buffer[at]), np.uint64(buffer[at + (length >> 1)])
        combined = first << np.uint64(16) | middle << np.uint64(24) | np.uint64(buffer[at + length - 1])
        return _avalanche64((combined | size << np.uint64(8)) ^ _read32(_SECRET, 0) ^ _read32(_SECRET, 4))
    return _avalanche64(_read64(_SECRET, 56) ^ _read64(_SECRET, 64))


@compiled
def _up_to_240(buffer: Any, at: int, length: int) -> Any:
    mixed = np.uint64(length) * _P64_1
    if length <= 128:
        for i in range((length - 1) // 32, -1, -1):
            mixed += _mix16(buffer, at + 16 * i, 32 * i) + _mix16(buffer, at + length - 16 * (i + 1), 32 * i + 16)
        return _avalanche(mixed)
    for i in range(8):
        mixed += _mix16(buffer, at + 16 * i, 16 * i)
    mixed = _avalanche(mixed)
    for i in range(8, length // 16):
        mixed += _mix16(buffer, at + 16 * i, 16 * (i - 8) + 3)
    return _avalanche(mixed + _mix16(buffer, at + length - 16, 119))


@compiled
def _longer(buffer: Any, at: int, length: int) -> Any:
    """The eight accumulators are four pairs that never meet: one pair after the other."""
    blocks = (length - 1) // _BLOCK
    mixed = np.uint64(length) * _P64_1
    for pair in range(0, 8, 2):
        first, second = _LANES[pair], _LANES[pair + 1]
        for block in range(blocks):
            for stripe in range(16):
                first, second = _accumulate(
                    first, second, buffer, at + block * _BLOCK + stripe * _STRIPE + 8 * pair, 8 * (stripe + pair)
                )
            first, second = _scramble(first, 128 + 8 * pair), _scramble(second, 136 + 8 * pair)
        for stripe in range((length - 1 - blocks * _BLOCK) // _STRIPE):
            first, second = _accumulate(
                first, second, buffer, at + blocks * _BLOCK + stripe * _STRIPE + 8 * pair, 8 * (stripe + pair)
            )
        first, second = _accumulate(first, second, buffer, at + length - _STRIPE + 8 * pair, 121 + 8 * pair)
        mixed += _fold(first ^ _read64(_SECRET, 11 + 8 * pair), second ^ _read64(_SECRET, 19 + 8 * pair))
    return _avalanche(mixed)


@compiled
def _accumulate(first: Any, second: Any, buffer: Any, at: int, secret: int) -> tuple[Any, Any]:
    low, high = _read64(buffer, at), _read64(buffer, at + 8)
    keyed_low, keyed_high = low ^ _read64(_SECRET, secret), high ^ _read64(_SECRET, secret + 8)
    shift = np.uint64(32)
    return (
        first + high + (keyed_low & _LOW) * (keyed_low >> shift),
        second + low + (keyed_high & _LOW) * (keyed_high >> shift),
    )


@compiled
def _scramble(lane: Any, secret: int) -> Any:
    return (lane ^ (lane >> np.uint64(47)) ^ _read64(_SECRET, secret)) * _P32_1


@compiled
def _mix16(buffer: Any, at: int, secret: int) -> Any:
    return _fold(
        _read64(buffer, at) ^ _read64(_SECRET, secret), _read64(buffer, at + 8) ^ _read64(_SECRET, secret + 8)
    )


@compiled
def _fold(a: Any, b: Any) -> Any:
    """The two halves of the 128-bit product, xored."""
    shift = np.uint64(32)
    a_low, a_high, b_low, b_high = a & _LOW, a >> shift, b & _LOW, b >> shift
    low = a_low * b_low
    middle = a_high * b_low + (low >> shift)
    middle2 = a_low * b_high + (middle & _LOW)
    return (low & _LOW | middle2 << shift) ^ (a_high * b_high + (middle >> shift) + (middle2 >> shift))


@compiled
def _avalanche(mixed: Any) -> Any:
    mixed ^= mixed >> np.uint64(37)
    mixed *= _MIX_1
    return mixed ^ (mixed >> np.uint64(32))


@compiled
def _avalanche64(mixed: Any) -> Any:
    mixed ^= mixed >> np.uint64(33)
    mixed *= _P64_2
    mixed ^= mixed >> np.uint64(29)
    mixed *= _P64_3
    return mixed ^ (mixed >> np.uint64(32))


@compiled
def _rotate(value: Any, bits: int) -> Any:
    return value << np.uint64(bits) | value >> np.uint64(64 - bits)


@compiled
def _swap(value: Any) -> Any:
    swapped = np.uint64(0)
    for i in range(8):
        swapped |= (value >> np.uint64(8 * i) & np.uint64(255)) << np.uint64(56 - 8 * i)
    return swapped


@compiled
def _read32(buffer: Any, at: int) -> Any:
    begin, value = np.uint64(at), np.uint64(0)  # an index without sign is not looked at: the bytes are read as one
    for i in range(4):
        value |= np.uint64(buffer[begin + np.uint64(i)]) << np.uint64(8 * i)
    return value


@compiled
def _read64(buffer: Any, at: int) -> Any:
    begin, value = np.uint64(at), np.uint64(0)  # an index without sign is not looked at: the bytes are read as one
    for i in range(8):
        value |= np.uint64(buffer[begin + np.uint64(i)]) << np.uint64(8 * i)
    return value
