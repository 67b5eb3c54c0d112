"""How each language writes comments, and the comments that stand before all code of a file.

In: the text of a source file and its path. Out: the places of its leading comments (and docstrings). What may
stand before them without being code is known per language: shebangs, `<?php`, XML declarations, include
guards, package lines, pragmas. Time is linear in what is looked at, which a cap bounds. The syntaxes are
those of the languages' own references; the suffixes are RedPajama v1's white list and what else is common.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_HEADER_CHARACTERS = 20_000  # ours: the Apache licence in full has 11,000
MAX_HEADER_COMMENTS = 6  # ours: title, copyright, licence and acknowledgements may stand apart


@dataclass(frozen=True)
class CommentSyntax:
    """Comments of one language. `line` matches what a comment line begins with; `before` what may precede a
    header.
    """

    line: re.Pattern[str] | None = None
    blocks: tuple[tuple[str, str], ...] = ()
    nested: bool = False
    before: re.Pattern[str] | None = None
    docstrings: bool = False


@dataclass(frozen=True, slots=True)
class LeadingComment:
    """Where a comment is: a run of comment lines, or a block (then `opening` and `closing` are its marks).
    `framed` is a run of blocks, each on a line of its own.
    """

    start: int
    end: int
    opening: str = ""
    closing: str = ""
    framed: bool = False
    is_docstring: bool = False


def _line(pattern: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(r"[ \t]*(?:" + pattern + ")", flags)


_SLASHES, _HASH, _DASHES = _line("//"), _line("#"), _line("--")
_STAR = ("/*", "*/")
_ANGLE = ("<!--", "-->")

_GUARD = re.compile(
    r"#[ \t]*ifndef[ \t]+(\w+)[ \t]*\n[ \t\n]{0,80}#[ \t]*define[ \t]+\1[ \t]*\n|#[ \t]*pragma[ \t]+once[ \t]*\n"
)
_PACKAGE = re.compile(r"package [\w.]{1,200};?[ \t]*\n")
_STRICT = re.compile(r"""(['"])use \w{1,20}\1;?[ \t]*\n""")
_PHP_HEAD = re.compile(
    r"<\?(?:php\b)?[ \t]*\n?|declare[ \t]*\([^)\n]{0,100}\)[ \t]*;[ \t]*\n|namespace [^;\n]{1,200};[ \t]*\n"
)
_XML_HEAD = re.compile(r"<\?xml[^>]{0,300}\?>[ \t]*\n?|<!doctype[^>]{0,500}>[ \t]*\n?", re.IGNORECASE)
_PERL_HEAD = re.compile(r"package [\w:]{1,200};[ \t]*\n|use (?:strict|warnings);[ \t]*\n")

_C = CommentSyntax(_SLASHES, (_STAR,), before=_GUARD)
_JAVA = CommentSyntax(_SLASHES, (_STAR,), before=_PACKAGE)
_KOTLIN = CommentSyntax(_SLASHES, (_STAR,), nested=True, before=_PACKAGE)
_RUST = CommentSyntax(_SLASHES, (_STAR,), nested=True)
_JAVASCRIPT = CommentSyntax(_SLASHES, (_STAR,), before=_STRICT)
_PHP = CommentSyntax(_line(r"//|#(?!\[)"), (_STAR,), before=_PHP_HEAD)
_SHELL = CommentSyntax(_HASH)
_PYTHON = CommentSyntax(_HASH, docstrings=True)
_LISP = CommentSyntax(_line(";"), (("#|", "|#"),), nested=True)
_PERCENT = CommentSyntax(_line("%"))
_MARKUP = CommentSyntax(
    None,
    (_ANGLE, ("<%--", "--%>"), ("{{!--", "--}}"), ("{#", "#}")),
    before=_XML_HEAD,
)
_BASIC = CommentSyntax(_line(r"'|rem\b", re.IGNORECASE))
_FIXED_FORTRAN = CommentSyntax(re.compile(r"[cC*!]|[ \t]*!"))

# Suffixes or whole names -> syntax. Names without a suffix are looked up whole.
_TABLE: tuple[tuple[str, CommentSyntax], ...] = (
    (".c .h .cpp .hpp .c++ .h++ .cc .hh .cxx .hxx .C .H .cu .cuh .mm .inl .ino .glsl .vert .frag .idl", _C),
    (".cs .go .zig .dart .proto .thrift .sol .v .sv .svh", CommentSyntax(_SLASHES, (_STAR,))),
    (".java .groovy .gradle", _JAVA),
    (".scala .kt .kts .swift", _KOTLIN),
    (".rs", _RUST),
    (".d", CommentSyntax(_SLASHES, (_STAR, ("/+", "+/")), nested=True)),
    (".js .jsx .ts .tsx .mjs .cjs .mts .cts", _JAVASCRIPT),
    (".php .php3 .php4 .php5 .phps .phpt", _PHP),
    (".css", CommentSyntax(None, (_STAR,), before=re.compile(r"@charset [^;\n]{1,50};[ \t]*\n?"))),
    (".scss .less .styl", CommentSyntax(_SLASHES, (_STAR,))),
    (".py .pyi .pyx .pxd .bzl", _PYTHON),
    (".sh .bash .command .zsh .fish .ksh .awk .tcl .mk .am .smali .r .R .ex .exs .tf .dockerfile", _SHELL),
    (".yml .yaml .toml .spec .conf .rake .gemspec", _SHELL),
    ("Dockerfile Makefile makefile GNUmakefile Rakefile Gemfile Vagrantfile configure", _SHELL),
    (".rb .ru", CommentSyntax(_HASH, (("=begin", "\n=end"),))),
    (
        ".pl",
        CommentSyntax(_line(r"#|%(?![\w$]+\s*=)"), before=_PERL_HEAD),
    ),  # Prolog's too: %, but no hash of Perl
    (".pm .perl .t", CommentSyntax(_HASH, before=_PERL_HEAD)),
    (".cmake CMakeLists.txt", CommentSyntax(_HASH, (("#[[", "]]"),))),
    (".jl", CommentSyntax(_HASH, (("#=", "=#"),), nested=True)),
    (".nim", CommentSyntax(_HASH, (("#[", "]#"),), nested=True)),
    (".coffee", CommentSyntax(_HASH, (("###", "###"),))),
    (".ps1 .psd1 .psm1", CommentSyntax(_HASH, (("<#", "#>"),))),
    (".sql", CommentSyntax(_DASHES, (_STAR,))),
    (".lua", CommentSyntax(_DASHES, (("--[[", "]]"), ("--[=[", "]=]"), ("--[==[", "]==]")))),
    (
        ".hs .lhs .hsc .elm .purs",
        CommentSyntax(
            _DASHES, (("{-", "-}"),), nested=True, before=re.compile(r"\{-#[^#]{0,500}#-\}[ \t]*\n?")
        ),
    ),
    (".adb .ads .vhd .vhdl .agda", CommentSyntax(_DASHES)),
    (".ml .mli .mll .mly", CommentSyntax(None, (("(*", "*)"),), nested=True)),
    (".fs .fsi .fsx", CommentSyntax(_SLASHES, (("(*", "*)"),), nested=True)),
    (".pas .pp .dpr", CommentSyntax(_SLASHES, (("{", "}"), ("(*", "*)")))),
    (".el .lisp .lsp .cl .clj .cljs .cljc .scm .ss .rkt .asd", _LISP),
    (".asm .nasm", CommentSyntax(_line(";|//"), (_STAR,))),
    (".s .S", CommentSyntax(_line(";|//|@"), (_STAR,), before=_GUARD)),
    (".erl .hrl .tex .sty .cls .bib .ltx .dtx", _PERCENT),
    (".m", CommentSyntax(_line("//|%"), (_STAR, ("%{", "%}")))),
    (".f90 .f95 .f03 .f08", CommentSyntax(_line("!"))),
    (".f .for .f77 .fpp", _FIXED_FORTRAN),
    (".vb .vbs .bas", _BASIC),
    (
        ".bat .cmd",
        CommentSyntax(
            _line(r"@?rem\b|::", re.IGNORECASE), before=re.compile(r"@?echo off[ \t]*\n", re.IGNORECASE)
        ),
    ),
    (".ini .cfg .properties", CommentSyntax(_line("[#;!]"))),
    (".m4 .ac", CommentSyntax(_line(r"dnl\b|#"))),
    (".vim", CommentSyntax(_line('"'))),
    (".html .htm .xhtml .xml .xsl .xslt .svg .vue .md .markdown .twig .jsp .hbs .jinja .j2", _MARKUP),
    # A comment of reStructuredText: `..` without a directive, a target or a footnote, and what is indented below.
    (".rst", CommentSyntax(re.compile(r"\.\.(?=[ \t]*\n|[ \t]+(?!_|\[|\||[\w.:+-]+::))|[ \t]+(?=\S)"))),
)
SYNTAXES = {name: syntax for names, syntax in _TABLE for name in names.split()}

_BLANK = re.compile(r"[ \t\f]*\n")
_SHEBANG = re.compile("\ufeff?(?:#![^\\[\n][^\n]*\n)?")
_DOCSTRING = re.compile(r"""[rRuU]?("{3}|'{3})""")


def syntax_of(path: str) -> CommentSyntax | None:
    """The comment syntax of a file by its name, None when it has none that is known. `x.h.in` is read as
    `x.h`.
    """
    name = posixpath.basename(path)
    if name in SYNTAXES:
        return SYNTAXES[name]
    stem, suffix = posixpath.splitext(name)
    if suffix == ".in":
        suffix = posixpath.splitext(stem)[1]
    return SYNTAXES.get(suffix) or SYNTAXES.get(suffix.lower())


def leading_comments(
    text: str, syntax: CommentSyntax, max_characters: int, max_comments: int
) -> Iterator[LeadingComment]:
    """The comments before all code, in order; each begins within the first `max_characters`.

    A line comment is the whole run of such lines without a blank line between; a block that is not closed is
    none.
    """
    shebang = _SHEBANG.match(text)
    position = shebang.end() if shebang and syntax.line is not _HASH else int(text.startswith("\ufeff"))
    for _ in range(max_comments):
        position = _skip(text, position, syntax)
        found = _comment_at(text, position, syntax, max_characters) if position < max_characters else None
        if found is None:
            return
        yield found
        position = found.end


def _skip(text: str, position: int, syntax: CommentSyntax) -> int:
    """Behind the blank lines and what is no code though no comment either."""
    while found := _BLANK.match(text, position) or (syntax.before and syntax.before.match(text, position)):
        if found.end() == position:
            break
        position = found.end()
    return position


def _comment_at(
    text: str, position: int, syntax: CommentSyntax, max_characters: int
) -> LeadingComment | None:
    start = position
    while text.startswith((" ", "\t"), start):
        start += 1
    for opening, closing in syntax.blocks:
        if text.startswith(opening, start) and not _is_pragma(text, start, opening):
            end = _block_end(text, start, opening, closing, syntax.nested)
            if end is None:
                return None
            end = _with_line_end(text, end)
            last = _framed_end(text, position, opening, closing, max_characters)
            return LeadingComment(position, max(end, last), opening, closing, framed=last > end)
    if syntax.docstrings and (quotes := _DOCSTRING.match(text, start)):
        end = text.find(quotes[1], quotes.end())
        if end < 0:
            return None
        end = _with_line_end(text, end + 3)
        return LeadingComment(position, end, is_docstring=True)
    end = position
    while (
        syntax.line is not None and end < position + max_characters and (line := syntax.line.match(text, end))
    ):
        line_end = text.find("\n", line.end())
        end = len(text) if line_end < 0 else line_end + 1
    return LeadingComment(position, end) if end > position else None


def _framed_end(text: str, position: int, opening: str, closing: str, max_characters: int) -> int:
    """Behind the run of lines of which each is a block of its own."""
    end = position
    while end < position + max_characters:
        line_end = text.find("\n", end, end + max_characters)
        line = text[end:line_end].strip() if line_end >= 0 else ""
        closed = line.find(closing, len(opening))
        if not line.startswith(opening) or closed < 0 or closed + len(closing) != len(line):
            break
        end = line_end + 1
    return end


def _is_pragma(text: str, start: int, opening: str) -> bool:
    """Blocks that a program reads: Haskell's `{-#`, MySQL's `/*!` before a number, Pascal's `{$`."""
    behind = text[start + len(opening) : start + len(opening) + 2]
    return (
        (opening == "{-" and behind.startswith("#"))
        or (opening == "{" and behind.startswith("$"))
        or (opening == "/*" and behind[:1] in "!+" and behind[1:].isdigit())
    )


def _block_end(text: str, start: int, opening: str, closing: str, nested: bool) -> int | None:
    if not nested or opening == closing:
        end = text.find(closing, start + len(opening))
        return None if end < 0 else end + len(closing)
    depth = 0
    for mark in re.compile(f"{re.escape(opening)}|{re.escape(closing)}").finditer(text, start):
        depth += 1 if mark[0] == opening else -1
        if depth == 0:
            return mark.end()
    return None


def _with_line_end(text: str, end: int) -> int:
    """Behind the rest of the line when that is blank, else where the comment ends: code follows on its line."""
    blank = _BLANK.match(text, end)
    return (
        blank.end()
        if blank
        else len(text)
        if not text[end : end + 200].strip() and len(text) - end < 200
        else end
    )
