"""The manifest of a finished run, read back: what makes a folder a run, and whether the file holds what others read."""

from __future__ import annotations

from typing import Any

from pipeline import files
from pipeline.manifest import FORMAT_VERSION, MANIFEST
from pipeline.settings import UsageError
from pipeline.status import STATUS

# Sections of the manifest, and what is in each of their rows.
ROWS: dict[str, dict[str, type]] = {
    "files": {"bytes": int, "sha256": str},
    "sources": {"documents": int, "bytes": int, "tokens": dict, "steps": list},
}
SECTIONS: dict[str, type] = {
    **dict.fromkeys(ROWS, dict),
    "recipe": str,
    "seed": int,
    "versions": dict,
    "mixture": list,
    "models": dict,
    "tokenizer": dict,
}


def read_manifest(folder: str) -> dict[str, Any]:
    """The manifest of the run in `folder`.

    UsageError when the folder is no run, ValueError when the run is not finished or the file is no manifest of this
    format.
    """
    path = files.join(folder, MANIFEST)
    if not files.exists(path):
        if files.exists(files.join(folder, STATUS)):
            raise ValueError(f"{folder}: the run is not finished; see llama-corpus status {folder}")
        raise UsageError(
            f"{folder} is no run (no {MANIFEST} in it); make one with: llama-corpus run CONFIG --out {folder}"
        )
    manifest = files.read_json(path)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("config_sha256"), str):
        raise ValueError(f"{path}: not the manifest of a run; copy it again or run again")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path}: format {manifest.get('format_version')}, this is {FORMAT_VERSION}; run again"
        )
    for section, kind in SECTIONS.items():
        found = manifest.get(section)
        rows = found.values() if section in ROWS and isinstance(found, dict) else ()
        if not isinstance(found, kind) or not all(_is_row(row, ROWS[section]) for row in rows):
            raise ValueError(
                f"{path}: {section} is no such section of a manifest; copy it again or run again"
            )
    return manifest


def _is_row(row: object, kinds: dict[str, type]) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(key), kind) for key, kind in kinds.items())
