"""What the figures show, against plain sums over the tables, and that Plotly knows every key of them."""

from __future__ import annotations

import base64
import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.report.blocks import Figure
from orbitsim.report.charts import gantt
from orbitsim.report.charts.axes import scale_choice, suffix
from orbitsim.report.charts.contacts import contact_share, merged
from orbitsim.report.charts.distributions import Series, cumulative, histogram
from orbitsim.report.charts.link_rates import link_rates
from orbitsim.report.charts.plans import plan_spans
from orbitsim.report.charts.provenance import works
from orbitsim.report.charts.utilisation import SlotCounter, busy_by_slot
from orbitsim.report.charts.world_map import land, world_map
from orbitsim.report.comparison_page import comparison_page
from orbitsim.report.data import RunData, read_run
from orbitsim.report.palette import COLORS
from orbitsim.report.run_page import run_page, series_of
from orbitsim.report.wording import rate
from orbitsim.report.write import build_page

windows = st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 30.0)), max_size=30)


def figures(run: RunData) -> dict[str, Figure]:
    return {item.key: item for section in run_page(run).sections for item in section.items if isinstance(item, Figure)}


def resolved(value: Any, key: str = "") -> Any:
    """Return a figure with colours in place of their names, as the page's script does."""
    if isinstance(value, str) and value.startswith("@") and key.lower().endswith(("color", "colorscale")):
        return "Blues" if value == "@heat" else COLORS[value[1:]].light
    if isinstance(value, dict):
        return {name: resolved(item, name) for name, item in value.items()}
    return [resolved(item, key) for item in value] if isinstance(value, list) else value


@given(windows, st.integers(1, 12), st.floats(1.0, 20.0))
def test_busy_time_by_slot_is_the_overlap_of_each_interval_with_each_slot(
    found: list[tuple[float, float]], n_slots: int, slot_s: float
) -> None:
    expected = np.zeros(n_slots)
    for start_s, length_s in found:
        for slot in range(n_slots):
            expected[slot] += max(0.0, min(start_s + length_s, (slot + 1) * slot_s) - max(start_s, slot * slot_s))
    start_s = np.array([start for start, _ in found])
    end_s = np.array([start + length for start, length in found])
    np.testing.assert_allclose(busy_by_slot(start_s, end_s, slot_s, n_slots), expected, atol=1e-9)


@given(windows, st.floats(0.0, 130.0))
def test_merged_windows_cover_the_same_moments_and_are_apart(found: list[tuple[float, float]], t_s: float) -> None:
    start_s = np.array([start for start, _ in found])
    end_s = np.array([start + length for start, length in found])
    first, last = merged(start_s, end_s)
    assert (first[1:] > last[:-1]).all()
    assert bool(((start_s <= t_s) & (t_s <= end_s)).any()) == bool(((first <= t_s) & (t_s <= last)).any())


@pytest.mark.parametrize("folder", ["run_folder", "tasks_folder"])
def test_plotly_knows_every_key_and_every_axis_has_its_unit(folder: str, request: pytest.FixtureRequest) -> None:
    run = read_run(request.getfixturevalue(folder))
    seen = 0
    for figure in figures(run).values():
        for view in figure.views.values():
            go.Figure(data=resolved(view["data"]), layout=resolved(view["layout"]))  # raises on an unknown key
            for name, axis in view["layout"].items():
                if name.startswith(("xaxis", "yaxis")) and axis.get("type") != "category":
                    title = axis["title"]["text"]
                    assert title.endswith("]") or title in ("tasks", "layers", "ratio kept"), (figure.key, title)
                    seen += 1
    assert seen > 20


def test_the_page_shows_every_figure_that_was_asked_for(run: RunData) -> None:
    assert list(figures(run)) == [
        "deliveries", "delay-by-start", "map", "contacts", "delay-parts", "cumulative", "histogram", "gantt",
        "utilisation", "plans",
    ]  # fmt: skip
    for figure in figures(run).values():
        assert figure.alt.endswith(".")
        assert figure.caption.endswith(".")
        assert figure.table is not None or figure.kind == "gantt"


def test_a_scheme_keeps_its_colour_from_figure_to_figure(run: RunData) -> None:
    for key in ("deliveries", "delay-by-start", "cumulative"):
        view = next(iter(figures(run)[key].views.values()))
        colors = {trace["name"]: trace["line"]["color"] for trace in view["data"]}
        assert colors["hybrid"] == "@vermilion"
        assert colors["collaborative"] == "@blue"


