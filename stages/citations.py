"""The pages that an article cites: URLs out of wikitext, and one normal form of a URL to meet crawled pages by.

In: raw wikitext. Out: its external http(s) URLs, as written, each once. MediaWiki's own rule for where a URL ends is
followed (https://www.mediawiki.org/wiki/Help:Links#External_links): white space, brackets, angle brackets, quotes, a
template's bar or brace, two apostrophes; for a bare URL also its last punctuation. References, named or not, citation
templates of any language and plain links are all read, because URLs are searched for and not template names; a named
reference counts where it is defined. Copies in web archives stand for the page they are a copy of. Wikimedia's own
hosts are left out: they are the encyclopedia itself. The normal form is the syntax-based one of RFC 3986 section 6.2.2,
less what does not name a page (scheme, `www.`, fragment, tracking).
"""

from __future__ import annotations

import html
import re
from urllib.parse import unquote_to_bytes

from stages.wikitext_names import words

# Longest URL that is read; RFC 9110 section 4.1 asks for 8,000 octets.
MAX_URL_CHARACTERS = 8000

# Blanks between `url=` and an address without a scheme that are read; our choice, pages have one or two.
MAX_BLANKS = 8

# https://meta.wikimedia.org/wiki/Complete_list_of_Wikimedia_projects, and the hosts of their tools.
WIKIMEDIA_DOMAINS = words(
    "wikipedia.org wikimedia.org wiktionary.org wikidata.org wikibooks.org wikinews.org wikiquote.org "
    "wikisource.org wikiversity.org wikivoyage.org wikispecies.org wikifunctions.org mediawiki.org "
    "wikimediafoundation.org wmflabs.org wmcloud.org toolforge.org toolserver.org"
)

# Hosts whose paths hold the address of the archived page (https://en.wikipedia.org/wiki/Help:Archiving_a_source).
ARCHIVE_HOSTS = words(
    "web.archive.org archive.is archive.today archive.ph archive.li archive.md archive.vn archive.fo "
    "webcitation.org liveweb.archive.org replay.web.archive.org wayback.archive.org web-beta.archive.org "
    "ghostarchive.org archive.wikiwix.com perma.cc"
)

# Parameters that tell where a reader came from and never change the page: Google's utm_* and click ids, and those of
# Facebook, Microsoft, Yandex, Mailchimp, Instagram and Twitter as their documentation names them.
TRACKING_PARAMETERS = words(
    "fbclid gclid gclsrc dclid gbraid wbraid msclkid yclid mc_cid mc_eid igshid twclid _ga"
)

