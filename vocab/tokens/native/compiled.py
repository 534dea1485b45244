"""How this room compiles: numba, without a compiler on the user's machine.

What an entry point compiles to, with all that it calls, is kept on disk: beside this package where that can be
written, else in the user's cache folder, or in `NUMBA_CACHE_DIR`. numba takes it from there while the entry point's
own file is unchanged, but does not look at the files that it calls. So an entry point has a last argument
`sources: int = SOURCES`, whose value is part of the cache's key.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from xxhash import xxh3_64_intdigest

logger = logging.getLogger(__name__)

_HERE = Path(__file__).parent
_COMPILED_IN = (  # what constants come from, seen from here
    "../../keys", "../../namespaces",
    "../patterns", "../subwords_reference", "../tokenizer_reference", "../twitter_text", "../unicode_data",
)  # fmt: skip
_files = [*sorted(_HERE.glob("*.py")), *(_HERE / f"{name}.py" for name in _COMPILED_IN)]
SOURCES = xxh3_64_intdigest(b"\0".join(path.read_bytes() for path in _files)) >> 2

_Function = TypeVar("_Function", bound=Callable[..., Any])
_OPTIONS: Any = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
_NO_WAY_IN: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_NO_REFERENCES: Any = {"_nrt": False}


def compiled(function: _Function) -> _Function:
    """For a function that only compiled ones call: compiled with its caller, and kept on disk with it.

    It has no way in from Python, which would cost a fifth of the time to compile. It makes no array and counts no
    references to the arrays that it is given. Counting them up and down wherever they are passed on, array by array
    and with atomic instructions, would cost more than all the rest.
    """
    return cast(_Function, njit(**_NO_WAY_IN, **_NO_REFERENCES, **_OPTIONS)(function))


def entry_point(function: _Function) -> _Function:
    """For a function that Python calls: kept on disk, or compiled in each process where there is no place for it.

    It makes what arrays are needed, and leaves the work to a `compiled` one.
    """
    try:
        return cast(_Function, njit(cache=True, **_OPTIONS)(function))
    except RuntimeError as error:  # numba found no folder that it can write
        logger.warning("%s: compiled anew in every process, some seconds: set NUMBA_CACHE_DIR", error)
        return cast(_Function, njit(**_OPTIONS)(function))
