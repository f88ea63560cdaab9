"""What a CESQL filter costs, in microseconds: python bench/cesql.py."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

from omnibridge import cesql

EVENT: dict[str, object] = {
    "specversion": "1.0",
    "id": "8f5a",
    "source": "/channels/webshop-dk",
    "type": "order.placed",
    "subject": "orders/1001",
    "priority": 5,
    "region": "se",
}
DATA = {"totals": {"total": {"amount": "129.50"}}, "customer": {"country": "SE"}}

FILTERS = {
    "one equality": "type = 'order.placed'",
    "four clauses, a match": "type = 'order.placed' AND source LIKE '/channels/%' AND priority > 3"
    " AND region IN ('dk', 'se', 'no')",
    "four clauses, first fails": "type = 'order.paid' AND source LIKE '/channels/%' AND priority > 3"
    " AND region IN ('dk', 'se', 'no')",
    "four clauses, one missing": "type = 'order.placed' AND source LIKE '/channels/%' AND missing > 3"
    " AND region IN ('dk', 'se', 'no')",
    "LIKE with five wildcards": "source LIKE '%ch%n_l%/%-dk'",
    "arithmetic": "(priority + 1) * 2 > 10",
    "two functions": "LOWER(LEFT(type, 5)) = 'order'",
    "two clauses on the data": "type = 'order.placed' AND DATA_GT('/totals/total/amount', '100')",
}


def microseconds(call: Callable[[], object]) -> float:
    """The best of 50 rounds of some 10 ms: what disturbs a round only ever makes it slower."""
    timer = timeit.Timer(call, timer=time.process_time)
    number = max(1, timer.autorange()[0] // 20)
    return min(timer.repeat(50, number)) / number * 1e6


def main() -> None:
    print(f"{'filter':28}{'compile':>10}{'matches':>10}{'evaluate':>10}{'explain':>10}")
    for name, text in FILTERS.items():
        expression = cesql.compile(text)
        columns: list[Callable[[], object]] = [
            lambda text=text: cesql.compile(text),
            lambda expression=expression: expression.matches(EVENT, DATA),
            lambda expression=expression: expression.evaluate(EVENT, DATA),
            lambda expression=expression: expression.explain(EVENT, DATA),
        ]
        print(f"{name:28}" + "".join(f"{microseconds(call):10.2f}" for call in columns))


if __name__ == "__main__":
    main()
