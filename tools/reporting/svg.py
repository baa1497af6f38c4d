"""Charts of rate and quality as SVG: one that stands in the page, and one that stands alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = 8  # far apart for every kind of colour vision
PALETTE = ("#0072b2", "#d55e00", "#2b3c37", "#cd7390", "#927552", "#9158eb", "#821508", "#610c67")
MARKERS = (  # outlines around the origin, about 9 units wide
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "M-3.6,-3.6H3.6V3.6H-3.6z",
    "M0,-5L4.6,3.4H-4.6z",
    "M0,-5.2L4.4,0L0,5.2L-4.4,0z",
    "M0,5L-4.6,-3.4H4.6z",
    "M-1.6,-4.6H1.6V-1.6H4.6V1.6H1.6V4.6H-1.6V1.6H-4.6V-1.6H-1.6z",
    "M-2.4,-4.2H2.4L4.8,0L2.4,4.2H-2.4L-4.8,0z",
)
PUBLISHED, SECOND = "4 3.5", "11 3"  # dashes: of published anchors, of codecs beyond the number of colours
WIDTH, HEIGHT = 940, 520
LEFT, TOP, BOTTOM, TITLE = 62, 30, 48, 44  # margins; the title takes its own height
LETTER = 6.5  # mean width of a letter of the legend
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
ALONE = f"""<style>
text {{ font: 12px {FONT}; fill: #40454d; }}
.title {{ font-size: 15px; font-weight: 600; fill: #1b1e23; }} .head {{ font-weight: 600; }}
.paper {{ fill: #ffffff; stroke: #d9dce1; }} .grid {{ stroke: #e6e8ec; }} .axis {{ stroke: #8b919b; }}
.curve {{ fill: none; stroke-width: 2; stroke-linejoin: round; }}
.published {{ stroke-width: 1.4; }} .published.marker {{ fill: #ffffff; }}
</style>"""


@dataclass(frozen=True)
class Style:
    """How a line looks; no two of the first 56 look the same."""

    colour: int
    marker: int
    dash: str
    published: bool

    @staticmethod
    def of(place: int, published: bool) -> "Style":
        """The look of the line at a place in the order of all lines."""
        dash = PUBLISHED if published else SECOND if place // COLOURS % 2 else ""
        return Style(place % COLOURS, place % len(MARKERS), dash, published)


@dataclass(frozen=True)
class Stroke:
    """A line with its points (x, y), one at least, in order of x."""

    label: str
    points: Sequence[tuple[float, float]]
    style: Style


@dataclass(frozen=True)
class Axis:
    """A scale from numbers to places; `start` and `end` are the places of `low` and `high`."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a number stands."""
        low, high, value = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, about: int) -> list[float]:
        """Round numbers on the axis."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for steps in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
                found = [step * 10.0**decade for decade in decades for step in steps]
                found = [value for value in found if self.low <= value <= self.high]
                if len(found) >= 4:
                    return found
        rough = (self.high - self.low) / about
        unit = 10.0 ** math.floor(math.log10(rough))
        step = unit * next(size for size in (1, 2, 2.5, 5, 10) if size * unit >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [round(number * step, 12) for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def axes(strokes: Sequence[Stroke], right: float, logarithmic: bool) -> tuple[Axis, Axis]:
    """Axes that hold all points that were measured, with a little room; published ones may lie beyond."""
    counted = [stroke for stroke in strokes if not stroke.style.published] or strokes
    xs = [x for stroke in counted for x, _ in stroke.points]
    ys = [y for stroke in counted for _, y in stroke.points]
    margin = (max(ys) - min(ys)) * 0.05 or abs(ys[0]) * 0.05 or 1.0
    y = Axis(min(ys) - margin, max(ys) + margin, HEIGHT - BOTTOM, TOP)
    low, high = (min(xs) / 1.12, max(xs) * 1.12) if logarithmic else (0.0, max(xs) * 1.04)
    return Axis(low, high, LEFT, right, logarithmic), y


def chart(strokes: Sequence[Stroke], x_label: str, y_label: str, logarithmic: bool, name: str) -> str:
    """A chart whose colours come from the page's style sheet; "" when there is nothing to draw.

    `name` is an identifier that nothing else in the page has.
    """
    if not strokes:
        return ""
    inner = _draw(strokes, x_label, y_label, logarithmic, name, False)
    return f'{_head(HEIGHT, f"{y_label} by {x_label}")} class="chart">{inner}</svg>'


def figure(strokes: Sequence[Stroke], x_label: str, y_label: str, logarithmic: bool, title: str) -> str:
    """A whole SVG file on its own light ground; at least one stroke."""
    height = HEIGHT + TITLE
    inner = _draw(strokes, x_label, y_label, logarithmic, "window", True)
    return (
        f'{_head(height, title)} width="{WIDTH}" height="{height}">{ALONE}'
        f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>'
        f'<text class="title" x="{LEFT - 38}" y="32">{escape(title)}</text>'
        f'<g transform="translate(0,{TITLE})">{inner}</g></svg>\n'
    )


def shown(value: float) -> str:
    """A number without trailing zeros."""
    return f"{value:.6g}".replace("-", "\u2212")


def _head(height: int, name: str) -> str:
    """The start of the element, left open for more attributes."""
    space = 'xmlns="http://www.w3.org/2000/svg"'
    return f'<svg {space} viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(name)}"'


def _draw(strokes: Sequence[Stroke], x_label: str, y_label: str, logarithmic: bool, name: str, alone: bool) -> str:
    """Axes, curves and legend; `name` is that of the window onto the curves."""
    longest = max(len(stroke.label) for stroke in strokes)
    right = WIDTH - min(330.0, 74 + LETTER * longest)
    x, y = axes(strokes, right, logarithmic)
    window = f'x="{x.start}" y="{y.end}" width="{x.end - x.start:.1f}" height="{y.start - y.end:.1f}"'
    clip = f'<clipPath id="{name}"><rect {window}/></clipPath>'
    curves = [_curve(stroke, x, y, name, alone) for stroke in strokes]
    return "".join([clip, *_grid(x, y, x_label, y_label), *curves, *_legend(strokes, right + 22, alone)])


def _grid(x: Axis, y: Axis, x_label: str, y_label: str) -> list[str]:
    """Lines, numbers and names of both axes."""
    parts = []
    for value in x.ticks(9):
        place = f"{x.place(value):.1f}"
        parts.append(f'<line class="grid" x1="{place}" x2="{place}" y1="{y.end:.1f}" y2="{y.start:.1f}"/>')
        parts.append(f'<text x="{place}" y="{y.start + 18:.1f}" text-anchor="middle">{shown(value)}</text>')
    for value in y.ticks(6):
        place = f"{y.place(value):.1f}"
        parts.append(f'<line class="grid" x1="{x.start:.1f}" x2="{x.end:.1f}" y1="{place}" y2="{place}"/>')
        parts.append(f'<text x="{x.start - 8:.1f}" y="{place}" dy="4" text-anchor="end">{shown(value)}</text>')
    parts.append(f'<line class="axis" x1="{x.start}" x2="{x.end:.1f}" y1="{y.start}" y2="{y.start}"/>')
    parts.append(f'<text x="{x.end:.1f}" y="{y.start + 38}" text-anchor="end">{escape(x_label)}</text>')
    parts.append(f'<text x="{LEFT - 38}" y="{y.end - 14}">{escape(y_label)}</text>')
    return parts


def _ink(style: Style, alone: bool) -> str:
    """The attributes that give a line its colour and dashes."""
    name = f"k{style.colour}{' published' if style.published else ''}"
    colour = f' stroke="{PALETTE[style.colour]}"' if alone else ""
    return f'class="curve {name}"{colour}' + (f' stroke-dasharray="{style.dash}"' if style.dash else "")


def _marker(style: Style, alone: bool, x: float, y: float) -> str:
    """One marker at a place."""
    name = f"marker k{style.colour}{' published' if style.published else ''}"
    paint = PALETTE[style.colour]
    colour = f' stroke="{paint}"' + ("" if style.published else f' fill="{paint}"') if alone else ""
    return f'<path class="{name}"{colour} d="{MARKERS[style.marker]}" transform="translate({x:.1f},{y:.1f})"/>'


def _curve(stroke: Stroke, x: Axis, y: Axis, window: str, alone: bool) -> str:
    """One curve with its markers, as far as the axes reach."""
    places = [(x.place(a), y.place(b)) for a, b in stroke.points]
    path = "L".join(f"{a:.1f},{b:.1f}" for a, b in places)
    line = f'<path {_ink(stroke.style, alone)} clip-path="url(#{window})" d="M{path}"/>'
    inside = [(a, b) for a, b in places if x.start <= a <= x.end and y.end <= b <= y.start]
    markers = "".join(_marker(stroke.style, alone, a, b) for a, b in inside)
    return f"<g><title>{escape(stroke.label)}</title>{line}{markers}</g>"


def _legend(strokes: Sequence[Stroke], left: float, alone: bool) -> list[str]:
    """Names beside the chart."""
    step = min(20.0, (HEIGHT - TOP - 40) / (len(strokes) + 1))
    parts, place = [], TOP + 6 - step
    for number, stroke in enumerate(strokes):
        place += step
        if stroke.style.published and (not number or not strokes[number - 1].style.published):
            place += 10
            parts.append(f'<text x="{left}" y="{place + 4:.1f}" class="head">Published by others</text>')
            place += step
        parts.append(f'<path {_ink(stroke.style, alone)} d="M{left},{place:.1f}h26"/>')
        parts.append(_marker(stroke.style, alone, left + 13, place))
        parts.append(f'<text x="{left + 33}" y="{place + 4:.1f}">{escape(stroke.label)}</text>')
    return parts
