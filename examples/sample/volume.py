"""Adds volume to the sample: real text that every machine with Python has, packed when the demonstration runs.

In: the standard library and the installed packages. Out: `commoncrawl/python-docs.warc.gz`, the documentation of the
public modules as pydoc renders it to HTML, and `github/installed/NAME-VERSION.tar.gz`, Python sources of installed
packages under a permissive licence with that licence at the top. Memory addresses, paths and values of data (which may
come from the environment) are left out, so that the bytes are the same in every run on one machine.

    python examples/sample/volume.py OUT
"""

from __future__ import annotations

import contextlib
import gzip
import importlib
import importlib.metadata
import importlib.util
import io
import json
import os
import pkgutil
import pydoc
import re
import sys
import tarfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

DATE = "2021-10-04T12:00:00Z"
EPOCH = 1_633_348_800  # the same moment, modification time of every archive member
MIN_PAGE_BYTES, MAX_PAGE_BYTES = 2_000, 200_000
MAX_PAGES = 300
MAX_PACKAGES = 20
MAX_PACKAGE_BYTES = 1_000_000
MAX_SOURCE_BYTES = 10_000_000

# Modules with an effect when imported, of one platform, of tables only, or on their way out.
LEFT_OUT = frozenset(
    (
        *(
            "antigravity",
            "this",
            "idlelib",
            "test",
            "tests",
            "tkinter",
            "turtle",
            "turtledemo",
            "lib2to3",
            "imp",
        ),
        *(
            "ensurepip",
            "venv",
            "pydoc_data",
            "encodings",
            "distutils",
            "asynchat",
            "asyncore",
            "smtpd",
            "nt",
            "nis",
        ),
        *("sre_compile", "sre_constants", "sre_parse", "msilib", "winreg", "winsound", "msvcrt", "readline"),
    )
)
PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache)\b")
LICENSE_FILE = re.compile(r"(^|/)(LICEN[CS]E|COPYING)([._-][^/]*)?$", re.IGNORECASE)
ADDRESS = re.compile(r"(?: |&nbsp;)at(?: |&nbsp;)0x[0-9a-fA-F]+")
LIBRARY = str(Path(os.__file__).parent)


class PlainDocumentation(pydoc.HTMLDoc):
    """pydoc's HTML without what differs between machines: places of files, links, and the values of data."""

    def filelink(self, url: str, path: str) -> str:
        return ""

    def getdocloc(self, object: object, basedir: str = "") -> str | None:
        return None

    def docother(
        self, object: object, name: str | None = None, mod: str | None = None, *ignored: object
    ) -> str:
        return f"<strong>{name}</strong>"


def module_names() -> Iterator[str]:
    """Public modules of the standard library, and those one level below a package, in the order of their names."""
    for name in sorted(sys.stdlib_module_names - LEFT_OUT):
        if name.startswith("_"):
            continue
        yield name
        spec = importlib.util.find_spec(name)
        for found in sorted(pkgutil.iter_modules(spec.submodule_search_locations or []) if spec else []):
            if not found.name.startswith("_") and found.name not in LEFT_OUT:
                yield f"{name}.{found.name}"


@contextlib.contextmanager
def without_environment() -> Iterator[None]:
    """Empties `os.environ` for a while: as the default of a parameter it would be printed, secrets included."""
    saved = dict(os.environ)
    os.environ.clear()
    try:
        yield
    finally:
        os.environ.update(saved)


def module_pages() -> Iterator[tuple[str, str]]:
    """(name, HTML) of the modules of `module_names` that this platform has."""
    writer = PlainDocumentation()
    for name in module_names():
        quiet = contextlib.redirect_stdout(io.StringIO())
        with quiet, warnings.catch_warnings(), without_environment():
            warnings.simplefilter("ignore")
            try:
                body = writer.docmodule(importlib.import_module(name))
            except ImportError:
                continue  # a module of another platform
        page = writer.page(f"{name} - Python documentation", body)
        page = ADDRESS.sub("", page).replace(sys.executable, "python").replace(LIBRARY, "lib/python")
        if MIN_PAGE_BYTES <= len(page) <= MAX_PAGE_BYTES:
            yield name, page


