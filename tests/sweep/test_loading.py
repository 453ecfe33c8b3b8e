"""Sweep files as users write them: shipped ones, files that go together, and all faults at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from sweep import tiny

from orbitsim.errors import InputError
from orbitsim.sweep import load_sweep, names_sweep, shipped_sweeps
from orbitsim.sweep.resolved import resolved_files


def faults(path: Path, **options: list[str]) -> list[tuple[str, str, str]]:
    with pytest.raises(InputError) as error:
        load_sweep(path, **options)
    return [(problem.source, problem.key, problem.message) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("name", "n_cells"), [("s2g-by-resolution", 64), ("s2g-small", 32), ("design-latin-hypercube", 48)]
)
def test_shipped_sweeps_are_valid_from_any_directory(
    name: str, n_cells: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = load_sweep(name)
    assert names_sweep(name)
    assert len(sweep.cells) == len({cell.key for cell in sweep.cells}) == n_cells
    assert {cell.scenario.run.record for cell in sweep.cells} == {"tasks"}


def test_all_shipped_sweeps_are_tested() -> None:
    assert set(shipped_sweeps()) == {"s2g-by-resolution", "s2g-small", "design-latin-hypercube"}


def test_the_paper_sweep_covers_what_it_says() -> None:
    cells = load_sweep("s2g-by-resolution").cells
    found = {
        (c.scenario.links.downlink.rate_bps, c.scenario.workload.resolution, c.scenario.workload.model) for c in cells
    }
    sizes = ("240p", "480p", "720p", "1080p", "2K", "4K", "8K", "16K")
    assert found == {(r, s, m) for r in (0.2e9, 0.4e9, 0.6e9, 0.8e9) for s in sizes for m in ("vit-b", "vit-g")}
    assert {(c.scenario.workload.model, c.scenario.workload.model_memory_bytes) for c in cells} == {
        ("vit-b", 2e9),
        ("vit-g", 12e9),
    }
    assert {len(c.scenario.run.schemes) for c in cells} == {4}


def test_a_number_is_stored_in_the_type_of_its_key(tmp_path: Path) -> None:
    text = """
    name = "types"
    base = "tiny.toml"
    [[list]]
    links.downlink.rate_bps = 200000000
    workload.resolution = [640, 480]
    run.schemes = ["hybrid"]
    workload.sensor_computes = false
    [[list]]
    links.downlink.rate_bps = 0.4e9
    clock.epoch_utc = 2026-04-07T00:00:00Z
    """
    sweep = load_sweep(tiny.written(tmp_path, text))
    assert {column.name: column.type for column in sweep.columns} == {
        "links.downlink.rate_bps": "float64",
        "workload.resolution": "string",
        "run.schemes": "string",
        "workload.sensor_computes": "bool",
        "clock.epoch_utc": "string",
    }
    one, two = (dict(cell.values) for cell in sweep.cells)
    assert one == {
        "links.downlink.rate_bps": 200e6,
        "workload.resolution": "[640, 480]",
        "run.schemes": '["hybrid"]',
        "workload.sensor_computes": False,
        "clock.epoch_utc": "2026-04-06T00:00:00Z",
    }
    assert two["clock.epoch_utc"] == "2026-04-07T00:00:00Z"
    assert two["workload.resolution"] == "480p"  # that of the base
    assert two["workload.sensor_computes"] is True


def test_the_base_may_be_an_axis(tmp_path: Path) -> None:
    text = 'name = "bases"\n[grid]\nbase = ["tiny.toml", "quick"]\nseed = [1, 2]\n'
    sweep = load_sweep(tiny.written(tmp_path, text))
    assert [(c.scenario.name, c.values["base"]) for c in sweep.cells[::2]] == [
        ("tiny", "tiny.toml"),
        ("quick", "quick"),
    ]


@pytest.mark.parametrize("name", ["tiny", "s2g-small", "design-latin-hypercube", "bases", "needs-axes"])
def test_the_resolved_sweep_is_the_same_sweep(name: str, tmp_path: Path) -> None:
    texts = {
        "tiny": tiny.GRID + '[set]\nworkload.batch_size = 32\n[[list]]\nworkload.resolution = "720p"\n',
        "bases": 'name = "bases"\n[grid]\nbase = ["tiny.toml", "quick"]\nseed = [1, 2]\n',
        "needs-axes": 'name = "n"\nbase = "open.toml"\n[set]\nseed = 3\n[grid]\nworkload.model = ["vit-b"]\n',
    }
    path: str | Path = name
    if name in texts:
        path = tiny.written(tmp_path, texts[name])
        (tmp_path / "open.toml").write_text('extends = "tiny.toml"\nworkload.model = "chosen by the sweep"\n')
    sweep = load_sweep(path, settings=["clock.slot_s=300.0"])
    moved = tmp_path / "moved"
    moved.mkdir()
    for file, text in resolved_files(sweep).items():
        (moved / file).write_text(text)
    again = load_sweep(moved / "sweep.toml")
    assert [cell.scenario for cell in again.cells] == [cell.scenario for cell in sweep.cells]
    if name != "bases":  # there the names of the bases are values of an axis
        assert again.identity == sweep.identity


def test_identity_depends_on_the_content_of_files_and_not_on_their_place(tmp_path: Path) -> None:
    elements = (tiny.TESTS / "orbit" / "data" / "real-2006-06.tle").read_text()
    text = """
    name = "t"
    base = "tiny.toml"
    [set]
    clock.epoch_utc = 2006-06-25T00:00:00Z
    shells = [{ name = "r", kind = "tle", file = "e.tle", devices = ["jetson-agx-orin-15w"], memory_bytes = 8e9 }]
    [grid]
    seed = [1]
    """
    identities = []
    for folder, content in (("a", elements), ("b", elements), ("c", elements.rstrip() + "\n\n")):
        path = tiny.written(tmp_path / folder, text)
        (path.parent / "e.tle").write_text(content)
        with pytest.raises(InputError, match=r"workload\.sensor") as error:
            load_sweep(path)
        sensor = re.search(r"which are (.+?),|did you mean '(.+?)'", str(error.value))
        assert sensor is not None
        name = sensor[1] or sensor[2]
        identities.append(load_sweep(path, settings=[f'workload.sensor="{name}"']).identity)
    assert identities[0] == identities[1]
    assert identities[0] != identities[2]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = """
    nam = "x"
    base = "tiny.toml"
    [set]
    run.recrd = "tasks"
    [grid]
    links.downlink.rate_bps = 3
    workload.resolutin = ["240p", "480p"]
    workload.model = ["vit-b", "vit-q"]
    [sample]
    method = "lhs"
    n = 0
    axes = {}
    """
    path = tiny.written(tmp_path, text)
    found = faults(path)
    assert {source for source, _, _ in found} == {str(path)}
    assert [key for _, key, _ in found] == [
        "name",
        "sample.method",
        "sample.n",
        "sample.axes",
        "nam",
        "grid.links.downlink.rate_bps",
        "workload.resolutin",
        "run.recrd",
        "workload.model",
    ]
    words = {key: message for _, key, message in found}
    assert words["nam"] == "expected a known key; did you mean 'name'?"
    assert words["sample.method"] == "expected one of random, latin-hypercube, got 'lhs'"
    assert words["workload.resolutin"] == "expected a known key; did you mean 'resolution'?"
    assert words["workload.model"].endswith("(in 2 of 4 cells)")


def test_faults_of_cells_say_where_they_are(tmp_path: Path) -> None:
    # Each value is fine; together with the number of planes, some numbers of satellites are not.
    text = """
    name = "x"
    base = "tiny.toml"
    [set]
    "shells.0.n_planes" = 2
    [grid]
    "shells.0.n_satellites" = [12, 13, 15]
    seed = [1, 2]
    """
    found = faults(tiny.written(tmp_path, text))
    assert [key for _, key, _ in found] == ["shells.0.n_satellites"] * 2
    assert all(message.endswith("(in 2 of 6 cells)") for _, _, message in found)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('name = "x"\n[grid]\nseed = [1]', "base", "got nothing"),
        ('name = "x"\nbase = "quick"', "", "expected axes"),
        ('name = "x"\nbase = "quik"\n[grid]\nseed = [1]', "base", "did you mean 'quick'?"),
        ('name = "x"\nbase = 3\n[grid]\nseed = [1]', "base", "got 3"),
        ('name = "x"\n[grid]\nbase = ["quick", 4]', "base", "got 4"),
        ('name = "x"\nbase = "quick"\noverrides = ["no"]\n[grid]\nseed = [1]', "overrides.no", "there are none"),
        ('name = "x"\nbase = "quick"\n[grid]\nlinks.downlnk.rate_bps = [1e9]', "links.downlnk", "'downlink'?"),
        ('name = "x"\nbase = "quick"\n[grid]\nseed = []', "grid.seed", "got []"),
        ('name = "x"\nbase = "quick"\n[grid]\nseed = {min = 3, max = 1, n = 2}', "grid.seed", "min below max"),
        ('name = "x"\nbase = "quick"\n[[zip]]\nseed = 3\n', "zip.0.seed", "expected a list of values"),
        ('name = "x"\nbase = "quick"\n[set]\nseed = 3\n[grid]\nseed = [1, 2]', "grid.seed", "in set too"),
        ('name = "x"\nbase = "quick"\ngrid = 3', "grid", "expected a table"),
        ('name = "x"\nbase = "quick"\nzip = {}', "zip", "expected tables"),
        ('name = "x"\nbase = "quick"\nzip = [3]', "zip.0", ""),
        ('name = "x"\nbase = "quick"\n[grid]\n"shells.4.altitude_m" = [5e5]', "shells.4.altitude_m", "an index"),
    ],
)
def test_a_fault_is_named(text: str, key: str, words: str, tmp_path: Path) -> None:
    path = tiny.written(tmp_path, text)
    found = faults(path)
    assert [k for _, k, _ in found] == [key]
    assert found[0][0] == str(path) or key.startswith("overrides.")  # these are the base's to have
    assert words in found[0][2]


def test_a_faulty_sample_hides_no_fault_of_its_axes(tmp_path: Path) -> None:
    text = 'name = "x"\nbase = "quick"\n[sample]\nmethod = "sobol"\nn = -3\naxes.seed = {min = 1, max = nan}'
    found = faults(tiny.written(tmp_path, text))
    assert [key for _, key, _ in found] == ["sample.method", "sample.n", "sample.axes.seed.max"]


def test_settings_change_all_cells_and_no_axis(tmp_path: Path) -> None:
    path = tiny.written(tmp_path)
    sweep = load_sweep(path, settings=["workload.model=vit-l", "clock.duration_s=600.0"])
    assert {(c.scenario.workload.model, c.scenario.clock.duration_s) for c in sweep.cells} == {("vit-l", 600.0)}
    assert faults(path, settings=["seed=3", "nonsense"]) == [
        ("--set", "seed", "expected a key that is no axis of the sweep"),
        ("--set", "", "expected key=value, such as links.downlink.rate_bps=0.2e9; got 'nonsense'"),
    ]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found a folder"):
        load_sweep(tmp_path)
    with pytest.raises(InputError, match="did you mean 's2g-small'"):
        load_sweep("s2g-smal")
    (tmp_path / "broken.toml").write_text("name = ")
    with pytest.raises(InputError, match=r"broken\.toml: expected TOML"):
        load_sweep(tmp_path / "broken.toml")
    assert not names_sweep(tmp_path / "broken.toml")
    assert not names_sweep("quick")


def test_the_page_shows_sweeps_that_load(tmp_path: Path) -> None:
    page = (tiny.TESTS.parent / "docs" / "sweeps.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for index, block in enumerate(blocks):
        path = tmp_path / f"{index}.toml"
        path.write_text(block if "name" in tomllib.loads(block) else f'name = "p"\nbase = "quick"\n{block}')
        assert len(load_sweep(path).cells) == (24, 64)[index]
