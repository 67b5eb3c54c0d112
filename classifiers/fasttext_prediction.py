"""A fastText classifier's best label: the same label and the same probability to the bit, four times as fast.

In: UTF-8 without line ends. Out: the number of the best label and its probability. What is done is fastText's own
(`Dictionary::getLine`, `computeSubwords`, `Model::computeHidden`, `HierarchicalSoftmaxLoss::dfs`), in its order and its
32 bits: the vectors of the words and of their n-grams are added up, and the tree of labels is walked where it is most
probable. What is different is where the time went: fastText looks each n-gram up in a hash map and builds its vector
from eight codes. Here one bit says whether an n-gram is known, and its vector stands ready.

Memory: 4 MB for lid.176.ftz, and the length of the text.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from classifiers.fasttext_file import CompressedModel, Float32Matrix

# Constants of the kernel, as with numbers that are not known to the compiler it takes half as long again: those of
# lid.176, which are fastText's defaults but for the dimensions.
DIMENSIONS = 16
BUCKETS = 2_000_000
MIN_CHARACTERS, MAX_CHARACTERS = 2, 4

END_OF_LINE = b"</s>"  # Dictionary::EOS, which every line ends with
LABEL_PREFIX = b"__label__"  # a word of a text that begins so is no word
_END, _LABEL = np.frombuffer(END_OF_LINE, np.uint8), np.frombuffer(LABEL_PREFIX, np.uint8)
_SPACE = np.zeros(256, np.bool_)  # Dictionary::readWord
_SPACE[[0, 9, 10, 11, 12, 13, 32]] = True

# FNV-1a (Dictionary::hash), which adds bytes as signed numbers
_FNV_OFFSET, _FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
_OPEN, _CLOSE = ord("<"), ord(">")  # Dictionary::BOW, EOW
_TINY = 1e-5  # Loss::std_log adds it
_NEVER = np.float32(-np.inf)

ByteArray = npt.NDArray[np.uint8]
Int32Array = npt.NDArray[np.int32]
UInt64Array = npt.NDArray[np.uint64]
Vector = npt.NDArray[np.float32]


@numba.njit(inline="always")
def _hashed(state: np.uint32, byte: np.uint8) -> np.uint32:
    return np.uint32(np.uint32(state ^ np.uint32(np.int8(byte))) * _FNV_PRIME)


@numba.njit(inline="always")
def _ones(bits: np.uint64) -> np.int64:
    """How many bits are set (Warren, Hacker's Delight, figure 5-2)."""
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))


@numba.njit(inline="always")
def _begins_with(word: ByteArray, length: int, beginning: ByteArray) -> bool:
    """Whether word[1:length] begins so."""
    same = 0
    while same < len(beginning) and same + 1 < length and word[same + 1] == beginning[same]:
        same += 1
    return same == len(beginning)


@numba.njit(cache=True)
def _find_word(
    word: ByteArray, size: int, hashed: np.uint32, slots: Int32Array, spellings: ByteArray, ends: Int32Array
) -> int:
    """The number of the word in word[1:size + 1], -1 when it is not known."""
    mask = np.uint32(len(slots) - 1)
    slot = hashed & mask
    while slots[slot] >= 0:
        number = slots[slot]
        begin = ends[number]
        if ends[number + 1] - begin == size:
            same = True
            for place in range(size):
                if spellings[begin + place] != word[place + 1]:
                    same = False
                    break
            if same:
                return int(number)
        slot = (slot + np.uint32(1)) & mask
    return -1


@numba.njit(cache=True)
def _add_up(
    text: ByteArray,
    slots: Int32Array,
    spellings: ByteArray,
    ends: Int32Array,
    words: Float32Matrix,
    known: UInt64Array,
    known_before: Int32Array,
    ngrams: Float32Matrix,
    total: Vector,
) -> int:
    """Add the vectors of all words and n-grams of a line but its end to `total`; returns how many they are.

    A word is found by its hash in `slots`; it is spellings[ends[number]:ends[number + 1]]. Bit b of `known` says
    whether bucket b has an n-gram, and `known_before` how many there are before each 64 of them.
    """
    size, added = len(text), 0
    word = np.empty(size + 2, np.uint8)
    word[0] = _OPEN
    at = 0
    while True:
        while at < size and _SPACE[text[at]]:
            at += 1
        if at >= size:
            return added
        length, hashed = 1, _FNV_OFFSET
        while at < size and not _SPACE[text[at]]:
            word[length] = text[at]
            hashed = _hashed(hashed, text[at])
            length += 1
            at += 1
        if _begins_with(word, length, _LABEL):
            continue
        if length == len(_END) + 1 and _begins_with(word, length, _END):
            return added  # fastText takes it for the end of the line that it stands for
        number = _find_word(word, length - 1, hashed, slots, spellings, ends)
        if number >= 0:
            added += 1
            for d in range(DIMENSIONS):
                total[d] += words[number, d]
        word[length] = _CLOSE
        length += 1
        for begin in range(length):
            if word[begin] & 0xC0 == 0x80:  # within a character
                continue
            hashed, end = _FNV_OFFSET, begin
            for characters in range(1, MAX_CHARACTERS + 1):
                if end >= length:
                    break
                hashed = _hashed(hashed, word[end])
                end += 1
                while end < length and word[end] & 0xC0 == 0x80:
                    hashed = _hashed(hashed, word[end])
                    end += 1
                if characters < MIN_CHARACTERS:
                    continue
                bucket = hashed % np.uint32(BUCKETS)
                group = known[bucket >> np.uint32(6)]
                bit = np.uint64(bucket & np.uint32(63))
                if (group >> bit) & np.uint64(1):
                    lower = group & ((np.uint64(1) << bit) - np.uint64(1))
                    row = known_before[bucket >> np.uint32(6)] + _ones(lower)
                    added += 1
                    for d in range(DIMENSIONS):
                        total[d] += ngrams[row, d]