def test_parts_of_the_delay_add_up_to_its_mean(run: RunData) -> None:
    view = figures(run)["delay-parts"].views[""]
    for index, scheme in enumerate(run.schemes):
        whole = sum(trace["x"][index] for trace in view["data"] if trace["xaxis"] == "x")
        part = sum(trace["x"][index] for trace in view["data"] if trace["xaxis"] == "x2")
        assert whole == pytest.approx(run.summary["schemes"][scheme]["delay_s"]["mean"], rel=1e-4)
        assert part == pytest.approx(run.summary["schemes"][scheme]["service_s"]["mean"], rel=1e-4)


def test_cumulative_lines_end_at_the_share_delivered() -> None:
    tasks = pd.DataFrame(
        {"status": ["delivered"] * 3 + ["unfinished"], "delay_s": [3.0, 1.0, 2.0, np.nan], "service_s": 1.0,
         "contact_wait_s": 0.0}
    )  # fmt: skip
    line = cumulative([Series("a", tasks, "blue", "solid")]).views["delay_s|linear"]["data"][0]
    assert line["x"] == [1.0, 1.0, 2.0, 3.0, 3.09]
    assert line["y"] == [0.0, 25.0, 50.0, 75.0, 75.0]


@given(st.lists(st.floats(0.0, 1e6), max_size=40))
def test_histograms_hold_every_delivered_task(delays_s: list[float]) -> None:
    tasks = pd.DataFrame(
        {"status": "delivered", "delay_s": delays_s, "service_s": delays_s, "contact_wait_s": delays_s}
    )
    views = histogram([Series("a", tasks, "blue", "solid")]).views
    assert sum(views["delay_s|linear"]["data"][0]["y"]) == len(delays_s)
    assert sum(views["delay_s|log"]["data"][0]["y"]) == sum(delay > 1e-9 for delay in delays_s)


def test_share_of_contact_is_that_of_the_windows(run: RunData) -> None:
    contacts = run.tables["contacts"]
    rows = contacts[contacts["kind"] == "station"]
    t_s = np.arange(0.5, run.span_s, 1.0)
    inside = np.zeros(len(t_s), dtype=bool)
    for row in rows.itertuples():
        inside |= (row.start_s <= t_s) & (t_s <= row.end_s)
    part, first_s, n_passes = contact_share(run)["ground"]
    assert part == pytest.approx(inside.mean(), abs=len(rows) / len(t_s))
    assert first_s == rows["start_s"].min()
    assert n_passes == len(rows)


def unpacked(blob: dict[str, Any]) -> tuple[Any, Any, Any]:
    begin = np.frombuffer(base64.b64decode(blob["begin"]), "<f8")
    length = np.frombuffer(base64.b64decode(blob["length"]), "<f4")
    batch = blob["batch"]
    numbers = (
        np.arange(batch, batch + blob["n"]) if isinstance(batch, int) else np.frombuffer(base64.b64decode(batch), "<i4")
    )
    return begin, length, numbers


def gantt_of(run: RunData) -> dict[str, Any]:
    data, counter = gantt.GanttData(run), SlotCounter(run.span_s, run.scenario.clock.slot_s)
    gantt.bars_of(run, (data, counter))
    return dict(data.figure().extra)


def test_the_pipeline_shows_the_rows_of_the_table(run: RunData, run_folder: Path) -> None:
    extra = gantt_of(run)
    batches = pd.read_parquet(run_folder / "batches.parquet")
    for scheme in run.schemes:
        for item in extra["schemes"][scheme]:
            rows = batches[(batches["scheme"] == scheme) & (batches["task"] == item["task"])]
            start_s = float(run.of_scheme("tasks", scheme).set_index("task").at[item["task"], "start_s"])
            shown = 0
            for place, service, index in item["lines"]:
                begin, length, numbers = unpacked(extra["blobs"][index])
                own = rows[(rows["place"] == place) & (rows["service"] == service)].sort_values("start_s")
                np.testing.assert_allclose(begin, own["start_s"] - start_s, atol=2e-6)
                np.testing.assert_allclose(length, own["end_s"] - own["start_s"], rtol=1e-6, atol=2e-6)
                assert numbers.tolist() == own["batch"].tolist()
                shown += len(begin)
            assert shown == len(rows)
    assert {item["task"] for item in extra["schemes"]["hybrid"]} == set(run.of_scheme("tasks", "hybrid")["task"])


