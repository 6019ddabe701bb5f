"""Curves over time as SVG, one panel below the other, without a library."""

from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, GAP, TOP = 900, 130, 90, 42, 20
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")


def _number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"


def _panel(top, title, times, curves):
    highest = max((value for values in curves.values() for value in values if value is not None), default=0) or 1
    span = (times[-1] - times[0]) or 1
    yield f'<text x="{LEFT}" y="{top - 6}" font-weight="bold">{escape(title)}</text>'
    for part in (0, 0.5, 1):
        y = top + HEIGHT * (1 - part)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + WIDTH}" y2="{y:.1f}" stroke="#ddd"/><text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(highest * part)}</text>'
    for index, (name, values) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join(
            f"{LEFT + WIDTH * (at - times[0]) / span:.1f},{top + HEIGHT * (1 - value / highest):.1f}" for at, value in zip(times, values) if value is not None
        )
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'
        yield f'<text x="{LEFT + WIDTH - 90 * (len(curves) - index)}" y="{top - 6}" fill="{colour}">{escape(name)}</text>'


def svg(times, panels):
    """`times` in seconds; `panels`: title → name of a curve → its values (None: no value)."""
    height = TOP + len(panels) * (HEIGHT + GAP) + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{height}" font-family="sans-serif" font-size="11">',
        f'<rect width="100%" height="{height}" fill="white"/>',
    ]
    for index, (title, curves) in enumerate(panels.items()):
        lines += _panel(TOP + 10 + index * (HEIGHT + GAP), title, times, curves)
    lines.append(f'<text x="{LEFT}" y="{height - 8}">0 to {(times[-1] - times[0]) / 60:.0f} minutes</text></svg>')
    return "\n".join(lines) + "\n"
