"""Draws what ``bench_serve.py`` measured: ``draw.py RESULTS PNG``.

Run by the Python of a generated project, which has matplotlib.
"""

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

if __name__ == "__main__":
    results, picture = map(Path, sys.argv[1:])
    found = json.loads(results.read_text())["services"]
    models = list(dict.fromkeys(one["model"] for one in found))
    figure = Figure(figsize=(8, 1.2 + 0.34 * len(found)), layout="constrained")
    axes = figure.subplots(len(models), 1, sharex=True, squeeze=False)[:, 0]
    for place, model in zip(axes, models, strict=True):
        rates = {s["service"]: s["rate"] for s in found if s["model"] == model}
        colours = ["tab:blue" if name.endswith("project") else "0.7" for name in rates]
        bars = place.barh(list(rates), list(rates.values()), color=colours)
        place.bar_label(bars, fmt=" {:,.0f}")
        place.set(title=model, xscale="log")
        place.invert_yaxis()
        place.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("requests in a second: one row each, one worker, one core")
    axes[-1].set_xlim(1, 4 * max(one["rate"] for one in found))
    figure.savefig(picture, dpi=150)
