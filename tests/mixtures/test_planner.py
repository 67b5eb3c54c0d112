"""The planner: epochs of a budget, caps, what is not there, and the figures of the paper."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from mixtures.mixture import load_mixture, parse_count, plan_mixture
from mixtures.planner import plan_sources
from mixtures.published import llama1_table, published_tokens

EPOCHS = [1.10, 1.06, 0.64, 2.45, 2.23, 1.06, 1.03]  # arXiv:2302.13971, Table 1, in the order of the mixture
# Tokens in billions that follow from Table 1's shares and epochs, rounded to three digits.
UNIQUE = dict(zip(llama1_table(), (853, 198, 98.4, 25.7, 28.3, 33.0, 27.2), strict=True))


@pytest.mark.parametrize("unique", [UNIQUE, {s: n / 1e9 for s, n in published_tokens("llama1").items()}])
def test_gives_the_epochs_of_the_paper_at_its_budget(unique: dict[str, float]) -> None:
    tokens = {source: round(billions * 1e9) for source, billions in unique.items()}
    plan = plan_mixture(load_mixture("llama1"), tokens, parse_count("1.4T"))
    assert [round(row.epochs or 0, 2) for row in plan.rows] == EPOCHS
    assert [row.llama1_epochs for row in plan.rows] == EPOCHS
    assert [row.tokens_at_budget for row in plan.rows] == [
        int(billions * 10**9) for billions in (938, 210, 63, 63, 63, 35, 28)
    ]
    assert sum(row.tokens_at_budget for row in plan.rows) == plan.planned_tokens == 1_400_000_000_000
    assert (plan.absent, plan.unplanned, plan.warnings) == ((), (), ())


def test_gives_0_71_of_the_epochs_at_the_budget_of_the_small_models() -> None:
    tokens = published_tokens("llama1")
    plan = plan_mixture(load_mixture("llama1"), tokens, parse_count("1.0T"))
    assert [
        round((row.epochs or 0) / published, 2) for row, published in zip(plan.rows, EPOCHS, strict=True)
    ] == ([0.71] * 7)
    assert [row.llama1_epochs_at(plan.budget_tokens) for row in plan.rows] == pytest.approx(
        [row.epochs for row in plan.rows], rel=1e-9
    )


def test_reads_an_open_reproduction_once_within_its_own_size() -> None:
    tokens = published_tokens("redpajama")
    plan = plan_mixture(load_mixture("redpajama"), tokens, sum(tokens.values()))
    assert [row.epochs for row in plan.rows] == [1.0] * 7
    assert plan.budget_tokens == 1_210_000_000_000


def test_knows_the_sizes_of_the_publications() -> None:
    assert sum(row.disk for row in llama1_table().values()) == 4_749_000_000_000
    assert sum(published_tokens("slimpajama").values()) == 627_000_000_000
    for source, tokens in published_tokens("llama1").items():
        assert tokens == pytest.approx(UNIQUE[source] * 1e9, rel=0.003)
    # Bytes per token of Table 1, between those of prose and of code.
    assert round(llama1_table()["commoncrawl"].disk / published_tokens("llama1")["commoncrawl"], 2) == 3.87


def test_gives_the_share_of_absent_sources_to_the_others() -> None:
    asked = {"books": 0.5, "arxiv": 0.3, "github": 0.2}
    plan = plan_sources(asked, {"books": 100, "arxiv": 100, "github": 0, "c4": 5}, 1001, None, {"books": 350})
    assert plan.absent == ("github",)
    assert plan.unplanned == ("c4",)
    assert [row.share_present for row in plan.rows] == [0.625, 0.375, 0.0]
    assert [row.tokens_at_budget for row in plan.rows] == [626, 375, 0]
    assert plan.rows[2].epochs is None
    assert plan.rows[2].warnings == ("not there: its 20.00 % go to the others",)
    assert [row.bytes_per_token for row in plan.rows] == [3.5, None, None]
    assert plan.shares == {"books": 0.625, "arxiv": 0.375}


def test_warns_above_four_epochs() -> None:
    at, above = plan_sources({"books": 1, "arxiv": 1}, {"books": 100, "arxiv": 99}, 800).rows
    assert at.warnings == ()
    assert above.warnings == ("read 4.04 times: above 4 epochs repeated tokens teach less",)


def test_gives_what_a_capped_source_cannot_read_to_the_others_in_proportion() -> None:
    asked = {"books": 3, "wikipedia": 1, "arxiv": 4}
    plan = plan_sources(asked, {"books": 1000, "wikipedia": 1000, "arxiv": 10}, 100, {"arxiv": 2})
    assert [row.tokens_at_budget for row in plan.rows] == [60, 20, 20]
    assert [row.share for row in plan.rows] == [0.375, 0.125, 0.5]
    assert [row.share_present for row in plan.rows] == [0.6, 0.2, 0.2]
    assert [row.max_epochs for row in plan.rows] == [None, None, 2]
    assert plan.rows[2].epochs == 2.0
    assert plan.rows[2].warnings == ("share out of reach: 2 epochs are 20.00 % of the tokens, not 50.00 %",)
    assert plan.warnings == ()


def test_a_cap_that_others_push_a_source_over_holds_too() -> None:
    # Books alone are above their cap at first; what they give up brings arXiv above its own.
    plan = plan_sources(
        {"books": 5, "arxiv": 3, "c4": 2},
        {"books": 10, "arxiv": 40, "c4": 1000},
        100,
        {"books": 1, "arxiv": 1},
    )
    assert [row.tokens_at_budget for row in plan.rows] == [10, 40, 50]


def test_says_when_the_caps_keep_the_budget_out_of_reach() -> None:
    plan = plan_sources({"books": 1, "arxiv": 1}, {"books": 100, "arxiv": 50}, 1000, {"books": 2, "arxiv": 4})
    assert (plan.budget_tokens, plan.planned_tokens) == (1000, 400)
    assert [row.tokens_at_budget for row in plan.rows] == [200, 200]
    assert plan.warnings == (
        "budget out of reach: max_epochs allow 400 of 1,000 tokens: "
        "lower the budget, raise max_epochs or add text",
    )
    assert [row.warnings for row in plan.rows] == [("held at 2 epochs",), ("held at 4 epochs",)]


def test_holds_caps_and_sums_for_any_numbers() -> None:
    chance = random.Random(6)
    for _ in range(300):
        sources = list(llama1_table())[: chance.randint(1, 7)]
        weights = {source: chance.choice([0.01, 1, 3.5, 70]) * chance.random() + 1e-6 for source in sources}
        unique = {source: chance.choice([0, 1, 30, 10**6, 10**12]) for source in sources}
        caps = {source: chance.choice([0.1, 1, 4]) for source in sources if chance.random() < 0.6}
        budget = chance.choice([1, 99, 10**7, 14 * 10**11])
        if not any(unique.values()):
            continue
        plan = plan_sources(weights, unique, budget, caps)
        assert sum(row.tokens_at_budget for row in plan.rows) == plan.planned_tokens <= budget
        assert sum(plan.shares.values()) == pytest.approx(1)
        rates = []
        for row in plan.rows:
            if row.tokens_unique:
                most = Fraction(caps[row.source]) * row.tokens_unique if row.source in caps else None
                assert most is None or row.tokens_at_budget <= most + 1
                if most is None or (row.epochs or 0) < caps[row.source] * 0.999:
                    rates.append(row.share_present / weights[row.source])
        # Sources below their caps stand in the proportion that was asked for; when there is one, the budget is used up.
        assert not rates or max(rates) == pytest.approx(min(rates))
        assert plan.planned_tokens == budget or set(s for s, n in unique.items() if n) <= set(caps)


def test_refuses_a_plan_for_nothing() -> None:
    with pytest.raises(ValueError, match="tokens 0: plan for at least one"):
        plan_sources({"books": 1}, {"books": 1}, 0)
    with pytest.raises(ValueError, match="nothing is there of any of its sources"):
        plan_sources({"books": 1}, {"c4": 1}, 10)
