"""The validation figures of a training of image/patch as a table and a curve.

    python benchmarks/training_curve.py runs/image-patch/log.jsonl --csv results/image-patch-training.csv \\
        --figure docs/image-patch-training.svg

The cost is the mean over the first eight rate points of the binary logarithm of bits per pixel plus lambda times the
squared error, which are the same for models with more points: 0.1 less is about 7 % less cost.
"""

import argparse
import csv
import json
import math
from pathlib import Path

from triptych.tools.reporting.svg import Stroke, Style, figure

LOWEST, HIGHEST, POINTS = 0.0003, 0.08, 8  # lambdas and number of the points that are averaged


def cost(row: dict) -> float:
    """The cost of a line of the log."""
    total = 0.0
    for point in range(POINTS):
        weight = LOWEST * (HIGHEST / LOWEST) ** (point / (POINTS - 1))
        total += math.log2(row[f"bpp{point}"] + weight * 255**2 / 10 ** (row[f"psnr{point}"] / 10))
    return total / POINTS


def validations(log: Path) -> list[dict]:
    """Step, hours, cost and the rates and qualities of every validation; of a step that was run twice the later one."""
    rows = {}
    for line in log.read_text().splitlines():
        row = json.loads(line)
        if row.get("event") == "validation":
            figures = {key: row[key] for key in sorted(row) if key.startswith(("bpp", "psnr"))}
            rows[row["step"]] = {
                "step": row["step"],
                "hours": round(row["seconds"] / 3600, 2),
                "cost": round(cost(row), 4),
            } | figures
    return [rows[step] for step in sorted(rows)]


def main() -> None:
    """Read the log, write the table and the curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", type=Path)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--figure", type=Path, required=True)
    options = parser.parse_args()
    rows = validations(options.log)
    names = list(dict.fromkeys(key for row in rows for key in row))
    with open(options.csv, "w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    points = [(row["step"] / 1000, row["cost"]) for row in rows if row["step"] >= 3000]
    stroke = Stroke("image/patch", points, Style.of(0, False))
    title = "Training of image/patch: cost on held-out pictures"
    options.figure.write_text(figure([stroke], "thousand steps", "log2 (bpp + lambda * error)", False, title))


if __name__ == "__main__":
    main()
