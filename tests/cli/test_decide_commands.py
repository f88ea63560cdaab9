"""Deciding about customers in the terminal: merge, split, block, unblock, undo, and what there is to decide."""

from __future__ import annotations


def test_there_is_nothing_to_decide_at_first(journal, run):
    assert run("review", "--json").json() == {"reviews": [], "blocked": [], "decisions": []}
    ended = run("review")
    assert ended.code == 0
    assert "To decide: none" in ended.out


def test_a_decision_is_noted_shown_and_undone(journal, run):
    assert run("block", "info@example.com", "--json").json() == {"decisions": [1]}
    assert "decision 2" in run("unblock", "info@example.com").out
    made = run("review", "--json").json()["decisions"]
    assert [(one["number"], one["verb"], one["about"]) for one in made] == [
        (2, "unblock", "email"),
        (1, "block", "email"),
    ]
    assert run("undo", "2", "--json").json() == {"undone": 2}
    assert run("undo", "2").code == 1
    assert "info@example.com" not in run("review").out


def test_what_cannot_be_decided_is_a_message(journal, run):
    for words in (("merge", "shop:1", "shop:99"), ("split", "shop:1"), ("block", "nonsense@")):
        ended = run(*words)
        assert ended.code == 1, words
        assert ended.err.startswith("omnibridge: ")
        assert "Traceback" not in ended.err