def add_documentation(out: Path) -> str:
    """Writes the documentation as a WARC file of responses and gives its path relative to `out`."""
    path = out / "commoncrawl" / "python-docs.warc.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for count, (name, page) in enumerate(module_pages()):
            if count == MAX_PAGES:
                break
            url = f"https://docs.python.org/3/library/{name}.html"
            body = page.encode("utf-8", errors="replace")
            block = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
            data = block.encode() + body
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: {DATE}\r\n"
                f"WARC-Record-ID: <urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}>\r\nWARC-Target-URI: {url}\r\n"
                f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(data)}\r\n\r\n"
            )
            file.write(gzip.compress(head.encode() + data + b"\r\n\r\n", 6, mtime=0))
    return str(path.relative_to(out))


def stated_licence(distribution: importlib.metadata.Distribution) -> str:
    """What a package's metadata say about its licence, in one line; empty when they are silent."""
    metadata = distribution.metadata
    stated = [*metadata.get_all("License-Expression", []), *(metadata.get_all("License", []) or [])[:1]]
    stated += [c for c in metadata.get_all("Classifier", []) if c.startswith("License ::")]
    return " ".join(text.split("\n")[0] for text in stated)


def package_sources(distribution: importlib.metadata.Distribution) -> dict[str, bytes]:
    """A package's licence as `LICENSE`, then its Python files by path up to the size cap; empty without a licence."""
    if not PERMISSIVE.search(stated_licence(distribution)) or "GPL" in stated_licence(distribution):
        return {}
    files = sorted(distribution.files or [], key=str)
    licences = [f for f in files if ".dist-info/" in str(f) and LICENSE_FILE.search(str(f))]
    if not licences:
        return {}
    found = {"LICENSE": Path(str(distribution.locate_file(licences[0]))).read_bytes()}
    total = 0
    for file in files:
        name = str(file)
        if not name.endswith(".py") or name.startswith(("..", "__editable__")) or ".dist-info/" in name:
            continue
        try:
            data = Path(str(distribution.locate_file(file))).read_bytes()
        except OSError:
            continue  # listed but not installed
        if data.strip() and total + len(data) <= MAX_PACKAGE_BYTES:
            total += len(data)
            found[name] = data
    return found if total else {}


def add_sources(out: Path) -> list[str]:
    """Writes the archives of installed packages and gives their paths relative to `out`."""
    folder = out / "github" / "installed"
    folder.mkdir(parents=True, exist_ok=True)
    distributions = {
        d.metadata["Name"].lower(): d for d in importlib.metadata.distributions() if d.metadata["Name"]
    }
    written: list[str] = []
    total = 0
    for name in sorted(distributions):
        if name == "llama-corpus":
            continue
        files = package_sources(distributions[name])
        size = sum(map(len, files.values()))
        if not files or total + size > MAX_SOURCE_BYTES:
            continue
        top = f"{name}-{distributions[name].version}"
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, data in files.items():
                info = tarfile.TarInfo(f"{top}/{path}")
                info.size, info.mtime, info.mode = len(data), EPOCH, 0o644
                tar.addfile(info, io.BytesIO(data))
        archive = folder / f"{top}.tar.gz"
        archive.write_bytes(gzip.compress(buffer.getvalue(), 6, mtime=0))
        written.append(str(archive.relative_to(out)))
        total += size
        if len(written) == MAX_PACKAGES:
            break
    return written


def add_volume(out: Path) -> dict[str, list[str]]:
    """Adds both kinds of volume under `out` and names the files by source, as paths relative to `out`."""
    return {"commoncrawl": [add_documentation(out)], "github": add_sources(out)}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/sample/volume.py OUT")
    json.dump(add_volume(Path(sys.argv[1])), sys.stdout, indent=2)
    print()
