"""Hashes of normalised lines: the UTF-8 of a text and a table of characters in, one 64-bit number a line out.

The compiled pass of `stages.line_normalising` strips, changes and deletes; what is left of each line is hashed. Two
hashes: `sha1`, the first 8 bytes of the SHA-1 (FIPS 180-4) as a little-endian number, 16 lines at a time; and `xxh64`,
XXH64 with seed 0 (Yann Collet's xxHash specification, version 0.1.1). Both over the UTF-8 of the line.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Any, Literal, TypeAlias

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from stages.line_normalising import PADDING, Bytes, Numbers, Words, load, normalise_lines

Algorithm = Literal["sha1", "xxh64"]
Hashes: TypeAlias = NDArray[np.uint64]

_LANES = 16  # lines hashed side by side: one 512-bit register, two of 256 bits or four of 128

_U64 = np.uint64


def hash_lines(text: bytes, table: Words, algorithm: Algorithm) -> tuple[Hashes, Numbers]:
    """The hash of each line of a text in UTF-8 and, ascending, the numbers of the lines whose hash is not to be used.

    Lines stand between two `\\n`, so an empty text has one. `text` must be valid UTF-8, as `str.encode` makes it:
    the compiled pass does not check it.
    """
    message, ends, unsure = normalise_lines(np.frombuffer(text + PADDING, dtype=np.uint8), table)
    return (_sha1_lines if algorithm == "sha1" else _xxh64_lines)(message, ends), unsure


def hash_normalised(key: bytes, algorithm: Algorithm) -> int:
    """The hash of one line that is normalised already."""
    return int.from_bytes(sha1(key).digest()[:8], "little") if algorithm == "sha1" else xxh64_intdigest(key)


# The five primes of XXH64.
_P1, _P2, _P3, _P4, _P5 = (
    _U64(0x9E3779B185EBCA87),
    _U64(0xC2B2AE3D27D4EB4F),
    _U64(0x165667B19E3779F9),
    _U64(0x85EBCA77C2B2AE63),
    _U64(0x27D4EB2F165667C5),
)


@njit(cache=True)
def _rotate(x: np.uint64, bits: np.uint64) -> np.uint64:
    return x << bits | x >> (_U64(64) - bits)


@njit(cache=True)
def _round(lane: np.uint64, value: np.uint64) -> np.uint64:
    return _rotate(lane + value * _P2, _U64(31)) * _P1


@njit(cache=True)
def _xxh64_lines(message: Bytes, ends: Numbers) -> Hashes:
    """The hash of each line."""
    hashes = np.empty(ends.size, dtype=np.uint64)
    at = _U64(0)
    for line in range(ends.size):
        left = ends[line] - np.int64(at)
        length = _U64(left)
        h = _P5
        if left >= 32:
            a, b, c, d = _P1 + _P2, _P2, _U64(0), _U64(0) - _P1
            while left >= 32:
                a = _round(a, load(message, at))
                b = _round(b, load(message, at + _U64(8)))
                c = _round(c, load(message, at + _U64(16)))
                d = _round(d, load(message, at + _U64(24)))
                at += _U64(32)
                left -= 32
            h = _rotate(a, _U64(1)) + _rotate(b, _U64(7)) + _rotate(c, _U64(12)) + _rotate(d, _U64(18))
            for lane in (a, b, c, d):
                h = (h ^ _round(_U64(0), lane)) * _P1 + _P4
        h += length
        while left >= 8:
            h = _rotate(h ^ _round(_U64(0), load(message, at)), _U64(27)) * _P1 + _P4
            at += _U64(8)
            left -= 8
        if left >= 4:
            h = _rotate(h ^ (load(message, at) & _U64(0xFFFFFFFF)) * _P1, _U64(23)) * _P2 + _P3
            at += _U64(4)
            left -= 4
        for _ in range(left):
            h = _rotate(h ^ _U64(message[at]) * _P5, _U64(11)) * _P1
            at += _U64(1)
        h = (h ^ h >> _U64(33)) * _P2
        h = (h ^ h >> _U64(29)) * _P3
        hashes[line] = h ^ h >> _U64(32)
    return hashes


_SHA1_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_SHA1_CONSTANTS = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)


@intrinsic
def _sha1_rounds(_typing: Any, state: Any, block: Any) -> Any:
    """Takes one block into the SHA-1 of each lane: `state` is 5 rows of a word a lane, `block` 16 (FIPS 180-4, 6.1.2).

    Written out for the compiler, the 80 rounds one after another in vectors of `_LANES` words, so that the state stays
    in registers. A loop over the lanes in each round leaves it in memory and takes at least twice as long.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        vector = ir.VectorType(ir.IntType(32), _LANES)

        def rows(which: int, count: int) -> list[ir.Value]:
            array = context.make_array(signature.args[which])(context, builder, arguments[which])
            first = builder.bitcast(array.data, vector.as_pointer())
            return [builder.gep(first, [ir.Constant(ir.IntType(32), row)]) for row in range(count)]

        def each(number: int) -> ir.Value:
            return ir.Constant(vector, [number] * _LANES)

        def rotate(x: ir.Value, bits: int) -> ir.Value:
            return builder.or_(builder.shl(x, each(bits)), builder.lshr(x, each(32 - bits)))

        pointers = rows(0, 5)
        w = [builder.load(pointer, align=4) for pointer in rows(1, 16)]
        start = [builder.load(pointer, align=4) for pointer in pointers]
        a, b, c, d, e = start
        for t in range(80):
            if t >= 16:
                w.append(
                    rotate(builder.xor(builder.xor(w[t - 3], w[t - 8]), builder.xor(w[t - 14], w[t - 16])), 1)
                )
            if t < 20:
                f = builder.xor(d, builder.and_(b, builder.xor(c, d)))  # choose
            elif 40 <= t < 60:
                f = builder.or_(builder.and_(b, c), builder.and_(d, builder.or_(b, c)))  # majority
            else:
                f = builder.xor(b, builder.xor(c, d))  # parity
            total = builder.add(builder.add(e, w[t]), each(_SHA1_CONSTANTS[t // 20]))
            total = builder.add(builder.add(total, f), rotate(a, 5))
            a, b, c, d, e = total, a, rotate(b, 30), c, d
        for pointer, before, after in zip(pointers, start, (a, b, c, d, e), strict=True):
            builder.store(builder.add(before, after), pointer, align=4)
        return context.get_dummy_value()

    return types.void(state, block), generate


@njit(cache=True)
def _swap(x: np.uint64) -> np.uint64:
    """The low four bytes in the other order."""
    x = (x & _U64(0x00FF00FF)) << _U64(8) | x >> _U64(8) & _U64(0x00FF00FF)
    return (x & _U64(0xFFFF)) << _U64(16) | x >> _U64(16) & _U64(0xFFFF)


@njit(cache=True)
def _sha1_lines(message: Bytes, ends: Numbers) -> Hashes:
    """The hash of each line; each lane works through one line and then takes the next, whatever their lengths."""
    hashes = np.empty(ends.size, dtype=np.uint64)
    state = np.zeros(5 * _LANES, dtype=np.uint32)
    block = np.zeros(16 * _LANES, dtype=np.uint32)
    line = np.zeros(_LANES, dtype=np.int64)
    start = np.zeros(_LANES, dtype=np.int64)
    left = np.zeros(_LANES, dtype=np.int64)  # bytes of the line from the next block on
    busy = np.zeros(_LANES, dtype=np.bool_)
    taken = done = 0
    while done < ends.size:
        for lane in range(_LANES):
            if not busy[lane]:
                if taken == ends.size:
                    continue
                busy[lane] = True
                line[lane] = taken
                start[lane] = ends[taken - 1] if taken else 0
                left[lane] = ends[taken] - start[lane]
                taken += 1
                for row in range(5):
                    state[row * _LANES + lane] = _SHA1_START[row]
            at = _U64(ends[line[lane]] - left[lane])
            for row in range(0, 16, 2):
                two = load(message, at + _U64(4 * row))
                rest = left[lane] - 4 * row
                if rest < 0:
                    two = _U64(0)
                elif rest < 8:  # a 1 bit follows, and zeros
                    two = two & (_U64(1) << _U64(8 * rest)) - _U64(1) | _U64(0x80) << _U64(8 * rest)
                block[row * _LANES + lane] = _swap(two)
                block[(row + 1) * _LANES + lane] = _swap(two >> _U64(32))
            if left[lane] < 56:  # the last block ends in the length in bits
                bits = _U64(8 * (ends[line[lane]] - start[lane]))
                block[14 * _LANES + lane] = bits >> _U64(32)
                block[15 * _LANES + lane] = bits & _U64(0xFFFFFFFF)
        _sha1_rounds(state, block)  # type: ignore[call-arg]  # the compiler gives the first argument
        for lane in range(_LANES):
            if busy[lane]:
                if left[lane] < 56:
                    first, second = _U64(state[lane]), _U64(state[_LANES + lane])
                    hashes[line[lane]] = _swap(first) | _swap(second) << _U64(32)
                    busy[lane] = False
                    done += 1
                left[lane] -= 64
    return hashes
