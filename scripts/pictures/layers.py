# SPDX-License-Identifier: Apache-2.0
"""The folders in layers, and what crosses each arrow, read from every #include of the tree."""

import collections
import os
import re

from .svg import Picture, number

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
NOT_ROOMS = {"build", "tests", "examples", "docs", "scripts", "cmake"}
FLOOR, BOX, HIGH = 92, 118, 40


def includes_of(root):
    """{folder: {other folder: Counter of headers}} for the folders that hold C++."""
    rooms = [
        name
        for name in sorted(os.listdir(root))
        if os.path.isfile(os.path.join(root, name, "CMakeLists.txt")) and name not in NOT_ROOMS
    ]
    crossing = {room: collections.defaultdict(collections.Counter) for room in rooms}
    for room in rooms:
        for path, _, files in os.walk(os.path.join(root, room)):
            for name in files:
                if not name.endswith((".h", ".cpp", ".def")):
                    continue
                with open(os.path.join(path, name), encoding="utf-8") as file:
                    for header in INCLUDE.findall(file.read()):
                        other = header.split("/")[0]
                        if other in crossing and other != room:
                            crossing[room][other][header] += 1
    return crossing


def floors_of(crossing):
    """{folder: floor}: one above the highest that it includes. A circle is an error."""
    floors = {}

    def floor(room, above=()):
        if room in above:
            raise SystemExit(f"the folders {' and '.join(above)} include each other")
        if room not in floors:
            below = [floor(other, (*above, room)) for other in crossing[room]]
            floors[room] = 1 + max(below, default=-1)
        return floors[room]

    for room in crossing:
        floor(room)
    return floors


def reach_of(crossing):
    reach = {}

    def of(room):
        if room not in reach:
            reach[room] = set(crossing[room]).union(*(of(other) for other in crossing[room]))
        return reach[room]

    for room in crossing:
        of(room)
    return reach


def drawn_arrows(crossing):
    """The arrows that no way over other folders replaces."""
    reach = reach_of(crossing)
    for room in sorted(crossing):
        for other in sorted(crossing[room]):
            if not any(other in reach[between] for between in crossing[room] if between != other):
                yield room, other


def places_of(floors, arrows, width):
    """{folder: (x, y)} of the boxes' middles: each floor ordered by what its folders stand on."""
    top = max(floors.values())
    places = {}
    for floor in range(top + 1):
        here = sorted(room for room in floors if floors[room] == floor)

        def wish(room):
            below = [places[b][0] for a, b in arrows if a == room and b in places]
            return (sum(below) / len(below) if below else width / 2, room)

        here.sort(key=wish)
        step = (width - 48) / len(here)
        for i, room in enumerate(here):
            places[room] = (24 + step * (i + 0.5), 118 + (top - floor) * FLOOR)
    return places


def way_between(places, room, other):
    """The points of an arrow: it passes between the boxes of the floors that lie between."""
    (x1, y1), (x2, y2) = places[room], places[other]
    shift = max(-40, min(40, (x2 - x1) / 6))
    points = [(x1 + shift, y1 + HIGH / 2)]
    for y in sorted({y for _, y in places.values() if y1 < y < y2}):
        x = x1 + (x2 - x1) * (y - y1) / (y2 - y1)
        for middle in sorted(bx for bx, by in places.values() if by == y):
            if abs(x - middle) < BOX / 2 + 14:
                side = 1 if x >= middle else -1
                x = middle + side * (BOX / 2 + 14)
        points.append((x, y))
    return [*points, (x2 - shift, y2 - HIGH / 2)]


def curves(points):
    """Bezier curves through the points: straight down at both ends, smooth between."""
    slopes = [(0, (points[1][1] - points[0][1]) * 1.2)]
    for (x1, y1), (x2, y2) in zip(points, points[2:]):
        slopes.append(((x2 - x1) / 2, (y2 - y1) / 2))
    slopes.append((0, (points[-1][1] - points[-2][1]) * 1.2))
    for (at, to), (s1, s2) in zip(zip(points, points[1:]), zip(slopes, slopes[1:])):
        yield (
            at,
            (at[0] + s1[0] / 3, at[1] + s1[1] / 3),
            (to[0] - s2[0] / 3, to[1] - s2[1] / 3),
            to,
        )


def smooth(points):
    data = f"M{number(points[0][0])} {number(points[0][1])}"
    for _, *rest in curves(points):
        data += "C" + " ".join(f"{number(x)} {number(y)}" for x, y in rest)
    return data


def places_on(points):
    """Where a name may stand: along the curve, the middle of its first part first."""
    for curve in curves(points):
        for t in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82):
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            x, y = (sum(w * p[i] for w, p in zip(weights, curve)) for i in (0, 1))
            yield x, y + 4


def free_place(points, header, taken):
    """Where the header's name covers neither a box nor another name."""
    half = 3.4 * len(header) + 4

    def covers(x, y):
        return sum(abs(x - tx) < half + tw and abs(y - 4 - ty) < 8 + th for tx, ty, tw, th in taken)

    x, y = min(places_on(points), key=lambda at: covers(*at))
    taken.append((x, y - 4, half, 8))
    return x, y


def draw(root):
    crossing = includes_of(root)
    floors = floors_of(crossing)
    arrows = list(drawn_arrows(crossing))
    width = 860
    places = places_of(floors, arrows, width)
    total = sum(len(others) for others in crossing.values())
    picture = Picture(
        width,
        118 + max(floors.values()) * FLOOR + 50,
        "The folders, and what crosses between them",
        f"{len(crossing)} folders on {max(floors.values()) + 1} floors; every folder includes only "
        f"folders below it. " + "; ".join(f"{a} includes {b}" for a, b in arrows) + ".",
        "A folder includes headers of folders below it alone. Beside a line: the header that most "
        f"files\nthere include. Of {total} arrows the {len(arrows)} are drawn that no way over "
        "others replaces.",
    )
    taken = [(x, y, BOX / 2 + 4, HIGH / 2 + 4) for x, y in places.values()]
    labels = []
    for room, other in arrows:
        points = way_between(places, room, other)
        picture.path(smooth(points), ink="muted", end=True)
        headers = crossing[room][other]
        most = min(headers, key=lambda header: (-headers[header], header)).split("/", 1)[1]
        labels.append((*free_place(points, most, taken), most))
    for x, y, header in labels:
        half = 3.4 * len(header) + 4
        picture.rect(x - half, y - 11, 2 * half, 15, "page", radius=3)
        picture.text(x, y, header, "muted", "middle", "mono small")
    for room, (x, y) in places.items():
        picture.rect(x - BOX / 2, y - HIGH / 2, BOX, HIGH, "panel", line="blue", radius=6)
        picture.text(x, y + 5, f"{room}/", "ink", "middle", "bold")
    return picture.svg()
