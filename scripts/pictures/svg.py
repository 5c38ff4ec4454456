# SPDX-License-Identifier: Apache-2.0
"""A small writer of SVG: the same calls give the same bytes on any machine.

Colours are classes, not values, so that one file serves light and dark pages: a reader's browser
picks the style sheet that its page asks for. Fonts are generic families, whose widths differ a
little, so nothing may depend on the exact width of a word.
"""

from xml.sax.saxutils import escape

FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

# class: (light, dark). The seven hues differ in lightness too, for readers who see few colours.
INKS = {
    "ink": ("#1f2933", "#e6edf3"),
    "muted": ("#55616e", "#a3afbb"),
    "page": ("#ffffff", "#11161d"),
    "panel": ("#f3f5f8", "#1b222c"),
    "rule": ("#cfd6de", "#37414d"),
    "blue": ("#2f74c0", "#5b9be6"),
    "sky": ("#8fbfe8", "#2f5f8f"),
    "orange": ("#e08a1e", "#f0a23c"),
    "green": ("#2a9d74", "#48c298"),
    "pink": ("#c8517b", "#e77fa3"),
    "violet": ("#7a62c9", "#a48df0"),
    "grey": ("#a7b1bc", "#5d6976"),
    "yellow": ("#d9b92c", "#e8cf59"),
}


def style():
    def rules(which):
        out = []
        for name, pair in INKS.items():
            out.append(f".f-{name}{{fill:{pair[which]}}}.s-{name}{{stroke:{pair[which]}}}")
        return "".join(out)

    return (
        f"text{{font-family:{FONT};font-size:13px}}"
        f".mono{{font-family:{MONO};font-size:12px}}"
        ".small{font-size:11px}.head{font-size:17px;font-weight:600}.bold{font-weight:600}"
        ".line{fill:none;stroke-width:1.5}.thin{fill:none;stroke-width:1}"
        ".dash{stroke-dasharray:4 3}"
        f"{rules(0)}@media (prefers-color-scheme:dark){{{rules(1)}}}"
    )


def number(value):
    """At most two decimals, and none that say nothing."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Picture:
    """Shapes in the order in which they are painted, under a title."""

    def __init__(self, width, height, title, description, subtitle=""):
        self.width, self.height = width, height
        self.title, self.description = title, description
        self.parts = []
        self.rect(0.5, 0.5, width - 1, height - 1, "page", line="rule", radius=8)
        self.text(24, 34, title, kind="head")
        for i, line in enumerate(subtitle.split("\n") if subtitle else []):
            self.text(24, 56 + 17 * i, line, ink="muted")

    def rect(self, x, y, width, height, fill, line="", radius=0, hint="", extra=""):
        drawn = f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}"'
        drawn += f' height="{number(height)}" class="f-{fill}{f" thin s-{line}" if line else ""}"'
        if line:  # the class thin takes the fill away
            drawn = drawn.replace(f"f-{fill} thin", f"f-{fill}")
        if radius:
            drawn += f' rx="{number(radius)}"'
        drawn += f"{' ' + extra if extra else ''}"
        self.parts.append(drawn + (f"><title>{escape(hint)}</title></rect>" if hint else "/>"))

    def text(self, x, y, words, ink="ink", anchor="start", kind="", turn=0):
        at = f'x="{number(x)}" y="{number(y)}"'
        if turn:
            at += f' transform="rotate({turn} {number(x)} {number(y)})"'
        if anchor != "start":
            at += f' text-anchor="{anchor}"'
        self.parts.append(
            f'<text {at} class="f-{ink}{" " + kind if kind else ""}">{escape(words)}</text>'
        )

    def path(self, data, ink="rule", kind="line", end=False):
        arrow = f' marker-end="url(#to-{ink})"' if end else ""
        self.parts.append(f'<path d="{data}" class="{kind} s-{ink}"{arrow}/>')

    def line(self, x1, y1, x2, y2, ink="rule", kind="thin", end=False):
        self.path(
            f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}", ink=ink, kind=kind, end=end
        )

    def area(self, data, fill):
        self.parts.append(f'<path d="{data}" class="f-{fill}"/>')

    def circle(self, x, y, radius, fill, hint="", line=""):
        drawn = f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" class="f-{fill}'
        drawn += f' s-{line}" stroke-width="2"' if line else '"'
        self.parts.append(drawn + (f"><title>{escape(hint)}</title></circle>" if hint else "/>"))

    def key(self, x, y, entries, gap=18):
        """A row of coloured squares with their words; gives the x behind the last."""
        for ink, words in entries:
            self.rect(x, y - 10, 12, 12, ink, radius=2)
            self.text(x + 18, y, words)
            x += 18 + 7 * len(words) + gap
        return x

    def svg(self):
        arrows = "".join(
            f'<marker id="to-{ink}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8"'
            f' markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" class="f-{ink}"/></marker>'
            for ink in INKS
            if any(f"url(#to-{ink})" in part for part in self.parts)
        )
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}"'
            f' width="{self.width}" height="{self.height}" role="img"'
            f' aria-labelledby="title desc">\n'
            f"<!-- Drawn by scripts/draw_pictures. SPDX-License-Identifier: Apache-2.0 -->\n"
            f'<title id="title">{escape(self.title)}</title>\n'
            f'<desc id="desc">{escape(self.description)}</desc>\n'
            f"<style>{style()}</style>\n"
        )
        defs = f"<defs>{arrows}</defs>\n" if arrows else ""
        return head + defs + "\n".join(self.parts) + "\n</svg>\n"


def thousands(value):
    return f"{value:,.0f}"


def ticks(most, wanted=5):
    """Round numbers from 0 to at most `most`."""
    step = 1
    while most / step > wanted:
        for factor in (2, 2.5, 2):
            if most / step > wanted:
                step *= factor
    return [i * step for i in range(int(most / step) + 1)]
