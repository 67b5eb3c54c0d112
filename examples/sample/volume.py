"""Adds volume to the sample: real text that every machine with Python has, packed when the demonstration runs.

In: the standard library and the installed packages. Out: `commoncrawl/python-docs.warc.gz`, the documentation of the
public modules, taken from their docstrings, as HTML pages; and `github/installed/NAME-VERSION.tar.gz`, Python sources
of installed packages under a permissive licence with that licence at the top. Modules are parsed and never imported, so
nothing of the machine or its environment gets into a page and the bytes are the same in every run.

    python examples/sample/volume.py OUT
"""

from __future__ import annotations

import ast
import gzip
import html
import importlib.metadata
import inspect
import io
import json
import os
import re
import sys
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

DATE = "2021-10-04T12:00:00Z"
EPOCH = 1_633_348_800  # the same moment, modification time of every archive member
MIN_PAGE_BYTES, MAX_PAGE_BYTES = 1_500, 200_000
MAX_PAGES = 300
MAX_PACKAGES = 20
MAX_PACKAGE_BYTES = 1_000_000
MAX_SOURCE_BYTES = 10_000_000

# Modules that hold tables, tests or other programs and hardly any prose.
LEFT_OUT = frozenset(
    ("antigravity", "ensurepip", "encodings", "idlelib", "lib2to3", "msilib", "pydoc_data", "test", "tests", "this",
     "tkinter", "turtle", "turtledemo")
)  # fmt: skip
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{name} - Python documentation</title></head>
<body>
<nav><a href="index.html">The Python standard library</a> <a href="modindex.html">Modules</a></nav>
<main>
{body}
</main>
<footer>Taken from the docstrings of the installed Python. Python Software Foundation License.</footer>
</body></html>
"""
PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache)\b")
LICENSE_FILE = re.compile(r"(^|/)(LICEN[CS]E|COPYING)([._-][^/]*)?$", re.IGNORECASE)
LIBRARY = Path(os.__file__).parent


def module_paths() -> Iterator[tuple[str, Path]]:
    """Public modules of the standard library that are written in Python, in the order of their names."""
    found = {}
    for path in LIBRARY.rglob("*.py"):
        parts = [*path.relative_to(LIBRARY).parts[:-1], path.stem]
        if parts[0] not in sys.stdlib_module_names or LEFT_OUT.intersection(parts):
            continue
        name = ".".join(parts).removesuffix(".__init__")
        if not any(part.startswith("_") for part in name.split(".")):
            found[name] = path
    yield from sorted(found.items())


def docstring_html(text: str) -> str:
    """A docstring as paragraphs; what is indented or holds a prompt stays as it is written."""
    html_parts = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = block.split("\n")
        if any(line.startswith((" ", ">>>", "-", "*")) for line in lines):
            html_parts.append(f"<pre>{html.escape(block)}</pre>")
        else:
            html_parts.append(f"<p>{html.escape(' '.join(line.strip() for line in lines))}</p>")
    return "\n".join(html_parts)


def documented(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(name, docstring) of a module's public classes, their methods, and functions, in the order of the source."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in tree.body:
        if not isinstance(node, kinds) or node.name.startswith("_"):
            continue
        if text := ast.get_docstring(node):
            yield node.name, text
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            if (
                isinstance(inner, kinds)
                and not inner.name.startswith("_")
                and (text := ast.get_docstring(inner))
            ):
                yield f"{node.name}.{inner.name}", text


def module_pages() -> Iterator[tuple[str, str]]:
    """(name, HTML) of the modules of `module_paths` that are documented at some length."""
    for name, path in module_paths():
        tree = ast.parse(path.read_bytes())
        parts = [f"<h1>{name}</h1>", docstring_html(ast.get_docstring(tree) or "")]
        for inner, text in documented(tree):
            parts.append(f"<h2>{html.escape(inner)}</h2>\n{docstring_html(text)}")
        body = "\n".join(parts)
        if MIN_PAGE_BYTES <= len(body) <= MAX_PAGE_BYTES:
            yield name, PAGE.format(name=name, body=body)


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
