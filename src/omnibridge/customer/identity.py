"""Who is whom: facts, operators' decisions and rules in; customers, blocked keys and what needs a decision out.

Pure, and a function of sets: the order in which facts arrived cannot matter, and what is taken back leaves no trace.
A ROOT is the id that a reference got when it was first shown. Roots belong to one customer where an edge joins them:
an operator's link, a vendor's merge, or a verified key that both have. The levels are taken in that order, keys in
the order of `Rules.priority`, and at each level whole groups are joined or nobody is: where a group would hold two
that must stay apart, guessing who belongs to whom is an operator's work and not ours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeVar

from omnibridge.journal import Decision, Fact, Key, Link, Review, Verb

__all__ = ["KEY_KINDS", "Resolution", "Rules", "blocked_keys", "pair", "resolve"]

T = TypeVar("T")

KEY_KINDS = ("loyalty", "email", "phone")
"""What identifies a customer beside a vendor's word, strongest first."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the company configured.

    `trusted`: kinds of keys that count as verified in a channel, as its staff checks them. `unique`: kinds of which
    one customer has one. `limits`: more records than this of one channel with the same value block it. `blocked`
    values never link.
    """

    priority: tuple[str, ...] = KEY_KINDS
    unique: Set[str] = frozenset({"loyalty"})
    trusted: Mapping[str, Set[str]] = field(default_factory=dict[str, Set[str]])
    limits: Mapping[str, int] = field(default_factory=dict[str, int])
    limit: int = 5
    blocked: Set[Key] = frozenset[Key]()

    def links(self, fact: Fact) -> bool:
        """Whether this fact may join its customer with another."""
        return fact.key.kind in self.priority and (
            fact.verified or fact.key.kind in self.trusted.get(fact.channel, frozenset[str]())
        )

    def most(self, kind: str) -> int:
        """How many records of one channel may share a key of this kind."""
        return self.limits.get(kind, self.limit)


@dataclass(frozen=True, slots=True)
class Resolution:
    """`survivors`: every root's customer, named by its smallest root. `blocked`: keys that link nobody, with why."""

    survivors: Mapping[str, str]
    blocked: Mapping[Key, str]
    reviews: tuple[Review, ...]

    def customers(self) -> Mapping[str, frozenset[str]]:
        """Survivor → all roots of that customer."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for root, survivor in self.survivors.items():
            found[survivor].add(root)
        return {survivor: frozenset(roots) for survivor, roots in found.items()}


Pair = tuple[str, str]
Edge = tuple[str, str, str]
"""Two roots and what joins them, in words."""


def pair(a: str, b: str) -> Pair:
    """The two in order."""
    return (a, b) if a <= b else (b, a)


class _Groups:
    """Disjoint sets of roots, each named by its smallest."""

    def __init__(self, roots: Iterable[str]) -> None:
        self._up = {root: root for root in roots}

    def find(self, root: str) -> str:
        top = root
        while self._up[top] != top:
            top = self._up[top]
        while self._up[root] != top:
            self._up[root], root = top, self._up[root]
        return top

    def join(self, a: str, b: str) -> None:
        low, high = pair(self.find(a), self.find(b))
        self._up[high] = low

    def survivors(self) -> dict[str, str]:
        return {root: self.find(root) for root in self._up}


def blocked_keys(facts: Iterable[Fact], decisions: Iterable[Decision], rules: Rules) -> dict[Key, str]:
    """The keys among `facts` that link nobody, each with the reason."""
    held: Counter[tuple[Key, str]] = Counter()
    keys: set[Key] = set()
    for channel, _, key in {(f.channel, f.record, f.key) for f in facts if f.counts and rules.links(f)}:
        held[key, channel] += 1
    keys.update(fact.key for fact in facts)
    found: dict[Key, str] = {}
    for (key, channel), number in sorted(held.items()):
        if number > rules.most(key.kind):
            found.setdefault(key, f"more than {rules.most(key.kind)} records of {channel} have it")
    for key, decision in _in_force((d.key, d) for d in decisions if d.key is not None).items():
        if decision.verb is Verb.BLOCK and key in keys:
            found[key] = "an operator blocked it"
    found.update((key, "the configuration blocks it") for key in rules.blocked & keys)
    return found


def _in_force(decisions: Iterable[tuple[T, Decision]]) -> dict[T, Decision]:
    last: dict[T, Decision] = {}
    for about, decision in decisions:
        if about not in last or last[about].number < decision.number:
            last[about] = decision
    return last


def resolve(facts: Iterable[Fact], links: Iterable[Link], decisions: Iterable[Decision], rules: Rules) -> Resolution:
    """The customers that these facts come to.

    Give whole neighbourhoods: everything that is joined to something given must be given too. Then a part of the
    world resolves as the whole world would.
    """
    facts, links, decisions = set(facts), set(links), set(decisions)
    about = _in_force((pair(d.a, d.b), d) for d in decisions if d.key is None)
    apart = {two for two, decision in about.items() if decision.verb is Verb.SPLIT}
    linked = [two for two, decision in about.items() if decision.verb is Verb.LINK]
    blocked = blocked_keys(facts, decisions, rules)
    linking = [fact for fact in facts if fact.key not in blocked and rules.links(fact)]
    groups = _Groups({f.root for f in facts} | {root for two in (*links, *about) for root in two})
    work = _Work(groups, apart, _unique_values(linking, rules), rules)
    work.level("link", [(*two, "an operator's link") for two in linked])
    work.level("vendor", [(*pair(*link), "a vendor's merge") for link in links])
    for place, kind in enumerate(rules.priority):
        stronger = frozenset(rules.priority[:place]) & rules.unique
        work.level(kind, _edges(fact for fact in linking if fact.key.kind == kind), stronger)
    survivors = groups.survivors()
    reviews = {
        Review(*pair(survivors[a], survivors[b]), kind, reason)
        for a, b, kind, reason in work.refused
        if survivors[a] != survivors[b]
    }
    return Resolution(survivors, blocked, tuple(sorted(reviews)))


def _edges(facts: Iterable[Fact]) -> list[Edge]:
    holders: defaultdict[Key, set[str]] = defaultdict(set)
    for fact in facts:
        holders[fact.key].add(fact.root)
    return [(a, b, f"the same {key.kind}") for key, roots in holders.items() for a, b in combinations(sorted(roots), 2)]


def _unique_values(linking: Iterable[Fact], rules: Rules) -> Mapping[str, Mapping[str, frozenset[str | bytes]]]:
    """Root → kind → its values, for kinds of which a customer has one."""
    found: defaultdict[str, defaultdict[str, set[str | bytes]]] = defaultdict(lambda: defaultdict(set))
    for fact in linking:
        if fact.key.kind in rules.unique:
            found[fact.root][fact.key.kind].add(fact.key.value)
    return {root: {kind: frozenset(values) for kind, values in kinds.items()} for root, kinds in found.items()}


class _Work:
    """The levels, one after the other, on the groups that the ones before have left."""

    def __init__(
        self,
        groups: _Groups,
        apart: Set[Pair],
        values: Mapping[str, Mapping[str, frozenset[str | bytes]]],
        rules: Rules,
    ) -> None:
        self._groups = groups
        self._apart = apart
        self._values = values
        self._rules = rules
        self.refused: list[tuple[str, str, str, str]] = []

    def level(self, name: str, edges: Iterable[Edge], stronger: Set[str] = frozenset()) -> None:
        """Join what these edges join, but for groups in which some must stay apart."""
        find = self._groups.find
        split = {pair(find(a), find(b)) for a, b in self._apart}
        members: defaultdict[str, list[str]] = defaultdict(list)
        for root in self._groups.survivors():
            members[find(root)].append(root)
        between: dict[Pair, str] = {}
        for a, b, words in edges:
            two = pair(find(a), find(b))
            if two[0] != two[1] and two not in split:  # decided already: nobody needs to look at it again
                between[two] = max(words, between.get(two, ""))
        differs = self._differs(members, stronger)
        open_: dict[Pair, str] = {}
        for two, words in between.items():
            kind = differs(*two)
            if kind is None:
                open_[two] = words
            else:
                self.refused.append((*two, name, f"{words}, but different {kind}"))
        for group in _components(open_):
            inside = combinations(sorted({root for two in group for root in two}), 2)
            tangled = any(two in split or differs(*two) is not None for two in inside)
            for two in group:
                if tangled:
                    self.refused.append((*two, name, f"{open_[two]}, but that would join others that stand apart"))
                else:
                    self._groups.join(*two)

    def _differs(self, members: Mapping[str, list[str]], stronger: Set[str]) -> Callable[[str, str], str | None]:
        """Tells of which stronger kind two groups have different values only, if any."""
        kinds = [kind for kind in self._rules.priority if kind in stronger]

        def values(group: str, kind: str) -> frozenset[str | bytes]:
            return frozenset[str | bytes]().union(
                *(self._values.get(root, {}).get(kind, frozenset[str | bytes]()) for root in members[group])
            )

        def differs(a: str, b: str) -> str | None:
            for kind in kinds:
                mine, theirs = values(a, kind), values(b, kind)
                if mine and theirs and not mine & theirs:
                    return kind
            return None

        return differs


def _components(edges: Iterable[Pair]) -> list[list[Pair]]:
    """The edges in groups that hang together."""
    edges = sorted(edges)
    groups = _Groups({root for two in edges for root in two})
    for a, b in edges:
        groups.join(a, b)
    found: defaultdict[str, list[Pair]] = defaultdict(list)
    for two in edges:
        found[groups.find(two[0])].append(two)
    return list(found.values())
