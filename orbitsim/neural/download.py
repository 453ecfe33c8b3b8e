"""The paper's data sets, downloaded when a user asks for it, and only then.

Where the archives lie and what they must hash to is what two libraries that many use have fixed: EuroSAT's stands in
torchvision (`torchvision.datasets.EuroSAT`), RESISC45's in torchgeo (`torchgeo.datasets.RESISC45`); both name the same
host, at a commit. MD5 tells damage and confusion, not forgery: who has a SHA-256 from elsewhere can ask for it beside.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from orbitsim.errors import InputError, OrbitsimError, OutputError, Problem
from orbitsim.neural.images import SUFFIXES, image_folder

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Archive:
    """A data set as one file.

    Attributes
    ----------
    title : str
        Its name.
    url : str
        Where it lies.
    md5 : str
        Of the file, as published by `checked_by`.
    checked_by : str
        Who says so.
    folder : str
        Inside the archive: the folder of the class folders.
    n_classes, n_images : int
        What must be in it.
    citation, licence : str
        Whose it is, and what is said of its use.
    """

    title: str
    url: str
    md5: str
    checked_by: str
    folder: str
    n_classes: int
    n_images: int
    citation: str
    licence: str


ARCHIVES = {
    "eurosat": Archive(
        title="EuroSAT (RGB)",
        url="https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
        md5="c8fa014336c82ac7804f0398fcb19387",
        checked_by="torchvision.datasets.EuroSAT",
        folder="2750",
        n_classes=10,
        n_images=27000,
        citation="P. Helber et al., EuroSAT, IEEE JSTARS 12(7), 2217-2226, 2019",
        licence="MIT, by the card of its copy",
    ),
    "resisc45": Archive(
        title="NWPU-RESISC45",
        url="https://huggingface.co/datasets/torchgeo/resisc45/resolve/a826b44d938a883185f11ebe3d512d38b464312f/NWPU-RESISC45.zip",
        md5="75206b2e16446591afa88e2628744886",
        checked_by="torchgeo.datasets.RESISC45",
        folder="NWPU-RESISC45",
        n_classes=45,
        n_images=31500,
        citation="G. Cheng, J. Han, X. Lu, Proc. IEEE 105(10), 1865-1883, 2017",
        licence="none stated; published for research",
    ),
}


def download(name: str, out: Path, *, sha256: str | None = None) -> int:
    """Download a data set, check it, and unpack it as a folder of class folders.

    Parameters
    ----------
    name : str
        One of `ARCHIVES`.
    out : Path
        The folder; appears when complete. What is there already is left alone.
    sha256 : str, optional
        Hash that the archive must have too.

    Returns
    -------
    int
        Images.

    Raises
    ------
    InputError
        When the name is not known, the folder is there, `pooch` is not installed, or the SHA-256 is not one.
    OrbitsimError
        When the archive cannot be had, or is not what it should be.
    OutputError
        When it cannot be written.
    """
    problems = []
    if name not in ARCHIVES:
        problems.append(Problem("", f"expected one of {', '.join(ARCHIVES)}, got {name!r}"))
    if out.exists():
        problems.append(Problem("--out", "expected a folder that is not there yet", str(out)))
    if sha256 is not None and (len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef")):
        problems.append(Problem("--sha256", f"expected 64 hexadecimal digits, got {sha256!r}"))
    if importlib.util.find_spec("pooch") is None:
        problems.append(Problem("", "pooch is not installed; needed here: pip install 'orbitsim[download]'"))
    if problems:
        raise InputError(problems)
    archive = ARCHIVES[name]
    work = out.absolute().with_name(f".{out.name}.unfinished")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{work.parent}: cannot be written: {error.strerror or error}") from error
    file = _fetched(archive, work)
    if sha256 is not None and _sha256(file) != sha256.lower():
        raise OrbitsimError(f"{file}: expected SHA-256 {sha256.lower()}, found {_sha256(file)}")
    try:
        classes = _unpacked(archive, file, work / "unpacked")
        n_images = len(image_folder(classes))
        classes.rename(out)
        shutil.rmtree(work)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from error
    return n_images


def _fetched(archive: Archive, work: Path) -> Path:
    """Return the archive's file, downloaded unless a whole one is there."""
    import pooch  # type: ignore[import-untyped]
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    name = archive.url.rpartition("/")[2]
    try:
        path = pooch.retrieve(
            archive.url,
            known_hash=f"md5:{archive.md5}",
            fname=name,
            path=work,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT_S),
        )
    except requests.RequestException as error:
        raise OrbitsimError(f"{archive.url}: cannot be downloaded: {_reason(error)}") from error
    except ValueError as error:  # of the hash
        message = f"expected the file with MD5 {archive.md5} ({archive.checked_by}), found another one"
        raise OrbitsimError(f"{archive.url}: {message}") from error
    except OSError as error:
        raise OutputError(f"{work}: cannot be written: {error.strerror or error}") from error
    return Path(path)


def _reason(error: Exception) -> str:
    """Return what went wrong with the network in one line."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"the server answered {status}"
    return "the host cannot be reached" if "Connection" in type(error).__name__ else type(error).__name__


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _unpacked(archive: Archive, file: Path, place: Path) -> Path:
    """Unpack the images of an archive, and return the folder of the class folders."""
    shutil.rmtree(place, ignore_errors=True)
    try:
        with zipfile.ZipFile(file) as packed:
            inside = [
                n for n in packed.namelist() if Path(n).suffix.lower() in SUFFIXES and archive.folder in Path(n).parts
            ]
            packed.extractall(place, inside)
    except zipfile.BadZipFile as error:
        raise OrbitsimError(f"{file}: expected a ZIP archive: {error}") from error
    found = next((p for p in (place / archive.folder, *place.rglob(archive.folder)) if p.is_dir()), None)
    if found is None:
        raise OrbitsimError(f"{file}: expected the folder {archive.folder} in it")
    listed = image_folder(found)
    if (len(listed.classes), len(listed)) != (archive.n_classes, archive.n_images):
        raise OrbitsimError(
            f"{file}: expected {archive.n_images} images of {archive.n_classes} classes, found {len(listed)} of "
            f"{len(listed.classes)}"
        )
    return found
