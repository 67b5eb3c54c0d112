"""Inputs of a source: what the configuration names, expanded, sorted, sized and checksummed.

A pattern is a path, a glob, a URL (http, https, or what Beam's FileSystems open), or a list of paths, one a line
(`*.paths.gz` or `*.paths`, itself a path, glob or URL). Everything that is numbered is numbered from the sorted names,
never from the order in which files were found.
"""

from __future__ import annotations

import glob
import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pipeline import files
from pipeline.http_files import open_http
from pipeline.http_requests import BRISK, describe_all, is_http
from pipeline.settings import Settings, UsageError, check_store

CHECKSUMS = "work/inputs.json"
MUCH_TO_READ = 2_000_000_000  # bytes: some seconds of reading
_SHA256 = re.compile("[0-9a-f]{64}")
MAX_LIST_BYTES = 64 << 20  # of a list of paths, inflated; a dump's list is about 10 MB
MAX_LIST_LINES = 1_000_000  # of a list of paths; a dump's list has 100,000
MAX_LINE_CHARACTERS = 4_096  # of a path in a list: Linux opens none that is longer


@dataclass(frozen=True)
class Input:
    """A raw file: where it is, the name by which documents refer to it, its size in bytes and its checksum.

    The name is the path as written in the configuration, so that moving a checkout changes nothing; for a line of a
    list on a server, or of any list under a `base_url`, it is the line, so that another mirror changes nothing.
    """

    path: str
    name: str
    bytes: int
    checksum: str


