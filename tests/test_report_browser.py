"""The page of the report in a real browser: what moves, what sounds, and that nothing is fetched."""

import re
from pathlib import Path

import browser
import pytest
import report_data

from triptych.tools import cli

CHROMIUM = browser.find()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
MINUS = "\u2212"
NAMES = ("films", "pictures", "sounds")  # in the order of the sections


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """The page of three datasets, as an address."""
    folder = tmp_path_factory.mktemp("report")
    for kind in ("image", "audio", "video"):
        report_data.write(folder / "results", kind, media=True)
    assert cli.main(["report", str(folder / "results"), "--out", str(folder / "page.html")]) == 0
    return (folder / "page.html").as_uri()


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """The browser, for all tests of this file."""
    running = browser.Browser(CHROMIUM, tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


@pytest.fixture
def page(window, address):
    """The page, loaded anew; at the end it must have asked for nothing and complained about nothing."""
    window.open(address)
    yield window
    window.run("1")  # what is under way has been told by now
    assert window.complaints() == []
    assert [url for url in window.requests() if not url.startswith("data:")] == [address]


def part(name: str, inner: str) -> str:
    """The selector of something in the section of a dataset."""
    return f"#d{NAMES.index(name)} {inner}"


def show(page, name: str) -> None:
    """Open the tab of a dataset."""
    page.click(f".tabs a:nth-child({NAMES.index(name) + 1})")
    page.wait(f"document.querySelector('#d{NAMES.index(name)}').offsetHeight > 0")


def choose(page, selector: str, value: str) -> None:
    """Choose an option as a user would."""
    page.run(
        f"(() => {{ const box = document.querySelector({selector!r}); box.value = {value!r};"
        "box.dispatchEvent(new Event('change')); })()"
    )


def text(page, selector: str) -> str:
    return page.run(f"document.querySelector({selector!r}).textContent")


def test_tabs_show_one_dataset_at_a_time(page):
    heights = "[...document.querySelectorAll('section.dataset')].map((section) => section.offsetHeight > 0)"
    assert page.run(heights) == [True, False, False]
    show(page, "sounds")
    assert page.run(heights) == [False, False, True]
    page.key("ArrowLeft")
    assert page.run(heights) == [False, True, False]


def test_the_metric_the_axis_and_the_legend_redraw_the_curves(page):
    show(page, "pictures")
    chart = part("pictures", "[data-part=curves] svg.chart")
    drawn = f"[...document.querySelectorAll({chart + ' .curve'!r})].map((path) => path.getAttribute('d'))"
    page.wait(f"{drawn}.length === 3")
    before = page.run(drawn)
    choose(page, part("pictures", "[data-part=toolbar] select"), "lpips")
    changed = page.run(drawn)
    assert len(changed) == 3 and all(a != b for a, b in zip(before, changed, strict=True))
    assert "LPIPS" in text(page, chart)
    page.click(part("pictures", "[data-value=logarithmic]"))
    assert page.run(drawn) != changed
    cells = f"document.querySelectorAll({part('pictures', '.matrix tbody tr')!r}).length"
    rows = page.run(cells)
    page.click(part("pictures", ".legend button"))
    assert len(page.run(drawn)) == 2 and rows - page.run(cells) in (0, 1)
    assert page.run(f"document.querySelector({part('pictures', '.legend button')!r}).ariaPressed") == "false"


def test_the_pointer_and_the_keyboard_tell_points(page):
    show(page, "pictures")
    tip = part("pictures", "[data-part=curves] .tip")
    assert page.run(f"document.querySelector({tip!r}).hidden")
    x, y = page.middle(part("pictures", "[data-part=curves] .marker"))
    page.mouse("mouseMoved", x + 3, y + 3)
    told = text(page, tip)
    assert re.search(r"Own.*quality 10.*bits per pixel.*PSNR RGB 25\.5 dB", told)
    page.run(f"document.querySelector({part('pictures', '[data-part=curves] svg.chart')!r}).focus()")
    page.key("ArrowRight")
    assert "quality 30" in text(page, tip)
    page.key("ArrowDown")
    assert "Classic" in text(page, tip)


def test_the_matrix_has_the_deltas(page):
    show(page, "pictures")
    if page.run("JSON.parse(document.getElementById('results').textContent).datasets[1].deltas === null"):
        assert "SciPy" in text(page, part("pictures", "[data-part=deltas]"))
        return
    cells = "[...document.querySelectorAll('#d1 .matrix td')].map((cell) => cell.textContent)"
    assert page.run(cells)[:4] == ["", f"{MINUS}50.0100 %", f"{MINUS}66.7100 %", "+100.0100 %"]
    page.click(part("pictures", "[data-value=quality]"))
    assert page.run(cells)[1] == "+3.0067 %"
    page.click(part("pictures", "[data-value=akima]"))
    assert page.run(cells)[1] == "+3.0067 %"


def test_the_line_between_two_pictures_moves(page):
    show(page, "pictures")
    handle = part("pictures", ".handle")
    now = f"Number(document.querySelector({handle!r}).getAttribute('aria-valuenow'))"
    clip = f"getComputedStyle(document.querySelector({part('pictures', '.pane.right')!r})).clipPath"
    x, y = page.middle(handle)
    width = page.run(f"document.querySelector({part('pictures', '.stage')!r}).clientWidth")
    assert page.run(now) == 50
    page.drag((x, y), (x + width / 4, y))
    assert page.run(now) == pytest.approx(75, abs=1) and "75" in page.run(clip)
    page.run(f"document.querySelector({handle!r}).focus()")
    page.key("ArrowLeft")
    assert page.run(now) == pytest.approx(73, abs=1)
    page.key("Home")
    assert page.run(now) == 0
    page.key("End")
    assert page.run(now) == 100


def test_zoom_by_button_wheel_and_keyboard_and_moving(page):
    show(page, "pictures")
    stage = part("pictures", ".stage")
    state = f"document.querySelector({stage + ' img'!r}).style.transform"

    def scale() -> float:
        return float(re.search(r"scale\(([\d.]+)\)", page.run(state))[1])

    page.wait(f"document.querySelector({stage + ' img'!r}).complete")
    fitted = scale()
    page.click(part("pictures", "[aria-label='Zoom in']"))
    assert scale() == pytest.approx(1.5 * fitted, rel=1e-3)
    larger = page.run(state)
    x, y = page.middle(stage)
    page.mouse("mouseWheel", x + 30, y + 30, deltaX=0, deltaY=-200)
    page.wait(f"{state} !== {larger!r}")
    zoomed = scale()
    assert zoomed > 1.6 * fitted
    assert page.run(f"getComputedStyle(document.querySelector({stage + ' img'!r})).imageRendering") == "pixelated"
    before = page.run(state)
    page.drag((x - 200, y), (x - 120, y + 40))
    assert page.run(state) != before and scale() == zoomed
    both = page.run(f"[...document.querySelectorAll({stage + ' img'!r})].map((image) => image.style.transform)")
    assert both[0] == both[1]
    page.run(f"document.querySelector({stage!r}).focus()")
    page.key("-")
    assert scale() == pytest.approx(zoomed / 1.5, rel=1e-3)
    page.key("0")
    assert scale() == pytest.approx(fitted, rel=1e-3)


def test_any_two_copies_are_compared_with_their_figures(page):
    show(page, "pictures")
    selects = part("pictures", "[aria-label='Left: codec']"), part("pictures", "[aria-label='Right: codec']")
    choose(page, selects[0], "1")
    choose(page, selects[1], "2")
    choose(page, part("pictures", "[aria-label='Left: quality']"), "70")
    tags = "[...document.querySelectorAll('#d1 .tag')].map((tag) => tag.textContent)"
    left, right = page.run(tags)
    assert left.startswith("Classic, quality 70 · 2,000 bytes · 2 bpp · PSNR RGB 34 dB") and right.startswith("Third")
    page.click(part("pictures", "[aria-label=Right] button"))
    assert page.run(tags)[1].startswith("Third, quality 50 · 1,500 bytes")  # nearest in size
    sources = page.run("[...document.querySelectorAll('#d1 .stage img')].map((image) => image.naturalWidth)")
    assert sources == [report_data.WIDTH] * 2


def test_frames_step(page):
    show(page, "films")
    image = part("films", ".stage img")
    told = part("films", ".stepper output")
    source = f"document.querySelector({image!r}).src"
    page.wait(f"document.querySelector({image!r}).naturalWidth > 0")
    first = page.run(source)
    assert text(page, told) == "frame 1 of 20"
    page.click(part("films", "[aria-label='Next frame']"))
    assert text(page, told) == "frame 3 of 20" and page.run(source) != first
    page.click(part("films", "[aria-label='Previous frame']"))
    assert text(page, told) == "frame 1 of 20" and page.run(source) == first
    page.run(f"document.querySelector({part('films', '.stepper input')!r}).focus()")
    page.key("End")
    assert text(page, told) == "frame 20 of 20"
    page.wait(f"document.querySelector({image!r}).complete && document.querySelector({image!r}).naturalWidth === 48")


def test_sounds_load_play_and_take_over(page):
    show(page, "sounds")
    audio = "document.querySelectorAll('#d2 audio')"
    page.wait(f"[...{audio}].every((one) => one.readyState >= 2)")
    assert page.run(f"[...{audio}].map((one) => one.duration)") == pytest.approx([report_data.SECONDS] * 2, abs=0.01)
    assert page.run(
        "[...document.querySelectorAll('#d2 .spectrogram img')].every((image) => image.naturalHeight === 257)"
    )
    page.click(part("sounds", ".spectrogram"))
    page.wait(f"Math.abs({audio}[0].currentTime - 2) < 0.1")
    page.run(f"{audio}[0].play()")
    page.wait(f"!{audio}[0].paused")
    page.run(f"{audio}[1].play()")
    page.wait(f"{audio}[0].paused")
    assert page.run(f"{audio}[1].currentTime") > 1.8


def test_the_table_of_files_sorts_and_filters(page):
    show(page, "pictures")
    column = "[...document.querySelectorAll('#d1 .files tbody tr')].map((row) => row.cells[3].textContent)"
    head = part("pictures", ".files th:nth-child(4) button")
    page.click(head)
    sizes = [int(size.replace(",", "")) for size in page.run(column)]
    assert sizes == sorted(sizes) and len(sizes) == 24
    page.click(head)
    assert [int(size.replace(",", "")) for size in page.run(column)] == sizes[::-1]
    choose(page, part("pictures", "[data-part=files] select"), "1")
    assert page.run(
        "[...document.querySelectorAll('#d1 .files tbody tr')].every((row) => row.cells[1].textContent === 'Classic')"
    )
    assert len(page.run(column)) == 8


def test_speed_is_drawn_and_follows_the_anchor(page):
    show(page, "pictures")
    names = "[...document.querySelectorAll('#d1 [data-part=speed] .line')].length"
    assert page.run(names) == 6  # three codecs, twice
    if page.run("document.querySelector('#d1 [data-value=value]') !== null"):
        page.click(part("pictures", "[data-value=value]"))
        assert page.run(names) == 6 and "PSNR RGB" in text(page, part("pictures", "[data-part=speed] svg"))


def test_curves_show_without_scripts(window, address):
    window.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        window.open(address)
        widths = (
            "[...document.querySelectorAll('section svg .curve[clip-path]')].map((line) => line.getBBox().width > 200)"
        )
        assert window.run(widths) == [True] * 9
        assert window.run("document.querySelector('[data-part=deltas]').offsetHeight") == 0
    finally:
        window.call("Emulation.setScriptExecutionDisabled", value=False)


def test_what_the_page_would_fetch_would_be_seen(window, tmp_path):
    other = Path(tmp_path, "other.html")
    other.write_text('<img src="missing.png">')
    window.open(other.as_uri())
    assert (tmp_path / "missing.png").as_uri() in window.requests()
