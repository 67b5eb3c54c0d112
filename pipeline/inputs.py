"""Inputs of a source: what the configuration names, expanded, sorted, sized and checksummed.

A pattern is a path, a glob, a list (`*.paths.gz` or `*.paths`, one path a line) or a URL that Beam's FileSystems open.
Everything that is numbered is numbered from the sorted names, never from the order in which files were found.
"""

from __future__ import annotations

import glob
import gzip
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pipeline import files
from pipeline.settings import Settings, UsageError

CHECKSUMS = "work/inputs.json"
MUCH_TO_READ = 2_000_000_000  # bytes: some seconds of reading
MAX_LIST_BYTES = 1 << 30  # of a list of paths, inflated; a dump's list is about 10 MB


@dataclass(frozen=True)
class Input:
    """A raw file: where it is, the name by which documents refer to it (as written in the configuration, so that
    moving a checkout changes nothing), its size and its checksum."""

    path: str
    name: str
    bytes: int
    checksum: str


def expand(settings: Settings, source: str) -> list[tuple[str, str]]:
    """(path, name) of every input of a source, sorted by name, each once.

    Raises UsageError naming the pattern that matches nothing.
    """
    found: dict[str, str] = {}  # name -> path; a file that two patterns match counts once
    seen: set[str] = set()
    for pattern in settings.sources[source].inputs:
        where = f"sources.{source}.inputs: {pattern}"
        matches = _match(settings, pattern, where)
        if not matches:
            raise UsageError(f"{where} matches no file (looked for {settings.path(pattern)})")
        for path, name in matches:
            real = path if "://" in path else os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                found[name] = path
    return [(path, name) for name, path in sorted(found.items())]


def _match(settings: Settings, pattern: str, where: str) -> list[tuple[str, str]]:
    path = settings.path(pattern)
    if pattern.startswith(("http://", "https://")):
        raise UsageError(f"{where}: http(s) inputs are not read yet; download the file and name its path")
    if pattern.endswith((".paths.gz", ".paths")):
        lists = [pattern]
        if "://" not in pattern:
            absolute = os.path.isabs(pattern)
            lists = [_name(settings, p, absolute) for p in sorted(_glob(settings, pattern))]
        return [found for one in lists for found in _listed(settings, one, where)]
    if "://" in pattern:
        try:
            matched = FileSystems.match([path])[0].metadata_list
        except (BeamIOError, ValueError) as error:
            raise UsageError(f"{where}: {' '.join(str(error).split())}") from error
        return [(m.path, m.path) for m in matched]
    matches = []
    for match in _glob(settings, pattern):
        if os.path.isdir(match):
            if os.path.isfile(os.path.join(match, "Posts.xml")):  # an unpacked StackExchange site
                match = os.path.join(match, "Posts.xml")
            elif match == path:
                raise UsageError(f"{where} is a folder; write {pattern.rstrip('/')}/* for its files")
            else:
                continue
        matches.append((match, _name(settings, match, os.path.isabs(pattern))))
    return matches


def _glob(settings: Settings, pattern: str) -> list[str]:
    """Local paths that match a pattern; only what the pattern says is special, not the folder it starts from."""
    found = glob.glob(os.path.expanduser(pattern), root_dir=settings.folder, recursive=True)
    return [settings.path(path) for path in found]


def _listed(settings: Settings, pattern: str, where: str) -> list[tuple[str, str]]:
    """The paths in a list: absolute, URLs, or relative to the list's folder or the nearest one above that has them."""
    with files.open_binary(settings.path(pattern)) as stream:
        data = stream.read()
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as inflated:
                data = inflated.read(MAX_LIST_BYTES + 1)
        except (OSError, EOFError) as error:
            raise UsageError(f"{where} is a damaged gzip file; fetch it again") from error
    if len(data) > MAX_LIST_BYTES:
        raise UsageError(f"{where} holds over {MAX_LIST_BYTES} bytes; split the list")
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    base = _base_of(settings, pattern, lines)
    paths = [line if "://" in line else os.path.join(base, line) for line in lines]
    named = [p if "://" in p else _name(settings, settings.path(p), os.path.isabs(p)) for p in paths]
    missing = [name for name in named if "://" not in name and not os.path.isfile(settings.path(name))]
    if missing:
        raise UsageError(f"{where} names {len(missing)} files that are not there, {missing[0]} for one")
    return [(settings.path(name), name) for name in named]


def _name(settings: Settings, path: str, absolute: bool) -> str:
    """The name of a local file in a run: relative to the configuration's folder, unless it was written absolute."""
    return path if absolute else os.path.relpath(path, settings.folder)


def _base_of(settings: Settings, pattern: str, lines: list[str]) -> str:
    """The folder that the relative paths of a list start from (Common Crawl's lists start at the crawl's root)."""
    base = os.path.dirname(pattern)
    relative = next((line for line in lines if "://" not in line and not os.path.isabs(line)), None)
    if relative is None:
        return base
    folder = base
    while not os.path.isfile(settings.path(os.path.join(folder, relative))):
        above = os.path.normpath(os.path.join(folder, ".."))
        if settings.path(above) == settings.path(folder):
            return base
        folder = above
    return folder


def checksummed(
    run: str, found: Mapping[str, list[tuple[str, str]]], say: Callable[[str], None]
) -> dict[str, list[Input]]:
    """Sizes and checksums of the inputs of all sources.

    SHA-256 for local files, remembered in the run by size and modification time; the store's own checksum elsewhere.
    `say` is told what is read when it is much.
    """
    memory_path = files.join(run, CHECKSUMS)
    memory: dict[str, Any] = files.read_json(memory_path) if files.exists(memory_path) else {}
    known: dict[str, Any] = dict(memory)
    inputs: dict[str, list[Input]] = {}
    for source, pairs in found.items():
        inputs[source] = []
        new = sum(os.path.getsize(p) for p, _ in pairs if os.path.exists(p) and p not in memory)
        if new >= MUCH_TO_READ:
            say(f"{source}: checksums of {new / 1e9:.1f} GB of inputs")
        for path, name in pairs:
            if os.path.exists(path):
                stat = os.stat(path)
                stamp = [stat.st_size, stat.st_mtime_ns]
                seen = memory.get(path)
                checksum = seen[2] if seen and seen[:2] == stamp else files.sha256_of(path).sha256
                known[path] = [*stamp, checksum]
                inputs[source].append(Input(path, name, stat.st_size, checksum))
            else:
                inputs[source].append(Input(path, name, _remote_size(path), str(FileSystems.checksum(path))))
        if known != memory:  # after each source, so that a run that is killed has not read for nothing
            files.write_json(memory_path, known)
            memory = dict(known)
    return inputs


def _remote_size(path: str) -> int:
    return int(FileSystems.match([path])[0].metadata_list[0].size_in_bytes)
