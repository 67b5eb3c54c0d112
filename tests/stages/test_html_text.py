"""Charsets and whole-page text."""

from __future__ import annotations

import time

import pytest

from stages.html_text import PageText, UnreadablePageError, clean_text, decode_page, page_text

RUSSIAN = "<p>Привет, мир! Это страница.</p>"
CHINESE = "<p>中文网页的文字内容</p>"


@pytest.mark.parametrize(
    ("html", "charset", "declared", "found"),
    [
        (RUSSIAN, "utf-8", "windows-1251", "utf-8"),
        (RUSSIAN, "windows-1251", "windows-1251", "cp1251"),
        ('<meta charset="windows-1251">' + RUSSIAN, "windows-1251", None, "cp1251"),
        (RUSSIAN * 20, "windows-1251", "utf-8", "cp1251"),
        (CHINESE, "gb2312", "gb2312", "gbk"),
        (CHINESE, "gbk", "no-such-label", "gb18030"),
        ("<p>caf\u00e9</p>", "latin-1", "iso-8859-1", "cp1252"),
        ("<p>日本語の文章</p>", "iso-2022-jp", "iso-2022-jp", "iso2022-jp"),
        ("\ufeff" + RUSSIAN, "utf-8", None, "utf-8"),
        ("\ufeff" + RUSSIAN, "utf-16-le", None, "utf-16-le"),
    ],
)
def test_finds_the_charset(html: str, charset: str, declared: str | None, found: str) -> None:
    text, name = decode_page(html.encode(charset), declared)
    assert (text, name.replace("_", "-")) == (html.removeprefix("\ufeff"), found)


def test_a_few_broken_bytes_do_not_spoil_a_page() -> None:
    page = b"<p>" + b"plain words " * 400 + "日".encode() + b"\xe6\x97 \xe6</p>"
    assert decode_page(page, "utf-8") == ("<p>" + "plain words " * 400 + "日\ufffd \ufffd</p>", "utf-8")
    with pytest.raises(
        UnreadablePageError, match="best guess utf-8 cannot read 67% of the non-ASCII"
    ) as error:
        decode_page(page[-60:], "utf-8")
    assert error.value.reason == "charset_unknown"


def test_text_is_that_of_the_whole_page_without_scripts_and_image_texts() -> None:
    html = "<title>T  t</title><nav>Menu</nav><script>no()</script><img alt='no'><p>One<br>two</p><style>no</style>"
    assert page_text(html) == PageText("T t", "Menu\n\nOne\ntwo")


def test_a_page_without_visible_text_is_refused() -> None:
    with pytest.raises(UnreadablePageError, match="the page shows no text") as error:
        page_text("<html><body><script>x</script> </body>")
    assert error.value.reason == "no_text"


@pytest.mark.parametrize(
    "html",
    ["<div " + " ".join(f"a{n}=1" for n in range(100_000)) + ">x", "<ol><li>x" * 5_000, "<b></div>" * 50_000],
)
def test_a_page_made_to_be_slow_is_refused_at_once(html: str) -> None:
    begin = time.process_time()
    with pytest.raises(UnreadablePageError, match=r"^over \d+ ") as error:
        page_text(html)
    assert error.value.reason == "html_too_complex"
    assert time.process_time() - begin < 2


def test_a_long_attribute_value_is_no_reason_to_refuse() -> None:
    assert page_text(f"<div data-x='{'word ' * 50_000}'>x</div>").text == "x"


def test_soft_hyphens_go() -> None:
    html = "<title>dis\u00adease</title><p>diseas\u00ade, Fuß\u00adball, gy&shy;naecology</p>"
    assert page_text(html) == PageText("disease", "disease, Fußball, gynaecology")
    with pytest.raises(UnreadablePageError, match="the page shows no text"):
        page_text("<p>\u00ad</p>")


def test_windows_1252_in_utf_8_becomes_what_was_meant() -> None:
    html = "<title>A\x85B</title><p>\x93Ta\x92Jarvis\x94 \x96 B\x92lore, café\x92s\x81</p>"
    assert page_text(html) == PageText("A…B", "“Ta’Jarvis” – B’lore, café’s\x81")


@pytest.mark.parametrize(
    "text", ["canâ\x80\x99t", "komÃ³rkÄ\x99", "artykuÅ\x82y", "ð\x9f\x98\x80", "â€\x9d", "â\x80\xad"]
)
def test_text_that_was_encoded_twice_stays(text: str) -> None:
    assert page_text(f"<p>{text} x</p>").text == f"{text} x"


def test_what_is_no_html_keeps_its_control_characters() -> None:
    assert clean_text("dis\u00adease \x96") == "dis\u00adease \x96"


def test_line_ends_nul_and_lone_surrogates_are_mended() -> None:
    assert clean_text("a\r\nb\rc\0d\ud800e") == "a\nb\ncd\ufffde"
