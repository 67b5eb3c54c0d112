"""A bz2 stream whose packed bytes hold what we choose, to put marks where no stream begins.

The Huffman code gives 254 symbols eight bits and four symbols nine, so that any bytes below 0xFE are a valid block.
"""

from __future__ import annotations

BLOCK_MARK, END_MARK = "314159265359", "177245385090"


def bits(value: int, width: int) -> str:
    return f"{value:0{width}b}"


def crc32_of_bzip2(data: bytes) -> int:
    """CRC-32 with the highest bit first, as bzip2 has it."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF ^ 0xFFFFFFFF


def inflated(indices: list[int]) -> bytes:
    """What a block of these move-to-front indices inflates to; the first of the sorted rotations is where it starts."""
    front, column = list(range(256)), []
    for index in indices:
        column.append(front.pop(index))
        front.insert(0, column[-1])
    order = sorted(range(len(column)), key=lambda n: (column[n], n))
    row, text = order[0], bytearray()
    for _ in column:
        text.append(column[row])
        row = order[row]
    out, run = bytearray(), 0
    for byte in text:
        if run == 4:  # after four equal bytes comes how many more
            out += out[-1:] * byte
            run = 0
            continue
        run = run + 1 if run and out[-1] == byte else 1
        out.append(byte)
    return bytes(out)


def stream_holding(wanted: bytes) -> bytes:
    """A whole bz2 stream among whose packed bytes are `wanted`, each below 0xFE."""
    assert max(wanted) < 0xFE
    # Symbols: two of runs, 255 indices, the end. All but runs, last index and end have eight bits.
    lengths = [9, 9, *[8] * 254, 9, 9]
    groups = (len(wanted) + 40) // 50 + 2
    table = bits(lengths[0], 5)
    for before, length in zip([lengths[0], *lengths], lengths, strict=False):
        table += "10" * max(0, length - before) + "11" * max(0, before - length) + "0"
    # The pointer to the first row, all 256 bytes used, two tables, each group with the first of them.
    head = bits(0, 24) + "1" * 16 + "1" * 256 + bits(2, 3) + bits(groups, 15) + "0" * groups + table * 2
    before_payload = 4 * 8 + 48 + 32 + 1 + len(head)
    shift = -before_payload % 8  # symbols of nine bits push the bytes to their places
    last_index = bits(0b111111110, 9)  # the third of the codes of nine bits: 508 and 509 are the runs
    payload = last_index * shift + "".join(bits(byte, 8) for byte in wanted)
    indices = [255] * shift + [byte + 1 for byte in wanted]
    filling = (groups - 1) * 50 - len(indices)
    payload += bits(0, 8) * filling + bits(0b111111111, 9)
    text = inflated([*indices, *[1] * filling])
    checksum = bits(crc32_of_bzip2(text), 32)
    block = bits(int(BLOCK_MARK, 16), 48) + checksum + "0" + head + payload
    # The checksum of a stream of one block is that of the block.
    whole = block + bits(int(END_MARK, 16), 48) + checksum
    whole += "0" * (-len(whole) % 8)
    packed = b"BZh9" + int(whole, 2).to_bytes(len(whole) // 8, "big")
    assert wanted in packed
    return packed
