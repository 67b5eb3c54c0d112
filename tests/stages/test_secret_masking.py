"""Secrets by their documented forms, each masked; what only looks like one is left."""

from __future__ import annotations

import base64
import random
import time

import pytest

from stages.document import Document, Origin
from stages.secret_masking import MaskSecrets


def masked(text: str, mask: MaskSecrets | None = None) -> str:
    return (mask or MaskSecrets())(Document("r:p:b", "github", text, Origin("f"))).text


# Put together here, so that no scanner of secrets takes the test for a leak.
LETTERS = "Ab3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0dF"
LONG = LETTERS + "gHiJkLmNoPqRsTuVwXyZ0123456789abcdefghij"
PEM = "-----BEGIN {0}PRIVATE KEY-----\n{1}\n-----END {0}PRIVATE KEY-----\n"
BODY = "\n".join(
    base64.b64encode(random.Random(2).randbytes(192)).decode()[at : at + 64] for at in range(0, 256, 64)
)


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "Q7WERTY2UIOPASDF",
        "ASIA" + "ZXCVBNM234567QWE",
        "AI" + "za" + (LETTERS + "abcdef")[:35],
        "GOCSPX" + "-" + LETTERS[:28],
        "gh" + "p_" + LONG[:36],
        "gh" + "s_" + LONG[:40],
        "github" + "_pat_" + LONG[:22] + "_" + LONG[:59],
        "glpat" + "-" + LETTERS[:20],
        "xox" + "b-123456789012-1234567890123-" + LETTERS[:24],
        "sk" + "_live_" + LETTERS[:24],
        "rk" + "_test_" + LETTERS[:24],
        "whsec" + "_" + LETTERS,
        "npm" + "_" + LONG[:36],
        "SG" + "." + LETTERS[:22] + "." + LONG[:43],
        "ey" + "J" + LETTERS + ".ey" + "J" + LETTERS + "." + LETTERS,
    ],
)
def test_keys_of_well_known_form_are_masked(secret: str) -> None:
    assert masked(f'key = "{secret}"  # keep\n') == 'key = "<KEY>"  # keep\n'
    assert masked(f"A={secret}\n") == "A=<KEY>\n"
    assert masked(f"x{secret}") == f"x{secret}" or secret.startswith("SG")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"aws_secret_access_key = {LONG[:40]}\n", "aws_secret_access_key = <KEY>\n"),
        (f'"SecretAccessKey": "{LONG[:40]}"', '"SecretAccessKey": "<KEY>"'),
        (f"sha1 = {LONG[:40]}\n", None),
        (PEM.format("RSA ", BODY), "-----BEGIN RSA PRIVATE KEY-----\n<KEY>\n-----END RSA PRIVATE KEY-----\n"),
        (PEM.format("", BODY), "-----BEGIN PRIVATE KEY-----\n<KEY>\n-----END PRIVATE KEY-----\n"),
        (PEM.format("", "..."), None),
        ("re.compile('-----BEGIN (RSA )?PRIVATE KEY-----')", None),
        ("-----BEGIN CERTIFICATE-----\n" + BODY + "\n-----END CERTIFICATE-----\n", None),
        ("https://hooks.slack.com/services/T12345678/B12345678/" + LETTERS[:24], "https://hooks.slack.com/services/<KEY>"),
        ("AKIA" + "IOSFODNN7EXAMPLE", None),
        ("AKIA" + "AAAAAAAAAAAAAAAA", None),
        ("gh" + "p_" + "x" * 36, None),
        ("pk_live_" + LETTERS[:24], None),
        ("postgres://web:S3cr3tPhrase@db.host.io/app", "postgres://web:<PASSWORD>@db.host.io/app"),
        ("mongodb+srv://a:hunter22@x.y", "mongodb+srv://a:<PASSWORD>@x.y"),
        ("redis://:9fkeiWqp@cache:6379", "redis://:<PASSWORD>@cache:6379"),
        ("postgres://user:password@localhost/db", None),
        ("postgres://${USER}:${PASS}@localhost/db", None),
        ("http://user:%s@host/", None),
        ("http://user:*****@host/", None),
        ("http://host:8080/@scope/pkg", None),
        ("https://example.org/a:b@c", None),
    ],
)  # fmt: skip
def test_keys_and_passwords_by_their_surroundings(text: str, expected: str | None) -> None:
    assert masked(text) == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# ask mara.holm+code@tide-lab.no, please", "# ask <EMAIL>, please"),
        ("<a href='mailto:x@pier.io'>", "<a href='mailto:<EMAIL>'>"),
        ("(m@a.co.uk)", "(<EMAIL>)"),
        ("a@example.com b@sub.example.org c@host.test d@localhost", None),
        ("git@github.com:a/b.git", None),
        ("noreply@pier.io", None),
        ("logo@2x.png icon@3x.svg", None),
        ("lodash@4.17.21 pkg@latest", None),
        ("@decorator @a.b.setter", None),
        ("ssh://user@", None),
        ("x = a @ b.T", None),
        ("http://user:p@Some.Host/", None),
        ("@@@@", None),
        ("n" * 64 + "@pier.io", "<EMAIL>"),
        ("n" * 65 + "@pier.io", None),
    ],
)
def test_mail_addresses_of_someone_are_masked(text: str, expected: str | None) -> None:
    assert masked(text) == (text if expected is None else expected)
    assert masked(text, MaskSecrets(emails=False)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host = '93.184.216.34'", "host = '<IP_ADDRESS>'"),
        ("93.184.216.34:8080", "<IP_ADDRESS>:8080"),
        ("[2a02:6b8:7c:40c:c51e:495f:e23a:3]", "[<IP_ADDRESS>]"),
        ("2620:0:1cfe:face:b00c::3", "<IP_ADDRESS>"),
        ("127.0.0.1 10.0.0.12 192.168.1.10 0.0.0.0 203.0.113.77 255.255.255.0", None),
        ("8.8.8.8", None),
        ("version 93.184.216.34", None),
        ('Version="93.184.216.34"', None),
        ("v93.184.216.34", None),
        ("93.184.216.34.5 93.184.216.340", None),
        ("see section 6.5.2.3", None),
        ("::1 fe80::1 2001:db8::1 12:34:56", None),
        ("std::vector::iterator 2a00::b::c", None),
    ],
)
def test_addresses_of_public_networks_are_masked(text: str, expected: str | None) -> None:
    assert masked(text) == (text if expected is None else expected)
    assert masked(text, MaskSecrets(ip_addresses=False)) == text


