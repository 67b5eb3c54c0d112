"""The command from files to weights that the extractor can use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.fit_extractor import command, fit_extractor
from pipeline.fit_pages import KnownPage
from stages.extraction.extract import Extractor
from stages.extraction.weights import load_weights
from tests.pipeline.extraction_pages import page, pages

DATE = "2026-01-31"


def write(path: Path, known: Sequence[KnownPage]) -> str:
    lines = (
        {
            "id": p.id,
            "html": p.html.decode(),
            "text": p.text,
            "url": f"https://www.{p.site}/x",
            "type": p.type,
        }
        for p in known
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def set_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("sets") / "pages.jsonl", pages(40))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_fitted_weights_cut_a_page_of_another_site(set_file: str, tmp_path: Path) -> None:
    out = tmp_path / "weights.json"
    result = call(set_file, "--out", str(out), "--profile", "web", "--date", DATE, "--no-effects")
    assert result.exit_code == 0
    assert "40 pages of 20 sites" in result.stdout
    unseen = page(999, "unseen.org")
    text = Extractor(load_weights(out)).extract(unseen.html).text
    story = unseen.text.split("\n")
    assert all(paragraph in text for paragraph in story)
    assert "Copyright" not in text


def test_the_same_pages_give_the_same_bytes_in_whatever_order(set_file: str, tmp_path: Path) -> None:
    known = pages(40)
    first, second = write(tmp_path / "a.jsonl", known[25:]), write(tmp_path / "b.jsonl", known[:25])
    written = []
    for number, files in enumerate([(first, second), (second, first)]):
        out = tmp_path / f"{number}.json"
        call(*files, "--out", str(out), "--date", DATE, "--no-effects")
        written.append(out.read_bytes())
    assert written[0] == written[1]
    whole = tmp_path / "whole.json"
    call(set_file, "--out", str(whole), "--date", DATE, "--no-effects")
    one, two = json.loads(whole.read_bytes()), json.loads(written[0])
    assert one["provenance"].pop("data_sets") != two["provenance"].pop("data_sets")
    assert one == two


def test_leaves_out_sites_and_says_so(set_file: str, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("www.site-3.org\nhttps://site-5.org/page\n")
    out = tmp_path / "weights.json"
    result = call(
        set_file, "--out", str(out), "--leave-out-hosts", str(hosts), "--date", DATE, "--no-effects"
    )
    assert "36 pages of 18 sites" in result.stdout
    assert "left out: 4 pages, site left out" in result.stdout
    assert load_weights(out).provenance.left_out_hosts == ("site-3.org", "site-5.org")


def test_provenance_names_the_sets(set_file: str, tmp_path: Path) -> None:
    sets = tmp_path / "sets.json"
    known = {"name": "Made pages", "license": "CC0-1.0", "address": "https://example.org"}
    sets.write_text(json.dumps({"pages.jsonl": known}))
    out = tmp_path / "weights.json"
    call(set_file, "--out", str(out), "--data-sets", str(sets), "--date", DATE, "--no-effects")
    provenance = load_weights(out).provenance
    (data_set,) = provenance.data_sets
    assert (data_set.name, data_set.pages, data_set.license) == ("Made pages", 40, "CC0-1.0")
    assert provenance.date == DATE
    assert len(provenance.digest) == 64


def test_prints_features_effects_and_types_also_as_json(set_file: str, tmp_path: Path) -> None:
    result = call(set_file, "--out", str(tmp_path / "w.json"), "--date", DATE, "--json")
    found = json.loads(result.stdout)
    assert set(found["validation"]) == {"all", "article", "service"}
    assert found["validation"]["all"]["pages"] == 40
    assert {"first", "context"} == {effect["score"] for effect in found["effects"]}
    assert found["features"][0].keys() == {"score", "name", "weight", "standardised"}


def test_files_without_a_page_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "empty.jsonl", [])
    with pytest.raises(
        ValueError, match=f"^no page to fit on in {path}; give pages with html and their text"
    ):
        call(path, "--out", str(tmp_path / "weights.json"))


def test_a_page_whose_text_is_elsewhere_is_counted_and_not_fitted(tmp_path: Path) -> None:
    known = [*pages(40), *(page(100 + k, f"rare-{k}.org", extra="rare") for k in range(11))]
    wrong = KnownPage(
        "wrong",
        "",
        page(200, "", extra="rare").html,
        "nothing of this stands there at all",
        "wrong.org",
        "article",
        "",
    )
    with_wrong = fit_extractor(
        [write(tmp_path / "a.jsonl", [*known, wrong])], "web", date=DATE, effects=False
    )
    assert with_wrong.left_out == {"known text is not on the page": 1}
    without = fit_extractor([write(tmp_path / "b.jsonl", known)], "web", date=DATE, effects=False)
    assert with_wrong.weights.first == without.weights.first
    assert "promo" in with_wrong.weights.words
    assert "rare" not in with_wrong.weights.words, "on 12 sites, but only 11 with their text"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "/nowhere/w.json"], "its folder is not there"),
        (["--out", "w.json", "--date", "31.1.2026"], "--date 31.1.2026: not a date"),
        (["--out", "w.json", "--leave-out-hosts", "/nowhere/hosts"], "cannot read /nowhere/hosts"),
    ],
)
def test_wrong_arguments_are_named(set_file: str, arguments: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(set_file, *arguments)
