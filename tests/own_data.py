"""A data set as a user might bring it: every kind of column, gaps, odd names."""

import csv
import random
from pathlib import Path

TARGET = "Kauf-Klasse"


def write_csv(path: Path, rows: int = 600) -> Path:
    """Write a data set with a target of three classes to ``path``, and return it.

    It has integers, numbers with gaps, categories (one of them numeric), yes/no
    values, dates, an identifier, a constant, and a column that is mostly missing.
    """
    chance = random.Random(5)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["id", "Größe (cm)", "visits", 'city "home"', "zip", "member", "joined"]
            + ["notes", "country", TARGET]
        )
        for number in range(rows):
            size = chance.gauss(170, 12)
            visits = chance.randrange(0, 40)
            city = chance.choice(["Ærø", "São Paulo", "北京", ""])
            member = chance.random() < 0.4
            score = (
                (size - 170) / 12 + visits / 20 + 1.5 * member + chance.gauss(0, 0.4)
            )
            label = "low" if score < 0.8 else "mid" if score < 2 else "high"
            writer.writerow(
                [
                    f"C{number:05}",
                    "" if chance.random() < 0.1 else f"{size:.1f}",
                    visits,
                    city,
                    chance.choice([10115, 20095, 80331]),
                    "yes" if member else "no",
                    f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}",
                    "seldom" if number % 97 == 0 else "",
                    "XX",
                    label,
                ]
            )
    return path
