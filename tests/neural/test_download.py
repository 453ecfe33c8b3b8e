"""Downloads, from a server of our own: checked, unpacked whole or not at all, one clear error for each failure."""

import hashlib
import http.server
import io
import socket
import threading
import zipfile
from dataclasses import replace
from functools import partial

import pytest

pytest.importorskip("torch")
pytest.importorskip("pooch")

from PIL import Image

from orbitsim.cli.app import run_app
from orbitsim.errors import InputError, OrbitsimError, OutputError
from orbitsim.neural import download as module
from orbitsim.neural.download import ARCHIVES, Archive, download
from orbitsim.neural.images import image_folder


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        pass


def picture():
    data = io.BytesIO()
    Image.new("RGB", (4, 4), (10, 20, 30)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A small archive on a local server, in the place of EuroSAT."""
    place = tmp_path / "server"
    place.mkdir()
    with zipfile.ZipFile(place / "made.zip", "w") as packed:
        for name in ("2750/a/1.png", "2750/a/2.png", "2750/b/1.png", "2750/b/2.png"):
            packed.writestr(name, picture())
        packed.writestr("2750/b/notes.txt", "left out")
        packed.writestr("elsewhere/c/1.png", picture())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=place))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    content = (place / "made.zip").read_bytes()
    archive = Archive(
        title="made",
        url=f"http://127.0.0.1:{server.server_address[1]}/made.zip",
        md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        checked_by="this test",
        folder="2750",
        n_classes=2,
        n_images=4,
        citation="nobody",
        licence="none",
    )
    monkeypatch.setitem(ARCHIVES, "eurosat", archive)
    yield archive, hashlib.sha256(content).hexdigest()
    server.shutdown()
    server.server_close()


def test_a_data_set_is_unpacked_and_nothing_else_is_left(served, tmp_path):
    _, sha256 = served
    out = tmp_path / "new" / "images"
    assert download("eurosat", out, sha256=sha256.upper()) == 4
    assert image_folder(out).classes == ("a", "b")
    assert sorted(p.name for p in out.parent.iterdir()) == ["images"]
    assert not list(out.rglob("*.txt"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"md5": "0" * 32}, "expected the file with MD5 0000"),
        ({"n_images": 5}, "expected 5 images of 2 classes, found 4 of 2"),
        ({"folder": "somewhere"}, "expected the folder somewhere"),
        ({"url": "{}x"}, "the server answered 404"),
    ],
)
def test_another_file_is_refused(served, tmp_path, monkeypatch, change, message):
    archive, _ = served
    changed = {key: value.format(archive.url) if key == "url" else value for key, value in change.items()}
    monkeypatch.setitem(ARCHIVES, "eurosat", replace(archive, **changed))
    with pytest.raises(OrbitsimError, match=message):
        download("eurosat", tmp_path / "images")
    assert not (tmp_path / "images").exists()


def test_another_sha256_is_refused_and_the_archive_kept(served, tmp_path):
    _, sha256 = served
    with pytest.raises(OrbitsimError, match="expected SHA-256 aaaa"):
        download("eurosat", tmp_path / "images", sha256="a" * 64)
    assert download("eurosat", tmp_path / "images", sha256=sha256) == 4


def test_what_is_downloaded_is_not_downloaded_again(served, tmp_path, monkeypatch):
    archive, _ = served
    monkeypatch.setitem(ARCHIVES, "eurosat", replace(archive, n_images=5))
    with pytest.raises(OrbitsimError, match="expected 5 images"):
        download("eurosat", tmp_path / "images")
    nowhere = f"http://127.0.0.1:{free_port()}/made.zip"
    monkeypatch.setitem(ARCHIVES, "eurosat", replace(archive, url=nowhere))
    assert download("eurosat", tmp_path / "images") == 4


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_without_a_network_there_is_one_error(served, tmp_path, monkeypatch, capsys):
    archive, _ = served
    url = f"http://127.0.0.1:{free_port()}/made.zip"
    monkeypatch.setitem(ARCHIVES, "eurosat", replace(archive, url=url))
    monkeypatch.setattr("sys.argv", ["orbitsim", "codec", "download", "eurosat", "--out", str(tmp_path / "images")])
    assert run_app() == 1
    errors = capsys.readouterr().err
    assert "the host cannot be reached" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "images").exists()


def test_bad_requests_are_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_fetched", pytest.fail)
    with pytest.raises(InputError) as caught:
        download("euro", tmp_path, sha256="12")
    assert [problem.key for problem in caught.value.problems] == ["", "--out", "--sha256"]


def test_a_folder_that_cannot_be_made(served, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        download("eurosat", tmp_path / "file" / "images")


def test_known_archives_are_pinned():
    for archive in ARCHIVES.values():
        assert archive.url.startswith("https://")
        assert len(archive.md5) == 32
        assert "/main/" not in archive.url