@numba.njit(cache=True)
def _best_leaf(mean: Vector, nodes: Float32Matrix, children: Int32Array) -> tuple[int, float]:
    """The most probable leaf of the tree and its probability; -1 when none is more probable than 0.00001.

    Nodes below len(nodes) are leaves; children[n] are those of the inner node len(nodes) + n, the last one the root.
    """
    leaves = len(nodes)
    waiting = np.empty(2 * leaves, np.int32)
    scores = np.empty(2 * leaves, np.float32)
    waiting[0], scores[0] = 2 * leaves - 2, 0.0
    depth, best, best_score = 1, -1, _NEVER
    least = np.float32(np.log(_TINY))  # of a threshold of 0
    while depth:
        depth -= 1
        node, score = waiting[depth], scores[depth]
        if score < least or score < best_score:
            continue
        if node < leaves:
            if score > best_score:
                best, best_score = node, score
            continue
        inner = node - leaves
        product = np.float32(0.0)
        for d in range(DIMENSIONS):
            product += nodes[inner, d] * mean[d]
        right = np.float32(1.0 / (np.float32(1.0) + np.exp(-product)))
        left = np.float32(1.0 - np.float64(right))
        waiting[depth], waiting[depth + 1] = children[inner, 1], children[inner, 0]
        scores[depth] = score + np.float32(np.log(np.float64(right) + _TINY))
        scores[depth + 1] = score + np.float32(np.log(np.float64(left) + _TINY))
        depth += 2
    return best, np.exp(best_score)


class FastTextClassifier:
    """The prediction of one model."""

    def __init__(self, model: CompressedModel) -> None:
        count = len(model.words)
        self._words = np.ascontiguousarray(model.vectors[:count])
        self._slots = np.full(1 << (2 * count).bit_length(), -1, np.int32)
        for number, word in enumerate(model.words):
            slot = _hash_of(word) & (len(self._slots) - 1)
            while self._slots[slot] >= 0:
                slot = (slot + 1) & (len(self._slots) - 1)
            self._slots[slot] = number
        self._spellings = np.frombuffer(b"".join(model.words) or b"\0", np.uint8)
        self._ends = np.cumsum([0, *map(len, model.words)]).astype(np.int32)
        in_order = sorted(model.row_of_bucket)
        buckets = np.array(in_order, np.int64)
        self._ngrams = np.ascontiguousarray(model.vectors[[model.row_of_bucket[b] for b in in_order]])
        self._known = np.zeros(-(-BUCKETS // 64), np.uint64)
        np.bitwise_or.at(self._known, buckets >> 6, np.uint64(1) << (buckets & 63).astype(np.uint64))
        self._known_before = np.searchsorted(buckets, 64 * np.arange(len(self._known))).astype(np.int32)
        self._nodes = np.ascontiguousarray(model.nodes)
        self._children = _huffman_children(model.label_counts)
        end = model.words.index(END_OF_LINE) if END_OF_LINE in model.words else None
        self._end_of_line = None if end is None else self._words[end]

    @staticmethod
    def of(model: CompressedModel) -> FastTextClassifier | None:
        """The classifier of a model; None when its sizes are not those of lid.176."""
        sizes = model.vectors.shape[1], model.buckets, model.min_characters, model.max_characters
        usual = sizes == (DIMENSIONS, BUCKETS, MIN_CHARACTERS, MAX_CHARACTERS)
        return FastTextClassifier(model) if usual and len(model.labels) > 1 else None

    def predict(self, line: bytes) -> tuple[int, float] | None:
        """The number of the best label of a line, without its end, and its probability, which rounding can bring a
        little above 1; None when the model knows nothing of it."""
        total = np.zeros(DIMENSIONS, np.float32)
        added = _add_up(
            np.frombuffer(line, np.uint8),
            self._slots, self._spellings, self._ends, self._words,
            self._known, self._known_before, self._ngrams,
            total,
        )  # fmt: skip
        if self._end_of_line is not None:
            total += self._end_of_line
            added += 1
        if not added:
            return None
        label, probability = _best_leaf(total * np.float32(1.0 / added), self._nodes, self._children)
        return (label, probability) if label >= 0 else None


def _hash_of(word: bytes) -> int:
    state = int(_FNV_OFFSET)
    for byte in word:
        state = (state ^ (byte | 0xFFFFFF00 if byte & 0x80 else byte)) * int(_FNV_PRIME) & 0xFFFFFFFF
    return state


def _huffman_children(counts: tuple[int, ...]) -> Int32Array:
    """The children of each inner node (`HierarchicalSoftmaxLoss::buildTree`); counts do not rise, as fastText sorts."""
    leaves = len(counts)
    weights = [*counts, *[10**15] * (leaves - 1)]
    children = np.empty((leaves - 1, 2), np.int32)
    leaf, inner = leaves - 1, leaves
    for made in range(leaves, 2 * leaves - 1):
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[inner]:
                children[made - leaves, side] = leaf
                leaf -= 1
            else:
                children[made - leaves, side] = inner
                inner += 1
        weights[made] = sum(weights[child] for child in children[made - leaves])
    return children