def test_thinning_keeps_the_telling_tasks_and_the_time_in_service(
    run: RunData, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gantt_of(run)
    monkeypatch.setattr(gantt, "MOST_BARS", 8)
    monkeypatch.setattr(gantt, "MOST_BARS_OF_TASK", 3)
    extra = gantt_of(run)
    for scheme in run.schemes:
        kept = {item["task"] for item in extra["schemes"][scheme]}
        assert kept < {item["task"] for item in whole["schemes"][scheme]}
        assert extra["first"][scheme] in kept
    assert len(extra["blobs"]) < len(whole["blobs"])


def test_joined_bars_cover_what_they_join() -> None:
    begin, length = np.array([0.0, 1.0, 5.0, 5.5]), np.array([1.0, 1.0, 0.2, 1.0])
    first, span, number = gantt._joined((begin, length, np.arange(4, dtype=np.int32)), 0.5)
    assert first.tolist() == [0.0, 5.0]
    assert span.tolist() == [2.0, 1.5]
    assert number.tolist() == [-2, -2]


def test_plans_over_time_follow_the_answers(run: RunData) -> None:
    for scheme in run.schemes:
        rows = run.of_scheme("plans", scheme)
        spans = plan_spans(rows, run.span_s)
        assert spans[0].start_s == rows["t_s"].min()
        assert spans[-1].end_s == run.span_s
        assert all(a.end_s == b.start_s for a, b in itertools.pairwise(spans))
        assert sum(span.n_answers for span in spans) == (rows["position"] == 0).sum()
        for span in spans:
            assert sum(stage.stop - stage.start for stage in span.stages) == run.summary["workload"]["n_layers"]


def test_an_unchanged_answer_stands_for_the_last_plan_of_its_route() -> None:
    columns = [
        "t_s",
        "changed",
        "route",
        "plan_of",
        "node",
        "position",
        "layer_start",
        "layer_stop",
        "ratio",
        "expected_s",
    ]
    rows = [
        (0.0, True, "a>g", "x", "a", 0, 0, 4, math.nan, 1.0),
        (0.0, True, "a>g", "x", "g", 1, 4, 4, math.nan, 1.0),
        (10.0, True, "b>g", "x", "b", 0, 0, 2, 0.5, 1.0),
        (10.0, True, "b>g", "x", "g", 1, 2, 4, math.nan, 1.0),
        (20.0, False, "a>g", "x", "a", 0, 0, 4, math.nan, 1.0),
    ]
    spans = plan_spans(pd.DataFrame(rows, columns=columns), 30.0)
    assert [(span.start_s, span.end_s, span.stages[0].node) for span in spans] == [
        (0, 10, "a"),
        (10, 20, "b"),
        (20, 30, "a"),
    ]
    assert spans[1].stages[0].ratio == 0.5


def test_land_needs_no_network_and_lies_on_the_map() -> None:
    trace = land()
    x = [value for value in trace["x"] if value is not None]
    y = [value for value in trace["y"] if value is not None]
    assert len(x) > 2000
    assert (min(x), max(x)) == (-180, 180)
    assert min(y) == -90
    assert 83 < max(y) < 84  # Greenland, Cape Morris Jesup, 83.6 N


def test_the_map_puts_satellites_where_the_contacts_say(run: RunData) -> None:
    figure = world_map(run)
    assert isinstance(figure, Figure)
    peaks = next(trace for trace in figure.views[""]["data"] if trace["name"] == "highest points of contacts")
    station = run.scenario.stations[0]
    rows = run.tables["contacts"]
    rows = rows[rows["kind"] == "station"]
    for x, y, elevation_deg in zip(peaks["x"], peaks["y"], rows["max_elevation_deg"], strict=True):
        a, b = np.radians([y, station.latitude_deg])
        angle = np.arccos(np.sin(a) * np.sin(b) + np.cos(a) * np.cos(b) * np.cos(np.radians(x - station.longitude_deg)))
        # A satellite at 500 km and elevation e lies acos(R cos e / (R + h)) - e away, on a sphere.
        e = np.radians(elevation_deg)
        assert np.degrees(angle) == pytest.approx(np.degrees(np.arccos(6371 / 6871 * np.cos(e)) - e), abs=0.4)
    frames = figure.extra["contacts"]
    t_s = np.linspace(0.0, run.span_s, len(frames))
    for frame, seen in zip(t_s, frames, strict=True):
        expected = rows[(rows["start_s"] <= frame) & (frame <= rows["end_s"])]["satellite"].astype(str)
        assert [figure.extra["names"][index] for index in seen] == sorted(expected)


def test_runs_of_tasks_say_what_they_do_not_show(tasks_folder: Path) -> None:
    text = build_page([tasks_folder]).html()
    assert "nothing to draw the pipeline from" in text
    assert "so there is no utilisation by slot" in text
    assert "fixed at" in text


def test_a_run_of_which_no_scheme_could_run_has_a_page(tmp_path: Path) -> None:
    from report import made

    folder = made.run(
        tmp_path / "none", 'run.schemes=["single-satellite"]', 'workload.model="vit-g"', "clock.duration_s=1200",
        "workload.model_memory_bytes=12e9", "shells.0.memory_bytes=8e9",
    )  # fmt: skip
    run = read_run(folder)
    assert run.schemes == []
    assert next(iter(figures(run))) == "map"
    assert "cannot run" in build_page([folder]).html()


def test_series_of_a_run_are_its_schemes(run: RunData) -> None:
    assert [one.label for one in series_of(run)] == run.schemes


def test_a_rate_that_is_fixed_is_a_sentence_and_one_that_varies_a_plot(run: RunData) -> None:
    (words,) = link_rates(run)
    assert isinstance(words, str)
    fixed_bps = run.scenario.links.downlink.rate_bps
    assert f"Downlinks: fixed at {rate(fixed_bps)}." in words
    links = run.tables["links"].copy()
    down = (links["kind"] == "downlink") & links["open"]
    links.loc[down, "rate_bps"] = 1e9 / (1.0 + links.loc[down, "range_m"] / 1e6)
    varied = replace(run, tables={**run.tables, "links": links})
    over_time, over_geometry = link_rates(varied)
    assert isinstance(over_time, Figure)
    assert isinstance(over_geometry, Figure)
    assert list(over_time.views) == ["downlink"]
    assert list(over_geometry.views) == ["elevation", "distance"]
    links.loc[:, "elevation_deg"] = np.nan
    links.loc[:, "range_m"] = np.nan
    assert "so there is no elevation" in str(link_rates(varied)[1])


def test_a_comparison_has_a_panel_for_each_scheme_and_scales_of_its_own_for_each_run(
    run: RunData, tasks_folder: Path
) -> None:
    page = comparison_page([run, read_run(tasks_folder)])
    found = {item.key: item for section in page.sections for item in section.items if isinstance(item, Figure)}
    for figure in found.values():
        for view in figure.views.values():
            go.Figure(data=resolved(view["data"]), layout=resolved(view["layout"]))
    lines = found["cumulative"].views["delay_s|log"]
    assert [note["text"] for note in lines["layout"]["annotations"]] == run.schemes
    assert sum(trace["showlegend"] for trace in lines["data"]) == 2
    assert {trace["yaxis"] for trace in lines["data"]} == {f"y{suffix(i)}" for i in range(len(run.schemes))}
    parts = found["delay-parts"].views[""]
    assert len([key for key in parts["layout"] if key.startswith("xaxis")]) == 4
    assert found["means"].views["delay_s|linear"]["data"][0]["type"] == "bar"
    assert found["means"].views["delay_s|log"]["data"][0]["type"] == "scatter"


def test_runs_of_very_different_size_are_shown_on_a_logarithmic_scale_first() -> None:
    assert scale_choice([70.0, 21000.0]).options[0][0] == "log"
    assert scale_choice([70.0, 210.0, 0.0]).options[0][0] == "linear"
    assert scale_choice([]).options[0][0] == "linear"


def test_a_work_is_cited_once_with_the_parts_of_it_that_are_used() -> None:
    cite = {
        "A. One et al., tables of times, file x.csv at commit 1": "https://a.example",
        "B. Two, A paper of some length (2026), Table I": "10.1/b",
        "A. One et al., tables of times, file x.csv at commit 1: FP16, 224 px": "https://a.example",
        "B. Two, A paper of some length (2026), Table II": "10.1/b",
        "A leaflet of a maker of boards": "",
        "A leaflet of a maker of boards: second edition": "",
        "A quite different work by others": "https://a.example",
    }
    assert works(cite) == [
        ("A. One et al., tables of times, file x.csv at commit 1", ["FP16, 224 px"], "https://a.example"),
        ("B. Two, A paper of some length (2026)", ["Table I", "Table II"], "10.1/b"),
        ("A leaflet of a maker of boards", [], ""),
        ("A leaflet of a maker of boards: second edition", [], ""),
        ("A quite different work by others", [], "https://a.example"),
    ]