def test_counts_what_was_masked_and_leaves_other_documents_alone() -> None:
    key = "AKIA" + "Q7WERTY2UIOPASDF"
    document = Document(
        "r:p:b", "github", f"{key} a@pier.io {key} db://a:zZ9kkq@h 93.184.216.34", Origin("f")
    )
    outcome = MaskSecrets()(document)
    assert outcome.text == "<KEY> <EMAIL> <KEY> db://a:zZ9kkq@h <IP_ADDRESS>".replace("zZ9kkq", "<PASSWORD>")
    assert outcome.scores == {
        "masked_keys": 2.0,
        "masked_passwords": 1.0,
        "masked_emails": 1.0,
        "masked_ip_addresses": 1.0,
    }
    clean = Document("r:p:b", "github", "x = 1\n", Origin("f"))
    assert MaskSecrets()(clean) is clean


def test_masking_twice_is_masking_once() -> None:
    text = PEM.format("", BODY) + f"{'AKIA' + 'Q7WERTY2UIOPASDF'} a@pier.io db://a:zZ9kkq@h 93.184.216.34"
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "@" * 1_000_000,
        "a@" * 500_000,
        "a@b." * 250_000,
        "a" * 1_000_000 + "@pier.io",
        "://" * 300_000,
        "a://b:" * 160_000,
        "eyJ" * 330_000,
        "eyJ" + "a" * 1_000_000,
        "1." * 500_000,
        "2:" * 500_000,
        "2a00:" * 200_000,
        "-----BEGIN PRIVATE KEY-----" * 40_000,
        "AKIA" * 250_000,
        "secret_access_key" * 60_000,
        "xoxb-" + "1-" * 500_000,
        "ghp_" + "a" * 1_000_000,
    ],
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    begun = time.process_time()
    masked(text)
    assert time.process_time() - begun < 4.0