_URL = re.compile(r"(?:https?:)?//[^\s\[\]<>\"|{}\x00-\x20\x7f]+", re.IGNORECASE)
_PARTS = re.compile(r"(?:https?:)?//([^/?#\\]*)([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_ARCHIVED = re.compile(r"https?(?::|%3A)(?:/|%2F)+", re.IGNORECASE)
# The path of a copy in the form of the Wayback Machine, which most national archives run too:
# /web/20100101000000id_/http://host/path; the time may be cut short or hold an asterisk, the scheme may be missing.
_COPY_PATH = re.compile(r"(?:/[a-z_-]{1,20}){0,2}/(?:\d{4,14}\*?|\*)(?:[a-z]{2}_)?/(?=\S)", re.IGNORECASE)
_COPY_PATH_OF_ANY_HOST = re.compile(
    r"(?:/[a-z_-]{1,20}){0,2}/\d{14}(?:[a-z]{2}_)?/(?=https?(?::|%3A))", re.IGNORECASE
)
_KEPT_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_BARE_BYTES = _KEPT_BYTES | frozenset(b"!$&'()*+,;=:@/?")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")


def url_host(url: str) -> str:
    """The host of an http(s) URL in lower-case ASCII, without user, default port and `www.`; "" when it has none."""
    parts = _PARTS.match(url.strip())
    return _host(parts[1]) if parts else ""


def normalize_url(url: str) -> str:
    """One spelling for all addresses of a page, such as `example.org/a?b=c`; "" when it is no http(s) URL with a host.

    Dropped: scheme, user, default port, `www.`, fragment, slashes at the end, tracking parameters. Host in lower case
    and Punycode; percent-encoding in capitals, unreserved characters decoded; `.` and `..` resolved. The order of the
    parameters stays, because it may matter.
    """
    url = url.strip()
    parts = _PARTS.match(url) if len(url) <= MAX_URL_CHARACTERS else None
    host = _host(parts[1]) if parts else ""
    if parts is None or not host:
        return ""
    path = _resolve_dots(_normal_encoding(parts[2])).rstrip("/")
    query = "&".join(
        _normal_encoding(pair) for pair in (parts[3] or "").split("&") if pair and not _is_tracking(pair)
    )
    return f"{host}{path}?{query}" if query else host + path


def cited_urls(wikitext: str) -> list[str]:
    """The external http(s) URLs of a page in order of first appearance, each once by its normal form.

    They come from references, citation templates, bracketed and bare links alike; comments are left out. URLs without a
    scheme (`//host/path`) count in brackets and as values of parameters (`url=//host`) only and are given as https.
    """
    found: dict[str, str] = {}
    for text in _without_comments(wikitext):
        for match in _URL.finditer(text):
            start = match.start()
            before = text[start - 1] if start else ""
            url = match.group().partition("''")[0]
            if url.startswith("//"):
                if before != "[" and not text[max(0, start - MAX_BLANKS) : start].rstrip(" ").endswith("="):
                    continue
                url = "https:" + url
            elif before != "[":
                url = _without_last_punctuation(url)
            url = _unwrapped(html.unescape(url))
            normal = normalize_url(url)
            if normal and normal not in found and not _is_left_out(_host_of_normal(normal)):
                found[normal] = url
    return list(found.values())


def _without_comments(wikitext: str) -> list[str]:
    kept = []
    position = 0
    while (start := wikitext.find("<!--", position)) >= 0:
        kept.append(wikitext[position:start])
        end = wikitext.find("-->", start + 4)
        if end < 0:
            return kept
        position = end + 3
    kept.append(wikitext[position:])
    return kept


def _without_last_punctuation(url: str) -> str:
    return url.rstrip(",;\\.:!?" if "(" in url else ",;\\.:!?)")


def _unwrapped(url: str) -> str:
    """The page that an address in a web archive is a copy of; the address itself when it is no such copy."""
    parts = _PARTS.match(url)
    if parts is None:
        return url
    host = url_host(url)
    is_archive = host in ARCHIVE_HOSTS or (host == "archive.org" and parts[2].startswith("/web/"))
    copy = (_COPY_PATH if is_archive else _COPY_PATH_OF_ANY_HOST).match(url, parts.start(2))
    if copy is None and not is_archive:
        return url
    inner = _ARCHIVED.search(url, parts.start(2))
    if copy is not None and (inner is None or inner.start() != copy.end()):
        return "http://" + url[copy.end() :]
    if inner is None:
        return url
    rest = url[inner.end() :]
    if "%" in inner.group():
        if "=" in url[: inner.start()]:  # the address is a parameter of a query
            rest = rest.partition("&")[0]
        rest = unquote_to_bytes(rest).decode("utf-8", "replace")
    elif host == "webcitation.org":
        rest = rest.partition("&")[0]
    scheme = inner.group()[:5].lower()
    return ("https://" if scheme == "https" else "http://") + rest


def _is_left_out(host: str) -> bool:
    """True for Wikimedia's own hosts and for addresses in archives that do not say of which page."""
    if host in ARCHIVE_HOSTS:
        return True
    return ".".join(host.rsplit(".", 2)[-2:]) in WIKIMEDIA_DOMAINS


def _host_of_normal(normal: str) -> str:
    return re.split(r"[/?]", normal, maxsplit=1)[0]


def _host(authority: str) -> str:
    host = authority.rpartition("@")[2].lower().rstrip(".")
    for port in (":80", ":443", ":"):
        host = host.removesuffix(port)
    name, colon, port = host.partition(":") if not host.startswith("[") else (host, "", "")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    if not _HOST.fullmatch(name) or (colon and not port.isdigit()):
        return ""
    return name.removeprefix("www.") + colon + port


def _is_tracking(pair: str) -> bool:
    name = pair.partition("=")[0].lower()
    return name.startswith("utm_") or name in TRACKING_PARAMETERS


def _normal_encoding(part: str) -> str:
    if "%" not in part and part.isascii() and part.replace("/", "").isalnum():
        return part
    out = []
    for piece in re.split(r"(%[0-9A-Fa-f]{2})", part):
        if len(piece) == 3 and piece[0] == "%":
            code = int(piece[1:], 16)
            out.append(chr(code) if code in _KEPT_BYTES else f"%{code:02X}")
        else:
            out.extend(
                chr(code) if code in _BARE_BYTES else f"%{code:02X}"
                for code in piece.encode("utf-8", "replace")
            )
    return "".join(out)


def _resolve_dots(path: str) -> str:
    if "/." not in path:
        return path
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    return "/".join(kept)
