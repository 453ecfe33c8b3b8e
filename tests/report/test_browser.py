"""The pages in a real browser, opened from a file without a network: drawn, usable, and harmless."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orbitsim.report.palette import COLORS
from orbitsim.report.sweep_data import read_sweep
from orbitsim.report.write import build_page, write_page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: none is in the path")
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
_PATIENCE_MS = 120_000  # machines that test much at once are slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(
    run_folder: Path, tasks_folder: Path, sweep_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    folders = {
        "run": [run_folder],
        "tasks": [tasks_folder],
        "comparison": [run_folder, tasks_folder],
        "sweep": [sweep_folder],
    }
    return {kind: write_page(build_page(given), folder / f"{kind}.html") for kind, given in folders.items()}


class Opened:
    """A page in the browser with everything that went wrong in it."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        self.context.set_default_timeout(_PATIENCE_MS)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))
        self.page.on(
            "request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else self.wrong.append(r.url)
        )
        self.page.goto(path.as_uri(), wait_until="domcontentloaded")
        self.page.wait_for_selector("html[data-drawn]")

    def plot(self, key: str) -> Any:
        return self.page.locator(f'[data-plot="{key}"]')

    def data(self, key: str) -> Any:
        return self.page.evaluate(f"""document.querySelector('[data-plot="{key}"]').data""")

    def layout(self, key: str) -> Any:
        return self.page.evaluate(
            """(key) => {
                const { xaxis, height, font } = document.querySelector(`[data-plot="${key}"]`)._fullLayout;
                return { xaxis: { range: xaxis.range, type: xaxis.type }, height, font };
            }""",
            key,
        )


class Pages(dict[str, Opened]):
    """Opens each page once: they are large."""

    def __init__(self, browser: Any, files: dict[str, Path]) -> None:
        super().__init__()
        self._browser, self._files = browser, files

    def __missing__(self, kind: str) -> Opened:
        name, _, theme = kind.partition("-")
        options = {"color_scheme": theme} if theme else {}
        self[kind] = Opened(self._browser, self._files[name], offline=True, **options)
        return self[kind]


@pytest.fixture(scope="module")
def pages(browser: Any, files: dict[str, Path]) -> Iterator[Pages]:
    found = Pages(browser, files)
    yield found
    for opened in found.values():
        opened.context.close()


@pytest.fixture
def opened(pages: Pages) -> Opened:
    return pages["run"]


@pytest.mark.parametrize("kind", ["run", "tasks", "comparison", "sweep"])
def test_every_figure_is_drawn_without_an_error_or_a_request(pages: Pages, kind: str) -> None:
    opened = pages[kind]
    assert opened.wrong == []
    assert opened.page.evaluate("window.harm") is None
    assert opened.page.locator("img").count() == 0
    plots = opened.page.locator("[data-plot]")
    assert plots.count() >= 2
    for index in range(plots.count()):
        key = plots.nth(index).get_attribute("data-plot")
        assert opened.plot(key).locator("svg.main-svg").count() >= 1, key
        assert opened.plot(key).locator(".failed").count() == 0, key
        drawn = opened.plot(key).locator(".trace, .hm image, .point, .heatmaplayer image").count()
        assert drawn > 0, key
        box = opened.plot(key).bounding_box()
        assert box["height"] == pytest.approx(opened.layout(key)["height"], abs=2), key
    wide = opened.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0


