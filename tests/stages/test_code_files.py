"""Files by their names."""

from __future__ import annotations

import pytest

from stages.code_files import KeepSourceFile
from stages.document import Document, Origin, Rejected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.py", "kept"),
        ("Makefile", "kept"),
        ("a.C", "kept"),
        ("api.Dockerfile", "kept"),
        ("a.json", "file_type"),
        ("ca.crt", "file_type"),
        ("README", "file_type"),
        ("vendor/LICENSE", "license_file"),
        ("LICENSE.md", "license_file"),
        ("NOTICE", "license_file"),
        ("license.py", "kept"),
        ("", "no_path"),
    ],
)
def test_keeps_source_files(path: str, expected: str) -> None:
    document = Document("r:p:b", "github", "x", Origin("f"), metadata={"path": path})
    outcome = KeepSourceFile()(document)
    assert (outcome.reason if isinstance(outcome, Rejected) else "kept") == expected


def test_license_files_are_skipped_in_every_folder_and_with_a_suffix() -> None:
    """RedPajama v1 skips `LICENSE` at the root and without a suffix only."""
    for path in ("LICENSE", "lib/LICENSE", "lib/LICENSE.txt", "COPYING", "docs/Licence.rst"):
        document = Document("r:p:b", "github", "x", Origin("f"), metadata={"path": path})
        outcome = KeepSourceFile()(document)
        assert isinstance(outcome, Rejected), path
        assert outcome.reason == "license_file"
