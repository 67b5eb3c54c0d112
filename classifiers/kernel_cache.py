"""Where compiled kernels are kept: a folder for each state of the source, chosen when a room with kernels is imported.

Numba compiles a kernel anew when its own file changes, but not when a function or number that it takes from another
file does, and would go on with the old ones. So the folder's name is a digest of all files that can be part of a
kernel: those of this room and of `stages` that name numba, and what they import. `NUMBA_CACHE_DIR`, where it is set, is
taken as it is.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

ROOMS = ("classifiers", "stages")
IMPORT = re.compile(rb"^from ((?:classifiers|stages)[\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)
NAME = re.compile(rb"\w+")


def kernel_sources(root: Path) -> list[Path]:
    """The Python files of the rooms under `root` that name numba, and those that they import, directly or not."""
    texts = {path: path.read_bytes() for room in ROOMS for path in (root / room).rglob("*.py")}
    waiting = [path for path, text in texts.items() if b"numba" in text]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in texts and path not in found:
            found.add(path)
            for package, names in IMPORT.findall(texts[path]):
                parent = root.joinpath(*package.decode().split("."))
                waiting += [
                    parent.with_suffix(".py"),
                    *(parent / f"{n.decode()}.py" for n in NAME.findall(names)),
                ]
    return sorted(found)


def source_digest(root: Path) -> str:
    """Digest of the files that kernels are made of, 16 hex digits."""
    digest = hashlib.sha256()
    for path in kernel_sources(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def kernel_folder(root: Path, caches: Path) -> Path:
    """The folder under `caches`, or one for this process alone where that cannot be written."""
    folder = caches / "llama-corpus" / f"kernels-{source_digest(root)}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="llama-corpus-kernels-"))


def choose_folder() -> None:
    """Tells numba the folder, before its first kernel is declared."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = str(kernel_folder(Path(__file__).resolve().parents[1], caches))
    os.environ["NUMBA_CACHE_DIR"] = folder
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder


choose_folder()
