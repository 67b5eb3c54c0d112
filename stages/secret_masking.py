"""Secrets and addresses in code, masked with placeholders that are the same everywhere.

In: any text. Out: the text with `<KEY>`, `<PASSWORD>`, `<EMAIL>` and `<IP_ADDRESS>` in place of what was
found (the placeholders of StarCoder, Li et al. 2023, arXiv 2305.06161, section 4.2), and how many of each as
scores. Only forms that their issuers document are looked for: access keys with their prefixes, private key
blocks, JSON Web Tokens, passwords in connection strings. Each pattern is a fixed prefix with bounded parts,
and is tried only where the prefix is, so time is linear in the text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from stages.document import Document

KEY, PASSWORD, EMAIL, IP_ADDRESS = "<KEY>", "<PASSWORD>", "<EMAIL>", "<IP_ADDRESS>"


@dataclass(frozen=True)
class _Form:
    """A kind of secret: a pattern, whose first group (or whole) is the secret, and texts of which one is in
    each.
    """

    pattern: re.Pattern[str]
    hints: tuple[str, ...]
    placeholder: str = KEY


_EDGE, _END = r"(?<![A-Za-z0-9_/+-])", r"(?![A-Za-z0-9_/+-])"


def _key(body: str, *hints: str) -> _Form:
    return _Form(re.compile(_EDGE + "(" + body + ")" + _END), hints)


_AWS_PREFIXES = ("AKIA", "ASIA", "ABIA", "ACCA")
FORMS: tuple[_Form, ...] = (
    # AWS IAM user guide, "IAM identifiers": prefix and 16 characters of base32.
    _key(r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", *_AWS_PREFIXES),
    # AWS secret access keys have no prefix: 40 characters of base64 beside their own name.
    _Form(
        re.compile(
            r"(?i:aws_?secret(?:_?access)?_?key|secret_?access_?key)[\"']?[ \t]{0,4}(?:=>?|:)[ \t]{0,4}[\"']?"
            r"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
        ),
        (
            "secret_access_key",
            "SECRET_ACCESS_KEY",
            "ecretAccessKey",
            "aws_secret",
            "AWS_SECRET",
            "awsSecret",
        ),
    ),
    _key(r"AIza[A-Za-z0-9_-]{35}", "AIza"),  # Google Cloud, API keys
    _key(r"GOCSPX-[A-Za-z0-9_-]{28}", "GOCSPX-"),  # Google OAuth client secret
    _key(r"ya29\.[A-Za-z0-9_-]{30,400}", "ya29."),  # Google OAuth access token
    # GitHub blog, 2021-04-05, "Behind GitHub's new authentication token formats"; fine-grained tokens since 2022.
    _key(r"gh[pousr]_[A-Za-z0-9]{36,251}", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    _key(r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", "github_pat_"),
    _key(r"glpat-[A-Za-z0-9_-]{20,50}", "glpat-"),  # GitLab, personal access tokens
    _key(r"xox[abeoprs]-(?:\d{1,20}-){1,4}[A-Za-z0-9-]{10,100}", "xox"),  # Slack, token types
    _key(r"xapp-\d-[A-Z0-9]{8,16}-\d{8,16}-[a-f0-9]{40,80}", "xapp-"),
    _Form(
        re.compile(r"hooks\.slack\.com/services/(T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{20,28})"),
        ("hooks.slack.com/services/",),
    ),
    # Stripe, API keys: secret and restricted ones; publishable ones (pk_) are public.
    _key(r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{20,247}", "k_live_", "k_test_"),
    _key(r"whsec_[A-Za-z0-9]{32,64}", "whsec_"),  # Stripe webhook signing secret
    _key(r"npm_[A-Za-z0-9]{36}", "npm_"),  # npm access tokens
    _key(r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,250}", "pypi-AgEIcHlwaS5vcmc"),  # PyPI API tokens
    _key(r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", "SG."),  # SendGrid API keys
    # JSON Web Token (RFC 7519): three parts of base64url, of which two are JSON objects.
    _key(r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{16,2000}", "eyJ"),
)
# Private keys (RFC 7468): what stands between the two lines; also on one line with `\n` written out, as in JSON.
_PRIVATE_KEY_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_MIN_KEY_LETTERS = 60
_MAX_PRIVATE_KEY_CHARACTERS = 16_000
# RFC 3986, userinfo: scheme://user:password@host.
_CREDENTIALS = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:/@\"'<>`]{0,64}:([^\s:/@\"'<>`]{3,128})@[A-Za-z0-9\[_-]"
)
_TEMPLATE = re.compile(r"[${}<>%*]|\.\.\.|^(.)\1+$")
_EXAMPLE_WORDS_LIST = """
    pass passwd password pwd secret user username test example changeme xxx token key admin root guest foo bar
