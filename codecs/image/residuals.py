"""Tables of the residuals of latents: learned from counts where scales are small, Gaussian beyond."""

import numpy as np

from ...entropy import ROWS, Tables, gaussian

MOST = 128  # of a residual that is counted
PRIOR = 1000  # residuals that the Gaussian counts as


def learned(seen: np.ndarray) -> Tables:
    """Tables of the first rows, those whose Gaussian ends before `MOST`.

    Args:
        seen: how often each residual was coded with each row, int [ROWS, 2 * MOST + 1], the ends with all beyond. Both
            signs are taken together, and the Gaussian stands in where little was seen.
    """
    family, rows = gaussian(), []
    count = int(np.searchsorted(-family.firsts, MOST))
    for number in range(count):
        row, reach = family.row(number), -int(family.firsts[number])
        inside = seen[number, MOST - reach : MOST + reach + 1]
        found = np.append((inside + inside[::-1]) / 2, seen[number].sum() - inside.sum())
        rows.append(Tables.from_counts(np.rint((found + PRIOR * row / row.sum()) * 1024)).row(0))
    return Tables(rows, family.firsts[:count].tolist(), escape=True)


def completed(tables: Tables | None) -> Tables:
    """Tables for all rows: these for the first ones, Gaussian ones for the rest."""
    family, count = gaussian(), 0 if tables is None else len(tables)
    rows = [(tables if number < count else family).row(number) for number in range(ROWS)]
    firsts = [] if tables is None else tables.firsts.tolist()
    return Tables(rows, [*firsts, *family.firsts[count:].tolist()], escape=True)
