"""A made table of orders that keeps rules of all kinds, and these rules."""

import numpy as np
import polars as pl

RULES = """
version = 1
[[order]]
columns = ["start", "ship", "paid"]
[[range]]
column = "price"
above = 0
max = 5000
[[sum]]
total = "total"
add = ["amount", "tax"]
subtract = ["discount"]
[[product]]
total = "amount"
factors = ["price", "quantity"]
[[combination]]
columns = ["city", "country"]
[[implication]]
if = "internet = No"
then = "backup = 'No internet' and films = 'No internet'"
[[implication]]
if = "backup = 'No internet'"
then = "internet = No"
[[unique]]
columns = ["number"]
"""


def frame(rows: int, seed: int = 0) -> pl.DataFrame:
    """Orders with dates, money, places and services; a tenth is not paid yet."""
    random = np.random.default_rng(seed)
    start = random.integers(19_000, 19_730, rows)
    ship = start + random.integers(0, 90, rows)
    paid = ship + random.integers(0, 200, rows)
    price, quantity = np.round(random.gamma(2, 20, rows) + 1, 2), random.integers(1, 10, rows)
    amount = np.round(price * quantity, 2)
    discount = np.round(amount * random.choice([0, 0.1, 0.2], rows), 2)
    tax = np.round(amount * 0.19 * random.integers(0, 2, rows), 2)
    city = random.integers(0, 12, rows)
    internet = random.choice(["No", "DSL", "Fibre"], rows, p=[0.3, 0.4, 0.3])
    services = {
        name: np.where(internet == "No", "No internet", random.choice(["yes", "no"], rows))
        for name in ("backup", "films")
    }
    return pl.DataFrame(
        {
            "number": np.arange(rows) + 1000,
            **{
                name: pl.Series(days, dtype=pl.Int32).cast(pl.Date)
                for name, days in (("start", start), ("ship", ship), ("paid", paid))
            },
            "price": price,
            "quantity": quantity,
            "amount": amount,
            "discount": discount,
            "tax": tax,
            "total": np.round(amount + tax - discount, 2),
            "city": [f"city {number}" for number in city],
            "country": [f"land {number // 4}" for number in city],
            "internet": internet,
            **services,
        }
    ).with_columns(paid=pl.when(pl.int_range(pl.len()) % 10 > 0).then("paid"))