def expand(settings: Settings, source: str) -> list[tuple[str, str]]:
    """(path, name) of every input of a source, sorted by name, each once; `max_files` of them, evenly spread.

    Raises UsageError naming the pattern that matches nothing.
    """
    of_source = settings.sources[source]
    if of_source.base_url is not None and not any(_is_list(pattern) for pattern in of_source.inputs):
        raise UsageError(
            f"sources.{source}.base_url is for lists (*.paths.gz), and inputs names none; leave it out"
        )
    found: dict[str, str] = {}  # name -> path; a file that two patterns match counts once
    seen: set[str] = set()
    for pattern in of_source.inputs:
        where = f"sources.{source}.inputs: {pattern}"
        matches = _match(settings, pattern, of_source.base_url, where)
        if not matches:
            raise UsageError(f"{where} matches no file (looked for {settings.path(pattern)})")
        for path, name in matches:
            real = path if "://" in path else os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                if name in found:
                    raise UsageError(
                        f"{where}: {path} and {found[name]} are both called {name}; name one of them"
                    )
                found[name] = path
    pairs = [(path, name) for name, path in sorted(found.items())]
    wanted = len(pairs) if of_source.max_files is None else min(of_source.max_files, len(pairs))
    return [pairs[number * len(pairs) // wanted] for number in range(wanted)]


def _is_list(pattern: str) -> bool:
    path = re.split("[?#]", pattern, maxsplit=1)[0] if is_http(pattern) else pattern
    return path.endswith((".paths.gz", ".paths"))


def _match(settings: Settings, pattern: str, base_url: str | None, where: str) -> list[tuple[str, str]]:
    path = settings.path(pattern)
    if is_http(pattern):
        _check_url(pattern, where)
    if _is_list(pattern):
        lists = [pattern]
        if "://" not in pattern:
            absolute = os.path.isabs(pattern)
            lists = [_name(settings, p, absolute) for p in sorted(_glob(settings, pattern))]
        return [found for one in lists for found in _listed(settings, one, base_url, where)]
    if is_http(pattern):
        return [(pattern, pattern)]
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


def _check_url(url: str, where: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise UsageError(f"{where}: {url} is not an address ({error})") from error
    if not host:
        raise UsageError(f"{where}: {url} names no server")
    if parts.username is not None:
        raise UsageError(f"{where}: a password in an address ends up in every document; put it into ~/.netrc")
    if re.search(r"[*\[]", parts.path):
        raise UsageError(
            f"{where}: a server lists no files; name each, or give a list (*.paths or *.paths.gz)"
        )


def _listed(settings: Settings, pattern: str, base_url: str | None, where: str) -> list[tuple[str, str]]:
    """(path, name) of the lines of a list: absolute paths, URLs, or paths that start from the list's base."""
    lines = _lines(settings.path(pattern), where)
    remote = "://" in pattern
    if remote:
        astray = [line for line in lines if "://" not in line and (line[0] == "/" or ".." in line.split("/"))]
        if astray:
            raise UsageError(
                f"{where} names {astray[0]}; a list on a server holds URLs and relative paths without .."
            )
    base = base_url
    if base is not None and is_http(base):
        _check_url(base, where)
    if base is None:
        base = _base_of_url(pattern, lines) if remote else _base_of(settings, pattern, lines)
    found = []
    for line in lines:
        if is_http(line):
            _check_url(line, where)
        if "://" in line:
            found.append((line, line))
        elif "://" in base and not os.path.isabs(line):
            found.append((f"{base.rstrip('/')}/{quote(line, safe='/%') if is_http(base) else line}", line))
        else:
            path = settings.path(os.path.join(base, line))
            named = base_url is not None and not os.path.isabs(line)
            found.append(
                (path, line if named else _name(settings, path, os.path.isabs(os.path.join(base, line))))
            )
    missing = [path for path, _ in found if "://" not in path and not os.path.isfile(path)]
    if missing:
        raise UsageError(f"{where} names {len(missing)} files that are not there, {missing[0]} for one")
    return found


def _lines(path: str, where: str) -> list[str]:
    """The lines of a list, inflated if need be."""
    too_long = UsageError(f"{where} holds over {MAX_LIST_BYTES} bytes; split the list")
    with open_http(path, BRISK) if is_http(path) else files.open_binary(path) as stream:
        data = stream.read(MAX_LIST_BYTES + 1)
    if len(data) > MAX_LIST_BYTES:
        raise too_long
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as inflated:
                data = inflated.read(MAX_LIST_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(f"{where} is a damaged gzip file; fetch it again") from error
        if len(data) > MAX_LIST_BYTES:
            raise too_long
    lines: list[str] = []
    for raw in io.BytesIO(data):
        line = raw.decode("utf-8", "replace").strip()
        if len(line) > MAX_LINE_CHARACTERS:
            raise UsageError(
                f"{where} has a line of {len(line)} characters, over {MAX_LINE_CHARACTERS}; write one path a line"
            )
        if line and len(lines) == MAX_LIST_LINES:
            raise UsageError(f"{where} holds over {MAX_LIST_LINES} lines; split the list")
        if line:
            lines.append(line)
    return lines


def _base_of_url(url: str, lines: Sequence[str]) -> str:
    """The URL that the relative paths of a list on a server start from: the folder in which the nearest folder above
    the list lies that is called as the paths begin (the root for Common Crawl's lists in crawl-data/CC-MAIN-...), else
    the list's own folder."""
    parts = urlsplit(url)
    folders = parts.path.split("/")[:-1]
    first = next((line.split("/")[0] for line in lines if "://" not in line), None)
    above = next((depth for depth in range(len(folders) - 1, 0, -1) if folders[depth] == first), len(folders))
    return f"{parts.scheme}://{parts.netloc}{'/'.join(folders[:above])}"


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

    SHA-256 for local files, remembered in the run by size and modification time; for http what the server tells files
    apart by, asked for once a run; elsewhere the store's own checksum. `say` is told what takes long.
    """
    memory_path = files.join(run, CHECKSUMS)
    memory: dict[str, Any] = files.read_json(memory_path) if files.exists(memory_path) else {}
    known: dict[str, Any] = dict(memory)
    inputs: dict[str, list[Input]] = {}
    for source, pairs in found.items():
        try:
            _ask_servers(
                source, [path for path, _ in pairs if is_http(path) and path not in known], known, say
            )
            new = sum(os.path.getsize(p) for p, _ in pairs if os.path.exists(p) and p not in memory)
            if new >= MUCH_TO_READ:
                say(f"{source}: checksums of {new / 1e9:.1f} GB of inputs")
            inputs[source] = [_checksummed(path, name, known) for path, name in pairs]
        finally:  # after each source and each failure, so that a run that ends here has not asked or read for nothing
            if known != memory:
                files.write_json(memory_path, known)
                memory = dict(known)
    return inputs


def _checksummed(path: str, name: str, known: dict[str, Any]) -> Input:
    if is_http(path):
        size, checksum = known[path]
        return Input(path, name, size, checksum)
    if os.path.exists(path):
        stat = os.stat(path)
        stamp = [stat.st_size, stat.st_mtime_ns]
        seen = known.get(path)
        checksum = seen[2] if seen and seen[:2] == stamp else files.sha256_of(path).sha256
        known[path] = [*stamp, checksum]
        return Input(path, name, stat.st_size, checksum)
    check_store(path)
    found = FileSystems.match([path])[0].metadata_list
    if not found:
        raise UsageError(f"{path} is not there; check the list that names it")
    return Input(path, name, int(found[0].size_in_bytes), str(FileSystems.checksum(path)))


def _ask_servers(source: str, urls: Sequence[str], known: dict[str, Any], say: Callable[[str], None]) -> None:
    """Puts size and checksum of files on http servers into `known`, as far as they are had before an error."""
    if urls:
        say(f"{source}: asks for size and version of {len(urls)} files over http")
    told_by_size: list[str] = []
    for url, facts in zip(urls, describe_all(urls), strict=True):
        known[url] = [facts.bytes, facts.checksum]
        if facts.validator is None:
            told_by_size.append(url)
    if told_by_size:
        say(
            f"{source}: of {len(told_by_size)} files ({told_by_size[0]} for one) the server tells neither ETag nor "
            "Last-Modified; a change that keeps the size goes unseen"
        )


def refuse_copies(source: str, given: Sequence[Input]) -> None:
    """UsageError when two files of a source are byte for byte the same: the ids of their documents would be there
    twice, and where every copy of a line goes, both files would."""
    names: dict[tuple[int, str], str] = {}
    for one in given:
        other = names.setdefault((one.bytes, one.checksum), one.name)
        if other != one.name and _SHA256.fullmatch(one.checksum):
            raise UsageError(
                f"sources.{source}.inputs: {other} and {one.name} are the same; name one of them"
            )
