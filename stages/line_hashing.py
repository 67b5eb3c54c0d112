"""Hashes of normalised lines: the UTF-8 of a text and a table of characters in, one 64-bit number a line out.

One compiled pass over the bytes strips each line, puts every character through the table (which may change it or delete
it) and hashes what is left. The table is built from this Python's own `str` methods, so that the result is theirs.
What a table of single characters cannot say (a lower-case form that depends on the neighbours, or of two characters)
is marked in it, and lines with such a character come out as unsure, for the caller to hash in another way.

Two hashes: `sha1`, the first 8 bytes of the SHA-1 (FIPS 180-4) as a little-endian number, 16 lines at a time; and
`xxh64`, XXH64 with seed 0 (Yann Collet's xxHash specification, version 0.1.1). Both over the UTF-8 of the line.
"""

from __future__ import annotations

import re
from hashlib import sha1
from typing import Any, Literal, TypeAlias

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

Algorithm = Literal["sha1", "xxh64"]

# An entry of the table: the new character in the low 21 bits, and these marks.
_CHARACTER = 0x1FFFFF
_WHITE = 1 << 21  # stripped at both ends of a line
_DELETED = 1 << 22
_UNSURE = 1 << 23
TABLE_SIZE = 0x20000  # no character beyond is in upper case, a digit or white space

_LANES = 16  # lines hashed side by side: one 512-bit register, two of 256 bits or four of 128
_SLACK = 80  # a hash may read a block (64 bytes) and its own padding (8) beyond the last line
_PADDING = b"\n" + bytes(8)  # ends the last line, and lets 8 bytes be read at once from any byte of a line


def character_table(deleted: str) -> NDArray[np.uint32]:
    """The table for: strip, lower case, each decimal digit of any script as `0`, and then `deleted` deleted.

    `deleted` has no letters and no printable ASCII: of that the compiled pass takes eight at once, without the table.
    """
    assert not any(c.isalpha() or " " <= c <= "~" for c in deleted), "letters or printable ASCII"
    characters = [chr(c) for c in range(TABLE_SIZE)]
    lowered = [c.lower() for c in characters]
    table = np.array([ord(low[0]) for low in lowered], dtype=np.uint32)
    for c in {*deleted} - {"\n"}:
        table[ord(c)] |= _DELETED
    for white in re.finditer(r"\s", "".join(characters)):
        table[white.start()] |= _WHITE
    for digit in re.finditer(r"\d", "".join(characters)):
        table[digit.start()] = ord("0")  # before anything is deleted, so no digit ever is
    for code, (c, low) in enumerate(zip(characters, lowered, strict=True)):
        # Capital sigma has two lower-case forms. A form of more bytes would outgrow the buffer of the compiled pass.
        if c != low and (len(low) > 1 or c == "Σ" or len(low.encode()) > len(c.encode())):
            table[code] |= _UNSURE
    return table


