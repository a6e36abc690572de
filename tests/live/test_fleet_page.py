"""The page of a fleet in a real browser: it sorts by each head, filters, opens by keyboard, and lets nothing foreign run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cgtune.outputs.fleet.html import render_fleet_html
from tests.support.browser import ENTER, browser
from tests.support.fleetreports import HOSTILE_REPORT, TIMELINE, TRACKED, WHOLE, report_of

pytestmark = pytest.mark.slow  # a browser takes a second and more to start

_NAMES = "return Array.from(document.querySelectorAll('#fleet tbody .name')).map(each=>each.innerText.split('/').pop())"
_SHOWN = "return Array.from(document.querySelectorAll('#fleet tbody')).filter(each=>each.offsetHeight).length"


def test_it_sorts_filters_and_opens(tmp_path: Path) -> None:
    """Worst first by itself; a head sorts by its figures, and once more the other way, what is not known last; words filter."""
    file = tmp_path / "fleet.html"
    file.write_text(render_fleet_html(WHOLE))
    with browser() as page:
        page.open(file.as_uri())
        assert page.run("return document.title") == "cgtune fleet: 1 hurts now, 1 may hurt, of 3 Go containers"
        assert page.run(_NAMES) == ["orders", "cart", "edge"]
        click = "document.querySelectorAll('#fleet th button')[arguments[0]].click()"
        orders = {
            1: ["cart", "orders", "edge"],
            3: ["orders", "cart", "edge"],
            7: ["orders", "cart", "edge"],
            11: ["cart", "orders", "edge"],
        }
        for place, names in orders.items():
            page.run(click, place)
            assert (place, page.run(_NAMES)) == (place, names)
        page.run(click, 11)
        assert page.run(_NAMES) == ["orders", "cart", "edge"]
        heads = "return Array.from(document.querySelectorAll('#fleet th')).map(each=>each.getAttribute('aria-sort')).filter(Boolean)"
        assert page.run(heads) == ["ascending"]
        page.run("document.querySelectorAll('#fleet th button')[1].focus()")
        page.type(ENTER)
        assert page.run(_NAMES) == ["cart", "orders", "edge"]
        only = "var box=document.getElementById('only');box.value=arguments[0];box.dispatchEvent(new Event('input'))"
        page.run(only, "shop statefulset")
        assert page.run(_SHOWN) == 1
        assert page.run("return document.getElementById('shown').innerText") == "1 of 3"
        page.run(only, "")
        assert page.run(_SHOWN) == 3
        page.run("document.querySelectorAll('#fleet summary')[1].focus()")
        page.type(ENTER)
        assert "OOM kills: at least 3" in page.run("return document.querySelector('#fleet details[open]').innerText")
        assert page.run("return document.querySelector('#fleet details[open] svg').getBoundingClientRect().height") > 10
        assert page.run("return document.querySelectorAll('#fleet details[open] svg').length") == 3
        assert page.complaints() == []


_PLOTS = """
return Array.from(document.querySelectorAll('details[open] svg.plot')).map(each => {
  var line = each.querySelector('.line'), style = getComputedStyle(line), box = each.getBoundingClientRect();
  return [each.querySelector('title').textContent, each.querySelector('desc').textContent, style.stroke, style.fill, box.height > 40,
    line.getTotalLength() > 500, getComputedStyle(document.body).backgroundColor]
})"""


@pytest.mark.parametrize("dark", [False, True])
def test_use_over_time_is_drawn(tmp_path: Path, dark: bool) -> None:
    """Two lines in colours that stand out by day and by night, with a name and a description; the policy of the page lets them be."""
    file = tmp_path / "fleet.html"
    file.write_text(render_fleet_html(report_of(TRACKED, timeline=TIMELINE)))
    with browser(dark=dark) as page:
        page.open(file.as_uri())
        page.run("document.querySelector('#fleet details').open = true")
        (cpu, memory) = page.run(_PLOTS)
        assert cpu[0].startswith("CPUs used, the mean of each 2.9 h")
        assert cpu[1].startswith("at most 0.97, last ")
        assert memory[1].endswith("limit of now 512 MiB")
        for _, _, stroke, fill, is_high, is_long, back in (cpu, memory):
            assert (fill, is_high, is_long) == ("none", True, True)
            assert abs(_light(stroke) - _light(back)) > 80
        assert _light(cpu[-1]) < 60 if dark else _light(cpu[-1]) > 200
        assert page.complaints() == []


def _light(colour: str) -> float:
    """How light it is, 0 to 255, of "rgb(31, 111, 139)"."""
    red, green, blue = (int(each) for each in re.findall(r"\d+", colour)[:3])
    return 0.3 * red + 0.6 * green + 0.1 * blue


def test_hostile_labels_are_text(tmp_path: Path) -> None:
    """Markup in a label or in a server's words is shown, not run; so it is with the policy taken out of the file."""
    file = tmp_path / "fleet.html"
    file.write_text(render_fleet_html(HOSTILE_REPORT).replace("Content-Security-Policy", "x-none"))
    with browser() as page:
        page.open(file.as_uri())
        assert page.run("return document.querySelectorAll('img').length") == 0
        assert "<img src=x" in page.run("return document.querySelector('.name').innerText")
        assert page.complaints() == []
