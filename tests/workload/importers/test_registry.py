"""Detection by content alone: every format as exactly itself, everything else refused in words."""

from __future__ import annotations

import gzip

import pytest
from workload.importers.samples import SAMPLES

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Format, Imported, Source
from orbitsim.workload.importers.registry import FORMATS, detect, named_format, open_source, read_source

EVERY_SAMPLE = [(name, i, text) for name, texts in SAMPLES.items() for i, text in enumerate(texts)]
IDS = [f"{name}-{i}" for name, i, _ in EVERY_SAMPLE]


def test_every_format_has_a_sample_and_a_name_of_its_own():
    assert [fmt.name for fmt in FORMATS] == list(dict.fromkeys(fmt.name for fmt in FORMATS))
    assert {fmt.name for fmt in FORMATS} == set(SAMPLES)


@pytest.mark.parametrize(("name", "number", "text"), EVERY_SAMPLE, ids=IDS)
@pytest.mark.parametrize("fmt", FORMATS, ids=[fmt.name for fmt in FORMATS])
def test_detection_matrix(fmt, name, number, text):
    assert fmt.matches(Source.of(text)) is (fmt.name == name)


@pytest.mark.parametrize(("name", "number", "text"), EVERY_SAMPLE, ids=IDS)
@pytest.mark.parametrize("change", ["plain", "gzip", "bom", "crlf"])
def test_every_sample_is_read_under_a_wrong_name(tmp_path, name, number, text, change):
    content = text.encode()
    content = {
        "plain": content,
        "gzip": gzip.compress(content),
        "bom": b"\xef\xbb\xbf" + content,
        "crlf": content.replace(b"\n", b"\r\n"),
    }[change]
    path = tmp_path / "holiday.jpeg"
    path.write_bytes(content)
    source = open_source(path)
    imported = read_source(source)
    assert imported.format == name
    assert imported.recordings or imported.telemetry is not None
    plain = read_source(Source.of(text))
    assert imported.recordings == plain.recordings


def test_the_hash_is_that_of_the_file_on_disk(tmp_path):
    import hashlib

    packed = gzip.compress(SAMPLES["tegrastats"][0].encode())
    path = tmp_path / "log"
    path.write_bytes(packed)
    assert open_source(path).sha256 == hashlib.sha256(packed).hexdigest()


@pytest.mark.parametrize(
    "content",
    [b"once upon a time\n", b"{}", b"[]", b"[1, 2, 3]", b"\x00" * 100, bytes(range(256)), b"a,b\n1,2\n", b"%PDF-1.7\n"],
)
def test_what_is_no_recording_gives_one_error_that_names_the_formats(content):
    with pytest.raises(InputError) as caught:
        detect(Source.of(content, "story.txt"))
    (problem,) = caught.value.problems
    assert problem.source == "story.txt"
    assert all(fmt.name in problem.message for fmt in FORMATS)


def test_the_list_of_formats_is_names_only():
    with pytest.raises(InputError) as caught:
        detect(Source.of("once upon a time\n"))
    (problem,) = caught.value.problems
    assert problem.message.endswith(f"(known: {', '.join(fmt.name for fmt in FORMATS)})")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_named_with_how_to_convert_it(tmp_path, encoding):
    content = (b"\xfe\xff" if encoding == "utf-16-be" else b"") + SAMPLES["tegrastats"][0].encode(encoding)
    path = tmp_path / "log.txt"
    path.write_bytes(content)
    for fmt in (None, named_format("tegrastats")):
        with pytest.raises(InputError, match=r"UTF-16.*PowerShell.*iconv -f UTF-16 -t UTF-8"):
            read_source(open_source(path), fmt)


def test_latin_1_is_named_with_how_to_convert_it():
    text = "gemessen über Nacht\n"
    with pytest.raises(InputError, match=r"Latin-1.*byte 9 is 0xfc.*iconv -f LATIN1"):
        detect(Source.of(text.encode("latin-1")))
    log = SAMPLES["tegrastats"][0].encode() + "Ende für heute\n".encode("latin-1")
    with pytest.raises(InputError, match=r"expected UTF-8 text.*Latin-1.*iconv -f LATIN1"):
        read_source(Source.of(log))
    with pytest.raises(InputError) as caught:
        detect(Source.of(bytes(range(256))))
    assert "Latin-1" not in str(caught.value)


def test_two_matching_formats_are_named():
    twin = Format("twin", "the same again", FORMATS[0].matches, FORMATS[0].read)
    source = Source.of(SAMPLES[FORMATS[0].name][0])
    with pytest.raises(InputError, match=f"{FORMATS[0].name} and twin.*--format"):
        detect(source, (*FORMATS, twin))
    assert read_source(source, FORMATS[0]).format == FORMATS[0].name


def test_an_unknown_format_is_refused():
    assert named_format("kineto") is next(fmt for fmt in FORMATS if fmt.name == "kineto")
    with pytest.raises(InputError, match=r"expected one of trtexec-log.*got 'cineto'"):
        named_format("cineto")


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        open_source(tmp_path / "missing")
    with pytest.raises(InputError, match="cannot be read"):
        open_source(tmp_path)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "blank").write_bytes(gzip.compress(b" \n"))
    for name in ("empty", "blank"):
        with pytest.raises(InputError, match="found an empty file"):
            open_source(tmp_path / name)


def test_size_limits_hold_before_and_after_unpacking(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 101)
    (tmp_path / "bomb").write_bytes(gzip.compress(b"\0" * 10_000_000))
    for name, limit in (("large", 100), ("bomb", 1_000_000)):
        with pytest.raises(InputError, match=f"expected at most {limit} bytes"):
            open_source(tmp_path / name, max_bytes=limit)
    assert len(open_source(tmp_path / "large", max_bytes=101).content) == 101


def test_cut_or_damaged_gzip_is_refused_at_every_length(tmp_path):
    packed = gzip.compress(SAMPLES["tegrastats"][0].encode())
    path = tmp_path / "log.gz"
    for length in range(2, len(packed), 7):
        path.write_bytes(packed[:length])
        with pytest.raises(InputError, match=r"expected sound gzip data|found an empty file"):
            open_source(path)
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="expected sound gzip data"):
        open_source(path)


def test_numbers_that_cannot_be_measurements_do_not_get_through():
    from orbitsim.workload.importers.base import Recording, Timing

    def read(timing: Timing) -> Imported:
        careless = Format("careless", "", lambda _: True, lambda _: Imported("careless", (Recording((timing,)),)))
        return read_source(Source.of("x", "file"), careless)

    assert read(Timing("a", 1.0)).recordings
    for timing in (
        Timing("a", 0.0),
        Timing("a", -1.0),
        Timing("a", float("nan")),
        Timing("a", float("inf")),
        Timing("a", 1.0, std_s=-0.1),
        Timing("a", 1.0, p50_s=0.0),
        Timing("a", 1.0, n_samples=0),
        Timing("a", 1.0, samples_s=(1.0, -1.0)),
        Timing("a", 1.0, start_s=(float("nan"),)),
        Timing("a", 1.0, energy_j=float("nan")),
    ):
        with pytest.raises(InputError, match="file: recording 0"):
            read(timing)
