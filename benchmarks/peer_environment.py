"""An environment of its own for a peer: made once under a cache folder, from pinned versions.

The packages come from the configured index through pip. A peer whose requirements cannot be met today is installed
without resolving them (`--no-deps`) beside a list of our own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def peer_python(folder: Path, packages: Sequence[str], without_dependencies: Sequence[str] = ()) -> Path:
    """The Python of the environment in `folder`, made anew when its list of packages is another one.

    ValueError with pip's last words when something cannot be installed.
    """
    python, marker = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join([*packages, *(f"--no-deps {name}" for name in without_dependencies)]) + "\n"
    if marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([*pip, *packages], [*pip, "--no-deps", *without_dependencies]):
        if command[-1] == "--no-deps":
            continue
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode:
            errors = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")]
            raise ValueError(f"cannot install {folder.name}: {' '.join(errors) or ended.stderr.strip()}")
    marker.write_text(wanted, encoding="utf-8")
    return python
