"""The benchmark's chart as SVG: ours, the baseline and the limit of each figure, in times the baseline."""

from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from scripts.benchmark.figures import Figure

#: The three series and their colours, which stay apart for the colour-blind and in grey.
SERIES: Final = {"ours": "#0072b2", "baseline": "#999999", "limit": "#d55e00"}
_BAR: Final = 11
_ROW: Final = 3 * _BAR + 16
_LABELS: Final = 250  # width of the column with the figures' names
_PLOT: Final = 520
_VALUES: Final = 90  # room behind the longest bar for its value
_TOP: Final = 64


def svg(figures: Sequence[Figure], title: str) -> str:
    """Return the chart of figures that have a baseline, as the text of an SVG file."""
    compared = [figure for figure in figures if figure.baseline]
    width, height = _LABELS + _PLOT + _VALUES, _TOP + _ROW * len(compared) + 16
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "role": "img",
            "font-family": "system-ui, sans-serif",
            "font-size": "12",
        },
    )
    ET.SubElement(root, "title").text = title
    ET.SubElement(root, "rect", {"class": "background", "width": "100%", "height": "100%", "fill": "#ffffff"})
    _text(root, 12, 22, title, **{"font-size": "15", "font-weight": "bold"})
    for number, (series, colour) in enumerate(SERIES.items()):
        x = _LABELS + 110 * number
        ET.SubElement(
            root,
            "rect",
            {"class": "legend", "x": str(x), "y": "36", "width": "12", "height": "12", "fill": colour},
        )
        _text(root, x + 18, 46, series)
    longest = max((value / figure.unit_of_chart for figure in compared for value in figure.series), default=1)
    for number, figure in enumerate(compared):
        _row(root, figure, _TOP + _ROW * number, _PLOT / longest)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _row(root: ET.Element, figure: Figure, y: float, scale: float) -> None:
    _text(root, _LABELS - 10, y + 1.5 * _BAR + 4, figure.name, **{"text-anchor": "end"})
    for number, (series, value) in enumerate(zip(SERIES, figure.series, strict=True)):
        length = value / figure.unit_of_chart * scale
        top = y + number * _BAR
        bar = ET.SubElement(
            root,
            "rect",
            {
                "class": series,
                "x": str(_LABELS),
                "y": f"{top:.1f}",
                "width": f"{length:.1f}",
                "height": str(_BAR - 1),
                "fill": SERIES[series],
            },
        )
        ET.SubElement(bar, "title").text = f"{figure.name}: {series} {figure.text(value)}"
        _text(root, _LABELS + length + 5, top + _BAR - 2, figure.text(value), **{"font-size": "10"})


def _text(root: ET.Element, x: float, y: float, text: str, **attributes: str) -> None:
    ET.SubElement(root, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", **attributes}).text = text
