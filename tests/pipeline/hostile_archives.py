"""Hostile archives and files beside good ones: repositories, books, papers."""

from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

from tests.pipeline.hostile_making import BOMB, Expected, flipped, gz, link, prose, tar, zipped

MIT = b"""MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def code(name: str) -> bytes:
    return "".join(f"def {name}_{n}(value):\n    return value + {n}\n\n" for n in range(9)).encode()


def github(folder: Path) -> Expected:
    good = tar(("good/LICENSE", MIT), ("good/alder.py", code("alder")), ("good/birch.py", code("birch")))
    (folder / "good.tar.gz").write_bytes(gz(good))
    hostile = tar(
        ("hostile/LICENSE", MIT),
        ("hostile/cedar.py", code("cedar")),
        ("hostile/../../../evil.py", code("evil")),
        ("/etc/cron.d/root.py", code("root")),
        ("hostile/passwd.py", link("/etc/passwd")),
        ("hostile/hard.py", link("../../outside.py", tarfile.LNKTYPE)),
        ("hostile/null.py", link("", tarfile.CHRTYPE)),
        ("hostile/binary.py", b"\0\1\2\3" * 500),
        ("hostile/wide.py", code("wide").decode().encode("utf-16")),
        ("hostile/large.py", b"x = 1\n" * 20_000),
        ("hostile/elm.py", code("elm")),
    )
    (folder / "hostile.tar.gz").write_bytes(gz(hostile))
    bomb = tar(("bomb/LICENSE", MIT), ("bomb/fir.py", code("fir")), ("bomb/zeros.bin", BOMB))
    (folder / "bomb.tar.gz").write_bytes(gz(bomb))
    (folder / "bomb.zip").write_bytes(
        zipped(("zip/LICENSE", MIT), ("zip/gum.py", code("gum")), ("zip/zeros.py", BOMB))
    )
    cut = tar(
        ("cut/LICENSE", MIT), ("cut/hazel.py", code("hazel")), ("cut/noise.bin", bytes(range(256)) * 40)
    )
    (folder / "cut.tar.gz").write_bytes(gz(cut)[:-60])
    return Expected(
        {
            ("good.tar.gz", "alder.py"): code("alder").decode(),
            ("good.tar.gz", "birch.py"): code("birch").decode(),
            ("hostile.tar.gz", "cedar.py"): code("cedar").decode(),
            ("hostile.tar.gz", "wide.py"): code("wide").decode(),
            ("hostile.tar.gz", "elm.py"): code("elm").decode(),
            ("bomb.tar.gz", "fir.py"): code("fir").decode(),
            ("bomb.zip", "gum.py"): code("gum").decode(),
            ("cut.tar.gz", "hazel.py"): code("hazel").decode(),
        },
        Counter(
            [
                *(
                    (name, "license_file")
                    for name in ("good.tar.gz", "hostile.tar.gz", "bomb.tar.gz", "bomb.zip")
                ),
                ("hostile.tar.gz", "binary"),
                ("hostile.tar.gz", "file_too_large"),
                ("bomb.tar.gz", "archive_too_large"),
                ("bomb.zip", "archive_too_large"),
                ("cut.tar.gz", "license_file"),
                ("cut.tar.gz", "damaged_record"),
            ]
        ),
    )


def books(folder: Path) -> Expected:
    files = {
        "good.txt": f"ALDER\n\n{prose('alder')}\n".encode(),
        "one-line.txt": (prose("birch").replace("\n", " ") * 40).encode(),
        "latin.txt": f"caf\xe9 \xe0 la carte\n\n{prose('cedar')}\n".encode("latin-1"),
        "wide.txt": f"ELM\n\n{prose('elm')}\n".encode("utf-16"),
        "nul.txt": bytes(range(256)) * 40,
        "empty.txt": b"",
        "blank.txt": b" \n" * 500,
        "paper.txt": b"%PDF-1.4\n" + bytes(range(256)),
        "large.txt": prose("large").encode() * 1_000,
        "cut.txt.gz": gz(prose("cut").encode())[:-30],
        "bomb.txt.gz": gz(BOMB),
        "bomb.epub": zipped(("mimetype", b"application/epub+zip"), ("META-INF/container.xml", BOMB)),
        "cut.epub": zipped(
            ("mimetype", b"application/epub+zip"), ("META-INF/container.xml", b"<container/>")
        )[:-30],
        "other.epub": zipped(("readme.md", b"not a book")),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return Expected(
        {
            ("good.txt", ""): prose("alder"),
            ("one-line.txt", ""): files["one-line.txt"].decode(),
            ("latin.txt", ""): f"café à la carte\n\n{prose('cedar')}",
            ("wide.txt", ""): prose("elm"),
        },
        Counter(
            [
                ("nul.txt", "binary"),
                ("empty.txt", "no_text"),
                ("blank.txt", "no_text"),
                ("paper.txt", "unknown_format"),
                ("large.txt", "book_too_large"),
                ("cut.txt.gz", "damaged_record"),
                ("bomb.txt.gz", "book_too_large"),
                ("bomb.epub", "book_too_large"),
                ("cut.epub", "damaged_record"),
                ("other.epub", "not_an_epub"),
            ]
        ),
    )


def paper(name: str, before: str = "", after: str = "") -> bytes:
    text = f"\\documentclass{{article}}\n{before}\n\\begin{{document}}\n\\section{{On {name}}}\n{prose(name)}\n{after}"
    return f"{text}\n\\end{{document}}\n".encode()


def arxiv(folder: Path) -> Expected:
    doubling = "".join(f"\\def\\l{chr(98 + n)}{{\\l{chr(97 + n)}\\l{chr(97 + n)}}}\n" for n in range(24))
    billion = paper("billion", "\\def\\la{lol}\n" + doubling, "\\ly")
    endless = paper("endless", "\\def\\x{\\y}\\def\\y{\\x a}", "\\x")
    cycle = tar(
        ("main.tex", paper("cycle", after="\\input{one}")),
        ("one.tex", b"\\input{two}\nthe first\n"),
        ("two.tex", b"\\input{one}\nthe second\n"),
    )
    escape = tar(
        ("main.tex", paper("escape", after="\\input{../../../etc/hostname}\\input{passwd}")),
        ("../../evil.tex", b"evil\n"),
        ("/abs.tex", b"evil\n"),
        ("passwd.tex", link("/etc/passwd")),
        ("hard.tex", link("../../outside", tarfile.LNKTYPE)),
    )
    members = {
        "2001/2001.00001.gz": gz(paper("alder")),
        "2001/2001.00002.gz": gz(billion),
        "2001/2001.00003.gz": gz(endless),
        "2001/2001.00004.gz": gz(cycle),
        "2001/2001.00005.gz": gz(escape),
        "2001/2001.00006.gz": gz(tar(("main.tex", paper("fat")), ("figure.eps", BOMB))),
        "2001/2001.00007.gz": gz(BOMB),
        "2001/2001.00008.gz": gz(paper("cut"))[:-20],
        "2001/2001.00009.gz": flipped(gz(paper("spoiled")), 60),
        "2001/2001.00010.gz": gz(paper("latin", after="caf\xe9").decode().encode("latin-1")),
        "2001/2001.00011.gz": gz(paper("nul", after="a nul \0 here")),
        "2001/2001.00012.gz": gz(paper("braces", after="{" * 50_000)),
        "2001/2001.00013.pdf": b"%PDF-1.4\n",
        "2001/2001.00014.gz": gz(tar(("readme.md", b"nothing here"))),
        "2001/2001.00015.gz": gz(paper("birch")),
    }
    (folder / "arXiv_src_2001_001.tar").write_bytes(tar(*members.items()))
    whole = gz(paper("cedar"))
    cut = tar(("2002/2002.00001.gz", whole), ("2002/2002.00002.gz", gz(paper("elm"))))
    second = 512 + -(-len(whole) // 512) * 512
    (folder / "arXiv_src_2002_001.tar").write_bytes(cut[: second + 512 + 100])
    bulk = "arXiv_src_2001_001.tar"
    names = {
        1: "alder",
        2: "billion",
        3: "endless",
        4: "cycle",
        5: "escape",
        10: "latin",
        11: "nul",
        12: "braces",
        15: "birch",
    }
    return Expected(
        {
            **{(bulk, f"2001.{number:05d}"): prose(name) for number, name in names.items()},
            (bulk, "2001.00010"): f"{prose('latin')}\ncafé",
            ("arXiv_src_2002_001.tar", "2002.00001"): prose("cedar"),
        },
        {
            (bulk, "paper_too_large"): 2,
            (bulk, "damaged_record"): 2,
            (bulk, "pdf_only"): 1,
            (bulk, "no_tex_source"): 1,
            ("arXiv_src_2002_001.tar", "damaged_record"): 1,
        },
    )
