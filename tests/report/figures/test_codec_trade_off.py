"""The figure of what codecs keep: every record at its place, in its data set's column, and refusals before any work."""

import itertools
import subprocess
import sys
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from orbitsim.errors import InputError, OutputError
from orbitsim.report.figures.codec_trade_off import check_figure, codec_trade_off, write_codec_trade_off
from orbitsim.report.figures.style import style


def record(data="one", method="uniform-10x", kind="uniform", ratio=10.0, error=0.02, loss=0.5, reach=1.0):
    return {
        "data": data, "method": method, "kind": kind, "ratio_fp32": ratio, "token_error": error,
        "loss_points": loss, "loss_low": loss - reach, "loss_high": loss + reach,
    }  # fmt: skip


RECORDS = [
    record("one", "transform-30x", "transform", 31.0, 0.04, 1.0, 0.9),
    record("one", "transform-20x", "transform", 21.0, 0.02, 0.6, 0.8),
    record("one", "transform, trained", "trained", 26.0, 0.021, 0.4, 0.8),
    record("two", "transform-20x", "transform", 19.0, 0.017, 0.5, 0.5),
    record("two", "mask", "mask", 41.0, 2.4, 78.0, 1.5),
]


def _points(axes):
    """Return the points of the labelled lines of axes, by label."""
    found = {}
    for label, handle in zip(*axes.get_legend_handles_labels()[::-1], strict=True):
        line = handle[0] if isinstance(handle, tuple) else handle
        found[label] = [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)]
    return found


def test_every_record_is_where_its_numbers_say():
    with style():
        figure = codec_trade_off(RECORDS)
    one, two, one_error, two_error = figure.axes
    assert [axes.get_title(loc="left") for axes in (one, two)] == ["one", "two"]
    # the settings of one method are one line, by rising ratio; what was trained stands alone
    assert _points(one) == {"transform": [(21.0, 0.6), (31.0, 1.0)], "transform, trained": [(26.0, 0.4)]} | {"mask": []}
    assert _points(two) == {"transform": [(19.0, 0.5)], "transform, trained": [], "mask": [(41.0, 78.0)]}
    assert _points(one_error)["transform"] == [(21.0, 0.02), (31.0, 0.04)]
    assert _points(two_error)["mask"] == [(41.0, 2.4)]
    bars = one.containers[0].lines[2][0].get_segments()
    assert [tuple(bar[:, 1]) for bar in bars] == [pytest.approx((-0.2, 1.4)), pytest.approx((0.1, 1.9))]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["transform", "transform, trained", "mask"]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.builds(
            record,
            data=st.sampled_from(["one", "two", "three"]),
            ratio=st.floats(0.2, 500.0),
            error=st.floats(0.0, 10.0) | st.floats(1e-9, 1e-3),
            loss=st.floats(-10.0, 95.0),
            reach=st.floats(0.0, 5.0),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_anything_measured_can_be_drawn_without_a_warning(records):
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = codec_trade_off(records)
        FigureCanvasAgg(figure).draw()
    low, high = figure.axes[0].get_xlim()
    assert all(low < r["ratio_fp32"] < high for r in records)
    for axes in figure.axes[-len(figure.axes) // 2 :]:  # the lower row has the ratios
        assert sum(low < tick < high for tick in axes.get_xticks()) >= 2
    for axes in figure.axes:
        assert "$" not in "".join(text.get_text() for text in axes.get_yticklabels())


def test_the_axes_have_numbers_however_little_there_is():
    for made in ([record(loss=0.2, reach=0.3)], [record(ratio=0.9)], [record(error=1e-13), record(error=0.2)]):
        with style():
            figure = codec_trade_off(made)
            FigureCanvasAgg(figure).draw()
        for axes in figure.axes:
            low, high = axes.get_ylim()
            assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 2


def test_long_names_stay_in_their_column_and_marks_are_shown():
    long = "30-class AID sample at 150 px (90 of 3000 images)"
    leaky = record("one", "_x", "trained") | {"leak": "trained on the tested images"}
    with style():
        figure = codec_trade_off([leaky, record(long), record("another " + long)])
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    titles = [axes._left_title for axes in figure.axes[:3]]
    boxes = [title.get_window_extent(canvas.get_renderer()) for title in titles]
    width, _ = canvas.get_width_height()
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    assert boxes[-1].x1 <= width
    (legend,) = figure.legends
    assert legend.get_texts()[0].get_text().strip() == "_x (trained on the tested images)"


def test_equal_records_give_equal_files(tmp_path):
    for suffix in ("png", "svg", "pdf"):
        pair = [tmp_path / f"{name}.{suffix}" for name in ("a", "b")]
        for path in pair:
            write_codec_trade_off(RECORDS, path)
        assert pair[0].read_bytes() == pair[1].read_bytes()
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg", ".pdf"}


def test_what_cannot_be_written_is_refused_by_name(tmp_path):
    with pytest.raises(
        InputError, match=r"--figure: expected a name that ends in one of \.png, \.svg, \.pdf, got a\.g"
    ):
        check_figure(tmp_path / "a.gif")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="found a folder"):
        check_figure(tmp_path / "folder.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--figure: expected a place that can be written: .*file is a file, not a fo"):
        check_figure(tmp_path / "file" / "a.png")
    check_figure(tmp_path / "new" / "deep" / "a.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]
    with pytest.raises(OutputError, match="cannot be written"):
        write_codec_trade_off(RECORDS, tmp_path / "file" / "a.png")


def test_without_matplotlib_the_user_hears_what_to_install():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pathlib import Path\n"
        "from orbitsim.errors import InputError\n"
        "from orbitsim.report.figures.codec_trade_off import check_figure\n"
        "try:\n    check_figure(Path('a.png'))\nexcept InputError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'orbitsim[report]'" in done.stdout