def test_no_button_sends_anything_anywhere(opened: Opened) -> None:
    titles = opened.page.evaluate(
        "[...new Set([...document.querySelectorAll('.modebar-btn')].map((b) => b.dataset.title))]"
    )
    assert set(titles) == {"Download plot", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"}


def test_names_of_scripts_are_shown_as_text(opened: Opened) -> None:
    assert "<script>" in opened.page.locator("h1").inner_text()
    assert opened.page.title().startswith("</script>")


def test_hovering_over_a_plot_says_what_is_there(opened: Opened) -> None:
    plot = opened.plot("delay-parts")
    plot.scroll_into_view_if_needed()
    box = plot.locator(".bars .point path").first.bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    label = plot.locator(".hoverlayer .hovertext")
    label.first.wait_for()
    assert "of the delay" in label.first.text_content()


def test_the_theme_restyles_page_and_plots(opened: Opened) -> None:
    def paper() -> str:
        return str(opened.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    before, ink = paper(), opened.layout("deliveries")["font"]["color"]
    assert ink == COLORS["ink"].light
    opened.page.locator("#theme").press("Enter")
    assert paper() != before
    assert opened.layout("deliveries")["font"]["color"] == COLORS["ink"].dark
    blue = next(trace for trace in opened.data("deliveries") if trace["name"] == "collaborative")["line"]["color"]
    assert blue == COLORS["blue"].dark
    opened.page.locator("#theme").press("Enter")
    assert paper() == before
    assert opened.layout("deliveries")["font"]["color"] == ink


def test_dark_is_followed_where_the_reader_asked_for_it(pages: Pages) -> None:
    opened = pages["tasks-dark"]
    assert opened.layout("deliveries")["font"]["color"] == COLORS["ink"].dark
    assert opened.page.locator("#theme").inner_text() == "Light theme"


def test_scheme_and_task_of_the_pipeline_can_be_chosen(opened: Opened) -> None:
    page = opened.page
    tasks = page.locator("#gantt-task")
    assert tasks.locator("option").count() == 12
    before = opened.data("gantt")
    page.locator("#gantt-scheme").select_option("ground-only")
    after = opened.data("gantt")
    assert before != after
    assert {trace["name"] for trace in after} == {"computing", "sending, crosslink", "sending, downlink"}
    first = tasks.input_value()
    tasks.select_option("0" if first != "0" else "1")
    caption = page.locator('[data-table="gantt"] caption')
    assert caption.text_content().startswith(f"ground-only, task {tasks.input_value()}")
    page.get_by_role("button", name="Whole task").click()
    span = opened.layout("gantt")["xaxis"]["range"]
    page.get_by_role("button", name="Downlink", exact=True).click()
    zoomed = opened.layout("gantt")["xaxis"]["range"]
    assert zoomed[1] - zoomed[0] < span[1] - span[0]
    assert page.get_by_role("button", name="Downlink", exact=True).get_attribute("aria-pressed") == "true"


def test_the_map_follows_its_slider_by_keyboard(opened: Opened) -> None:
    before = opened.data("map")[-1]["x"]
    slider = opened.page.locator("#map-time")
    slider.focus()
    slider.press("ArrowRight")
    assert opened.data("map")[-1]["x"] != before
    opened.page.get_by_role("button", name="Next contact").click()
    assert "in contact" in slider.get_attribute("aria-valuetext")
    names = [trace["name"] for trace in opened.data("map")]
    assert len(opened.data("map")[names.index("in contact with a station")]["x"]) + len(
        opened.data("map")[-1]["x"]
    ) >= 1  # fmt: skip


def test_choices_change_what_is_shown(opened: Opened) -> None:
    opened.page.locator("#cumulative-scale").select_option("log")
    assert opened.layout("cumulative")["xaxis"]["type"] == "log"
    opened.page.locator("#utilisation-kind").select_option("links")
    assert any("&gt;" in name for name in opened.data("utilisation")[0]["y"])


def test_data_behind_a_figure_open_by_keyboard(opened: Opened) -> None:
    summary = opened.page.locator("#delay-parts details summary")
    summary.press("Enter")
    assert opened.page.locator("#delay-parts details table").is_visible()
    summary.press("Enter")


def test_a_sweep_can_be_turned_around(pages: Pages, sweep_folder: Path) -> None:
    opened = pages["sweep"]
    page = opened.page
    page.locator("#sweep-lines-quantity").select_option("delivered_pct")
    page.locator("#sweep-lines-x").select_option("workload.resolution")
    assert opened.layout("sweep-lines")["xaxis"]["type"] == "category"
    page.locator("#sweep-lines-panels").select_option("-")
    held = page.locator("#sweep-lines .filters select")
    assert held.count() == 2
    held.last.select_option("1")
    names = {trace["name"] for trace in opened.data("sweep-lines") if trace["x"]}
    assert names == {"collaborative", "hybrid"}  # the third scheme is infeasible for the larger model
    winner = opened.data("sweep-winner")[0]
    assert winner["type"] == "heatmap"
    results = read_sweep(sweep_folder).results
    schemes = list(dict.fromkeys(results["scheme"]))
    small = results[results["workload.model"] == "vit-b"]
    for resolution, line in zip(["240p", "480p"], winner["z"], strict=True):
        for rate_bps, z in zip([1e6, 1e9], line, strict=True):
            at = (small["workload.resolution"] == resolution) & (small["links.downlink.rate_bps"] == rate_bps)
            delay_s = small[at].set_index("scheme")["delay_mean_s"].dropna()
            near = delay_s.index[delay_s <= 1.01 * delay_s.min()]
            assert z == (schemes.index(near[0]) if len(near) == 1 else len(schemes))
    assert opened.wrong == []


def test_a_narrow_screen_needs_no_sideways_scrolling(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 390, "height": 800})
    opened.page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")
    opened.page.set_viewport_size({"width": 1200, "height": 900})


def test_printing_is_light_and_fits_the_paper(pages: Pages, tmp_path: Path) -> None:
    opened = pages["tasks-dark"]
    opened.page.evaluate(
        """window.addEventListener('beforeprint', () => {
            const layout = document.querySelector('[data-plot="deliveries"]')._fullLayout;
            window.printed = [layout.font.color, layout.width];
        })"""
    )
    path = tmp_path / "report.pdf"
    opened.page.pdf(path=os.fspath(path), format="A4", print_background=True)
    assert path.read_bytes().startswith(b"%PDF")
    opened.page.wait_for_function("window.printed")
    ink, width = opened.page.evaluate("window.printed")
    assert ink == COLORS["ink"].light
    assert width <= 700
    opened.page.wait_for_function(
        f"""document.querySelector('[data-plot="deliveries"]')._fullLayout.font.color === '{COLORS["ink"].dark}'"""
    )
