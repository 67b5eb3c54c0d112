from __future__ import annotations

import os
import random
from pathlib import Path

import kenlm
import numpy as np
import pytest

from classifiers import kneser_ney, lmplz
from classifiers.lmplz import Programs, find_programs, train


def program(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def real() -> Programs:
    programs = find_programs(os.environ.get("LMPLZ_FOLDER", ""))
    if programs is None:
        pytest.skip("lmplz not found: build it with .ci/build_lmplz.sh and put it on the PATH")
    return programs


def corpus() -> list[list[str]]:
    choose = random.Random(11)
    words = [f"w{i}" for i in range(300)]
    weights = [1 / (i + 1) for i in range(300)]
    return [choose.choices(words, weights, k=choose.randint(1, 25)) for _ in range(3000)]


def entries(path: Path) -> dict[str, tuple[float, float]]:
    fields = [line.split("\t") for line in path.read_text().splitlines()]
    return {f[1]: (float(f[0]), float(f[2]) if len(f) > 2 else 0.0) for f in fields if len(f) > 1}


def test_our_trainer_equals_lmplz(real: Programs, tmp_path: Path) -> None:
    sentences = [*corpus(), ["<s>", "w1", "<unk>", "w2", "</s>"]]
    path, printed = train(sentences, 5, 300, Programs(real.lmplz, None), tmp_path, "en")
    assert path == tmp_path / "en.arpa"
    discounts = kneser_ney.train(sentences, 5, tmp_path / "ours.arpa")
    assert printed == [[float(f"{d:.6g}") for d in order] for order in discounts]
    expected, found = entries(path), entries(tmp_path / "ours.arpa")
    assert found.keys() == expected.keys()
    pairs = np.array([(found[ngram], expected[ngram]) for ngram in expected], dtype=np.float32)
    assert (np.abs(pairs[:, 0] - pairs[:, 1]) <= 2 * np.spacing(np.abs(pairs[:, 1]))).all()


def test_short_and_repetitive_texts_get_lmplz_fallback_discounts(real: Programs, tmp_path: Path) -> None:
    sentences = [["a", "b", "a"]] * 3 + [["c"]]
    path, _ = train(sentences, 3, 3, Programs(real.lmplz, None), tmp_path, "en")
    kneser_ney.train(sentences, 3, tmp_path / "ours.arpa")
    expected, found = entries(path), entries(tmp_path / "ours.arpa")
    assert found.keys() == expected.keys()
    assert all(found[n] == pytest.approx(expected[n], abs=1e-6) for n in expected)


def test_the_binary_scores_as_the_text(real: Programs, tmp_path: Path) -> None:
    assert real.build_binary is not None
    path, _ = train(corpus(), 5, 300, real, tmp_path, "en")
    assert [file.name for file in tmp_path.iterdir()] == ["en.arpa.bin"]
    assert path.read_bytes().startswith(b"mmap lm http://kheafield.com/code")
    kneser_ney.train(corpus(), 5, tmp_path / "ours.arpa")
    config = kenlm.Config()
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    config.show_progress = False
    theirs, ours = kenlm.Model(str(path), config), kenlm.Model(str(tmp_path / "ours.arpa"), config)
    for sentence in corpus()[:50]:
        text = " ".join([*sentence, "never"])
        assert ours.score(text) == pytest.approx(theirs.score(text), rel=1e-6)


def test_programs_are_found_in_a_folder_or_not_at_all(tmp_path: Path) -> None:
    assert find_programs(str(tmp_path)) is None
    path = program(tmp_path, "lmplz", "exit 0")
    assert find_programs(str(tmp_path)) == Programs(path, None)


def test_a_failure_is_one_line_with_what_the_program_wrote(tmp_path: Path) -> None:
    path = program(tmp_path, "lmplz", "echo 'no space' >&2; echo 'left on disk' >&2; exit 3")
    with pytest.raises(ValueError, match=r"lmplz failed with status 3 \(no space left on disk\)") as caught:
        train([["a"]], 2, 1, Programs(path, None), tmp_path, "en")
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["lmplz"]


def test_a_program_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmplz, "_MAX_SECONDS", 0.2)
    path = program(tmp_path, "lmplz", "exec sleep 30")
    with pytest.raises(ValueError, match=r"took more than 0\.2 s"):
        train([["a"]], 2, 1, Programs(path, None), tmp_path, "en")


def test_a_program_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot start"):
        train([["a"]], 2, 1, Programs(str(tmp_path / "lmplz"), None), tmp_path, "en")


def test_the_text_reaches_the_program_as_it_is(tmp_path: Path) -> None:
    # Writes its text and its options where the model is expected.
    script = "while [ $# -gt 0 ]; do case $1 in --text) t=$2;; --arpa) a=$2;; -o) o=$2;; esac; shift; done\n"
    path = program(tmp_path, "lmplz", script + '{ echo "order $o"; cat "$t"; } > "$a"')
    found, discounts = train([["$(id)", "`x`"], ["▁é"]], 4, 2, Programs(path, None), tmp_path, "en")
    assert found.read_text(encoding="utf-8") == "order 4\n$(id) `x`\n▁é\n"
    assert discounts == []