"""
_EXAMPLE_WORDS = frozenset(_EXAMPLE_WORDS_LIST.split())
_MAIL_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,5}([A-Za-z]{2,18})(?![A-Za-z0-9@-])"
)
# RFC 2606 and RFC 6761: names that belong to nobody.
_EXAMPLE_HOSTS = re.compile(r"(?:^|\.)(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost|local)$")
_NO_TOP_DOMAIN_LIST = "png jpg jpeg gif svg webp js ts jsx tsx css py rb go md txt html json xml yml so"
_NO_TOP_DOMAIN = frozenset(_NO_TOP_DOMAIN_LIST.split())
_NO_MAIL_NAMES = frozenset(
    {"git", "hg", "svn", "noreply", "no-reply"}
)  # remote addresses and senders that are no one
# The first character is looked at before what stands in front of it, which lets the search jump from digit to digit.
_IPV4 = re.compile(r"[0-9](?<![\w.:/-][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"[23](?<![\w:.][23])[0-9a-fA-F]{3}:(?:[0-9a-fA-F]{0,4}:){1,6}[0-9a-fA-F]{0,4}(?![\w:.])")
# Name servers that anyone may ask; StarCoder's PII rules spare them too.
_NAME_SERVERS_LIST = (
    "8.8.8.8 8.8.4.4 1.1.1.1 1.0.0.1 9.9.9.9 149.112.112.112 208.67.222.222 208.67.220.220 4.2.2.1 4.2.2.2"
)
_NAME_SERVERS = frozenset(_NAME_SERVERS_LIST.split())
_VERSION = re.compile(r"(?i:version|ver|release|build|v)[\"'\s:=(]{0,5}\Z")
_MIN_DISTINCT_CHARACTERS = 10  # ours: `ghp_xxxxxxxx...` and `AKIA1111...` are examples

Found = tuple[int, int, str]


@dataclass(frozen=True)
class MaskSecrets:
    """Masks keys and passwords, and by setting e-mail addresses and public IP addresses. Nothing is removed.

    Scores: `masked_keys`, `masked_passwords`, `masked_emails`, `masked_ip_addresses`. Left as they are:
    values that are templates (`${TOKEN}`), repeats or example words, AWS's documented example keys, addresses
    under example domains, addresses of networks that are not public (`ipaddress.is_global`), four numbers
    that a version word precedes.
    """

    emails: bool = True  # StarCoder section 4.2 masks them
    ip_addresses: bool = True  # same

    def __call__(self, document: Document) -> Document:
        text = document.text
        found = [*keys_in(text), *passwords_in(text)]
        if self.emails:
            found.extend(emails_in(text))
        if self.ip_addresses:
            found.extend(ip_addresses_in(text))
        if not found:
            return document
        pieces, position = [], 0
        counts = dict.fromkeys((KEY, PASSWORD, EMAIL, IP_ADDRESS), 0)
        for start, end, placeholder in sorted(found, key=lambda one: (one[0], -one[1])):
            if start < position:
                continue  # inside of another
            pieces.append(text[position:start])
            pieces.append(placeholder)
            counts[placeholder] += 1
            position = end
        return document.with_text("".join(pieces) + text[position:]).with_scores(
            masked_keys=float(counts[KEY]),
            masked_passwords=float(counts[PASSWORD]),
            masked_emails=float(counts[EMAIL]),
            masked_ip_addresses=float(counts[IP_ADDRESS]),
        )


def keys_in(text: str) -> Iterator[Found]:
    """Access keys and tokens of well-known form, and the bodies of private keys."""
    for form in FORMS:
        if any(hint in text for hint in form.hints):
            for match in form.pattern.finditer(text):
                secret = match[1]
                if len(set(secret)) >= _MIN_DISTINCT_CHARACTERS and not secret.endswith("EXAMPLE"):
                    yield match.start(1), match.end(1), form.placeholder
    if "PRIVATE KEY" in text:
        for begin in _PRIVATE_KEY_BEGIN.finditer(text):
            end = text.find("-----END ", begin.end(), begin.end() + _MAX_PRIVATE_KEY_CHARACTERS)
            body = text[begin.end() : end] if end >= 0 else ""
            if sum(map(str.isalnum, body)) >= _MIN_KEY_LETTERS and "-----BEGIN " not in body:
                yield end - len(body.lstrip()), begin.end() + len(body.rstrip()), KEY


def passwords_in(text: str) -> Iterator[Found]:
    """Passwords in `scheme://user:password@host`."""
    at = text.find("://")
    while at >= 0:
        match = _CREDENTIALS.match(text, _scheme_start(text, at))
        if match:
            secret = match[1]
            if not _TEMPLATE.search(secret) and secret.lower() not in _EXAMPLE_WORDS:
                yield match.start(1), match.end(1), PASSWORD
        at = text.find("://", at + 3)


def _scheme_start(text: str, at: int) -> int:
    start = at
    while start > 0 and at - start < 30 and (text[start - 1].isalnum() or text[start - 1] in "+.-"):
        start -= 1
    while start < at and not (text[start].isascii() and text[start].isalpha()):
        start += 1
    return start


def emails_in(text: str) -> Iterator[Found]:
    """E-mail addresses (RFC 5321, the form without quotes) that may belong to someone."""
    at = text.find("@")
    while at >= 0:
        host = _MAIL_HOST.match(text, at + 1)
        if host:
            start = _mail_start(text, at)
            name = text[start:at]
            domain = host[0].lower()
            if (
                0 < len(name) <= 64
                and not _is_userinfo(text, start)
                and name.lower() not in _NO_MAIL_NAMES
                and host[1].lower() not in _NO_TOP_DOMAIN
                and not _EXAMPLE_HOSTS.search(domain)
            ):
                yield start, host.end(), EMAIL
        at = text.find("@", at + 1)


def _mail_start(text: str, at: int) -> int:
    """Where the name before an @ begins; no name has an @ in it, so all of them together are read once."""
    start = at
    while start > 0 and (
        text[start - 1] in "._%+-" or (text[start - 1].isascii() and text[start - 1].isalnum())
    ):
        start -= 1
    while start < at and not text[start].isalnum():
        start += 1
    return start


def _is_userinfo(text: str, start: int) -> bool:
    """Whether what stands before the @ is part of an address `scheme://user:password@host`."""
    before = text[max(start - 7, 0) : start]
    return before.endswith(("/", ":")) and not before.lower().endswith("mailto:")


def ip_addresses_in(text: str) -> Iterator[Found]:
    """IP addresses of public networks; of IPv6 only global unicast, 2000::/3 (RFC 4291)."""
    for match in _IPV4.finditer(text):
        if _is_host(match[0]) and not _VERSION.search(text, max(match.start() - 16, 0), match.start()):
            yield match.start(), match.end(), IP_ADDRESS
    if "::" in text or text.count(":") > 6:
        for match in _IPV6.finditer(text):
            if _is_public(match[0]):
                yield match.start(), match.end(), IP_ADDRESS


def _is_host(address: str) -> bool:
    """Whether four numbers are an address of someone: `2.3.3.1` is a section, a version or an example."""
    return (
        any(len(part) > 1 for part in address.split("."))
        and address not in _NAME_SERVERS
        and _is_public(address)
    )


def _is_public(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found.is_global and not found.is_multicast