def hash_lines(
    text: bytes, table: NDArray[np.uint32], algorithm: Algorithm
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hash of each line of a text in UTF-8 and, ascending, the numbers of the lines whose hash is not to be used.

    Lines stand between two `\\n`, so an empty text has one. `text` must be valid UTF-8, as `str.encode` makes it:
    the compiled pass does not check it.
    """
    message, ends, unsure = _normalise_lines(np.frombuffer(text + _PADDING, dtype=np.uint8), table)
    return (_sha1_lines if algorithm == "sha1" else _xxh64_lines)(message, ends), unsure


def hash_normalised(key: bytes, algorithm: Algorithm) -> int:
    """The hash of one line that is normalised already."""
    return int.from_bytes(sha1(key).digest()[:8], "little") if algorithm == "sha1" else xxh64_intdigest(key)


_U8, _U32, _U64 = np.uint8, np.uint32, np.uint64
Bytes: TypeAlias = NDArray[np.uint8]
Words: TypeAlias = NDArray[np.uint32]
Hashes: TypeAlias = NDArray[np.uint64]
Numbers: TypeAlias = NDArray[np.int64]

_EACH = 0x0101010101010101  # times a byte: that byte eight times


@njit(cache=True)
def _load(data: Bytes, at: np.uint64) -> np.uint64:
    """8 bytes as a little-endian number; the compiler makes one instruction of it."""
    value = _U64(data[at])
    for k in range(1, 8):
        value |= _U64(data[at + _U64(k)]) << _U64(8 * k)
    return value


@njit(cache=True)
def _entry(text: Bytes, at: np.uint64, table: Words) -> tuple[np.uint32, np.uint64]:
    """Table entry of the character at a byte, and the byte after it."""
    b = _U32(text[at])
    if b < 0x80:
        return table[b], at + _U64(1)
    code = _U32(text[at + _U64(1)] & 63)
    if b < 0xE0:
        return table[(b & _U32(31)) << _U32(6) | code], at + _U64(2)
    code = code << _U32(6) | _U32(text[at + _U64(2)] & 63)
    if b < 0xF0:
        return table[(b & _U32(15)) << _U32(12) | code], at + _U64(3)
    code = (b & _U32(7)) << _U32(18) | code << _U32(6) | _U32(text[at + _U64(3)] & 63)
    return (table[code] if code < TABLE_SIZE else code), at + _U64(4)


@njit(cache=True)
def _put(out: Bytes, o: np.uint64, c: np.uint32) -> np.uint64:
    """Writes a character in UTF-8; returns the place after it."""
    if c < 0x80:
        out[o] = c
        return o + _U64(1)
    if c < 0x800:
        out[o] = _U32(0xC0) | c >> _U32(6)
        out[o + _U64(1)] = _U32(0x80) | c & _U32(63)
        return o + _U64(2)
    if c < 0x10000:
        out[o] = _U32(0xE0) | c >> _U32(12)
        out[o + _U64(1)] = _U32(0x80) | c >> _U32(6) & _U32(63)
        out[o + _U64(2)] = _U32(0x80) | c & _U32(63)
        return o + _U64(3)
    out[o] = _U32(0xF0) | c >> _U32(18)
    out[o + _U64(1)] = _U32(0x80) | c >> _U32(12) & _U32(63)
    out[o + _U64(2)] = _U32(0x80) | c >> _U32(6) & _U32(63)
    out[o + _U64(3)] = _U32(0x80) | c & _U32(63)
    return o + _U64(4)


@njit(cache=True)
def _normalise_lines(text: Bytes, table: Words) -> tuple[Bytes, Numbers, Numbers]:
    """The normalised lines one after another, the end of each in them, and the numbers of the unsure ones.

    `text` ends in `_PADDING`. The normalised lines are followed by at least `_SLACK` bytes of anything.
    """
    high, low = _U64(0x80 * _EACH), _U64(0x7F * _EACH)
    count = 0
    for b in text[: text.size - 8]:
        count += b == 10
    out = np.empty(text.size + _SLACK, dtype=np.uint8)
    ends = np.empty(count, dtype=np.int64)
    unsure = np.empty(count, dtype=np.int64)
    doubts = 0
    at = o = _U64(0)
    for line in range(count):
        while text[at] != 10:
            entry, after = _entry(text, at, table)
            if not entry & _U32(_WHITE):
                break
            at = after
        begin = at
        marks = _U32(0)
        while True:
            # Eight bytes at once: `special` has the top bit of each that is no printable ASCII. All eight are written,
            # in lower case and with digits as 0; those before the first special one count.
            x = _load(text, at)
            t = x & low
            special = (x | ~(t + _U64(0x60 * _EACH)) | (t + _U64(_EACH))) & high
            upper = (t + _U64(0x3F * _EACH)) & ~(t + _U64(0x25 * _EACH)) & high
            digit = (t + _U64(0x50 * _EACH)) & ~(t + _U64(0x46 * _EACH)) & high
            x = (x | upper >> _U64(2)) & ~((digit >> _U64(7)) * _U64(15))
            for k in range(8):
                out[o + _U64(k)] = _U8(x >> _U64(8 * k))
            below = (special - _U64(1)) & ~special & high
            plain = (below >> _U64(7)) * _U64(_EACH) >> _U64(56)
            at += plain
            o += plain
            if special == 0:
                continue
            if text[at] == 10:
                break
            while True:
                entry, at = _entry(text, at, table)
                marks |= entry
                if not entry & _U32(_DELETED):
                    o = _put(out, o, entry & _U32(_CHARACTER))
                if text[at] < 0x80:
                    break
        # The white space at the end is taken back, as far as it was not deleted anyway.
        last = at
        while last > begin:
            after = last
            last -= _U64(1)
            while text[last] & 0xC0 == 0x80:
                last -= _U64(1)
            entry, _ = _entry(text, last, table)
            if not entry & _U32(_WHITE):
                break
            if not entry & _U32(_DELETED):
                o -= after - last
        ends[line] = o
        at += _U64(1)
        if marks & _U32(_UNSURE):
            unsure[doubts] = line
            doubts += 1
    return out, ends, unsure[:doubts].copy()


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
                a = _round(a, _load(message, at))
                b = _round(b, _load(message, at + _U64(8)))
                c = _round(c, _load(message, at + _U64(16)))
                d = _round(d, _load(message, at + _U64(24)))
                at += _U64(32)
                left -= 32
            h = _rotate(a, _U64(1)) + _rotate(b, _U64(7)) + _rotate(c, _U64(12)) + _rotate(d, _U64(18))
            for lane in (a, b, c, d):
                h = (h ^ _round(_U64(0), lane)) * _P1 + _P4
        h += length
        while left >= 8:
            h = _rotate(h ^ _round(_U64(0), _load(message, at)), _U64(27)) * _P1 + _P4
            at += _U64(8)
            left -= 8
        if left >= 4:
            h = _rotate(h ^ (_load(message, at) & _U64(0xFFFFFFFF)) * _P1, _U64(23)) * _P2 + _P3
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
                two = _load(message, at + _U64(4 * row))
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
