"""Static figures: drawn of every kind of run, units on every axis, equal bytes, and nothing half written."""

import shutil
import sys
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from orbitsim.cli.app import run_app
from orbitsim.errors import InputError
from orbitsim.loading import change_scenario, load_scenario
from orbitsim.pipeline.run import run_scenario, save_run
from orbitsim.report.data import read_run
from orbitsim.report.figures.style import FORMATS, time_unit
from orbitsim.report.figures.write import NAMES, draw_figures, write_figures


def _made(scenario, folder):
    return save_run(run_scenario(scenario), folder, command=["test"])


@pytest.fixture(scope="module")
def quick():
    return load_scenario("quick", settings=["clock.duration_s=3600"])


@pytest.fixture(scope="module")
def folder(quick, tmp_path_factory):
    return _made(quick, tmp_path_factory.mktemp("runs") / "quick")


@pytest.fixture(scope="module")
def drawn(folder):
    return dict(draw_figures(read_run(folder)))


def _axes(figure):
    """Return the axes that carry data; those of colour bars say their unit beside the bar."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def test_every_figure_is_drawn(drawn, folder):
    schemes = read_run(folder).schemes
    assert set(drawn) == {name for name in NAMES if name != "gantt"} | {f"gantt-{scheme}" for scheme in schemes}


def test_every_axis_says_what_it_shows_in_which_unit(drawn):
    for name, figure in drawn.items():
        for axes in _axes(figure):
            labels = [axes.get_xlabel()] if axes.get_xlabel() else []
            bottom = axes.get_subplotspec().is_last_row()
            assert labels or not bottom, f"{name}: a horizontal axis without a label"
            for label in labels:
                assert label.removesuffix(", without waiting for a contact").endswith("]"), f"{name}: {label}"
            # a vertical axis has a label, or its marks are names
            names = [text.get_text() for text in axes.get_yticklabels()]
            named = axes.get_ylabel() or any(any(c.isalpha() for c in text) for text in names)
            assert named or not axes.get_subplotspec().is_first_col(), name


def test_nothing_sticks_out_of_a_figure(drawn):
    for name, figure in drawn.items():
        FigureCanvasAgg(figure).draw()  # lays it out
        box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert box.x0 >= -0.05, name
        assert box.y0 >= -0.05, name
        assert box.x1 <= width + 0.05, name
        assert box.y1 <= height + 0.05, name


def test_bars_of_delay_parts_add_up_to_the_delay(drawn, folder):
    tasks = read_run(folder).tables["tasks"]
    means_s = tasks.groupby("scheme", observed=True, sort=False)["delay_s"].mean().to_numpy()
    axes = drawn["delay-parts"].axes[0]
    widths = np.sum([[bar.get_width() for bar in group] for group in axes.containers], axis=0)
    unit_s = {"h": 3600.0, "min": 60.0, "s": 1.0}[axes.get_xlabel().split("[")[1].split("]")[0]]
    np.testing.assert_allclose(widths * unit_s, means_s, rtol=1e-9)


def test_the_distribution_ends_at_the_share_that_is_delivered(quick, tmp_path):
    late = change_scenario(quick, {"clock.duration_s": 1800.0, "run.schemes": ["hybrid"]})
    run = read_run(_made(late, tmp_path / "run"))
    delivered = run.summary["schemes"]["hybrid"]["delivered"]
    figure = dict(draw_figures(run, ["delay-distribution"]))["delay-distribution"]
    (line,) = (line for line in figure.axes[0].lines if len(line.get_ydata()) > 2)
    assert line.get_ydata()[-1] == pytest.approx(100.0 * delivered / len(run.tables["tasks"]))


def test_bars_of_the_gantt_are_the_mini_batches(drawn, folder):
    rows = next(part[part["scheme"] == "hybrid"] for part in read_run(folder).batches())
    title = drawn["gantt-hybrid"].get_suptitle()
    task = int(title.split("task ")[1].split(",")[0])
    n_bars = sum(len(group) for axes in drawn["gantt-hybrid"].axes for group in axes.containers)
    assert n_bars == len(rows[rows["task"] == task])
    assert (
        task == 3 or "task 3" in dict(draw_figures(read_run(folder), ["gantt"], task=3))["gantt-hybrid"].get_suptitle()
    )


def test_utilisation_adds_up_to_the_busy_time(drawn, folder):
    run = read_run(folder)
    resources = run.of_scheme("resources", "ground-only").set_index("place")
    panel = next(axes for axes in _axes(drawn["utilisation"]) if axes.get_title(loc="left").startswith("ground-only"))
    shares_pct = panel.collections[0].get_array().reshape(-1, run.scenario.n_slots)
    for label, row in zip(panel.get_yticklabels(), shares_pct, strict=True):
        busy_s = float(row.sum()) / 100.0 * run.scenario.clock.slot_s
        if run.scenario.links.downlink.mode == "fixed" and ">" in label.get_text():
            assert busy_s >= resources.loc[label.get_text(), "busy_s"] - 1e-6  # outages within a transfer count too
        else:
            assert busy_s == pytest.approx(resources.loc[label.get_text(), "busy_s"], abs=1e-6)


def test_files_of_every_format_have_equal_bytes_each_time(folder, tmp_path):
    chosen = ["delay-by-scheme", "rate-over-time"]
    first = write_figures(folder, tmp_path / "a", names=chosen)
    second = write_figures(folder, tmp_path / "b", names=chosen)
    assert {path.name for path in first} == {f"{name}.{suffix}" for name in chosen for suffix in FORMATS}
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    with Image.open(tmp_path / "a" / "delay-by-scheme.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20, "an empty picture"
    assert b"<svg" in (tmp_path / "a" / "delay-by-scheme.svg").read_bytes()
    assert (tmp_path / "a" / "delay-by-scheme.pdf").read_bytes().startswith(b"%PDF")


def test_settings_of_the_caller_are_left_alone_and_make_no_difference(folder, tmp_path):
    before = dict(mpl.rcParams)
    write_figures(folder, tmp_path / "a", names=["day"], formats=["png"])
    assert dict(mpl.rcParams) == before
    with mpl.rc_context({"font.size": 20.0, "lines.linewidth": 9.0}):
        write_figures(folder, tmp_path / "b", names=["day"], formats=["png"])
    assert (tmp_path / "a" / "day.png").read_bytes() == (tmp_path / "b" / "day.png").read_bytes()


@pytest.mark.parametrize(
    "settings",
    [
        {"links.downlink.availability": "always"},
        {"links.downlink.min_elevation_deg": 89.9},
        {"run.record": "tasks"},
        {"run.backlog": "independent", "run.schemes": ["hybrid"]},
        {"links.downlink.mode": "budget", "links.isl.mode": "budget"},
        {"name": "$x^2$ <b> & _underscores_ 北", "run.schemes": ["single-satellite"]},
        {"workload.model_memory_bytes": 1e12, "run.schemes": ["collaborative"]},
    ],
)
def test_unusual_runs_are_drawn_without_a_warning(quick, tmp_path, settings):
    run = _made(change_scenario(quick, settings | {"clock.duration_s": 1800.0}), tmp_path / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        files = write_figures(run, tmp_path / "figures", formats=["svg"])
    assert files
    assert all(path.stat().st_size > 1000 for path in files)


def test_bad_input(folder, tmp_path, monkeypatch):
    out = tmp_path / "figures"
    for arguments, expected in (
        ({"formats": ["gif"]}, "expected some of png, svg, pdf, got gif"),
        ({"formats": []}, "got none"),
        ({"names": ["delays"]}, "got delays"),
        ({"task": 99}, "expected one of the run, 0 to 5, got 99"),
    ):
        with pytest.raises(InputError, match=expected):
            write_figures(folder, out, **arguments)
        assert not out.exists()
    damaged = shutil.copytree(folder, tmp_path / "run")
    (damaged / "batches.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"batches\.parquet"):
        write_figures(damaged, out, formats=["svg"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match="matplotlib is not installed"):
        write_figures(folder, out)


def test_what_is_there_is_kept(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt"):
        write_figures(folder, tmp_path, force=True)
    out = tmp_path / "figures"
    write_figures(folder, out, names=["day"], formats=["png"])
    with pytest.raises(InputError, match="--force"):
        write_figures(folder, out, names=["contacts"], formats=["png"])
    write_figures(folder, out, names=["contacts"], formats=["png"], force=True)
    assert [path.name for path in out.iterdir()] == ["contacts.png"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="found a file"):
        write_figures(folder, tmp_path / "file")


@pytest.mark.parametrize(("span_s", "unit"), [(5.0, "s"), (599.0, "s"), (600.0, "min"), (10_800.0, "h")])
def test_units_of_time(span_s, unit):
    assert time_unit(span_s)[1] == unit


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--figures", "out", "--format", "png"], 0, "written: out (13 files)"),
        (["--format", "png"], 2, "is for figures"),
        (["--figures", "out", "--out", "out/page.html"], 2, "outside of the folder of figures"),
        (["--figures", "out", "--out", "."], 2, "expected a file, found a folder"),
        (["--figures", "out", "--format", "gif"], 2, "'gif'"),
    ],
)
def test_figures_from_the_command_line(folder, tmp_path, monkeypatch, capfd, arguments, code, expected):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["orbitsim", "report", str(folder), *arguments])
    assert run_app() == code
    assert expected in " ".join(capfd.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if code == 0 else [])
