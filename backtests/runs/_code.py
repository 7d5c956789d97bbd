"""What identifies the code that computes a cell: versions, sources, the function and what it holds."""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

#: Libraries whose version is part of every key, because their numbers go into the results.
LIBRARIES = ("numpy", "pandas", "numba", "scipy", "cvxpy", "statsmodels", "arch")


@dataclass(frozen=True)
class Held:
    """A value that a function holds, to be hashed by content."""

    what: str
    value: Any


@functools.cache
def package_version() -> str:
    """Version and sources of allocopt, the Python version, and the versions of the libraries that compute."""
    import allocopt
    import allocopt.backtests
    import allocopt.solvers

    digest = hashlib.sha256()
    roots = {module.__name__: Path(module.__path__[0]) for module in (allocopt, allocopt.solvers, allocopt.backtests)}
    for name, root in sorted(roots.items()):
        for path in sorted(_sources(root.resolve())):
            digest.update(f"{name}/{path.relative_to(root.resolve()).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    versions = [f"python {sys.version_info.major}.{sys.version_info.minor}", *(_installed(n) for n in LIBRARIES)]
    return f"allocopt {allocopt.__version__} {digest.hexdigest()} {', '.join(versions)}"


def _sources(root: Path) -> Iterator[Path]:
    # In a checkout solvers and backtests are links inside the package: they are walked as packages of their own.
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not (Path(folder) / name).is_symlink()]
        if root.name == "allocopt" and Path(folder) == root:
            names[:] = [name for name in names if name not in ("solvers", "backtests")]
        yield from (Path(folder) / file for file in files if file.endswith(".py"))


def _installed(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"{name} none"


def is_code(value: object) -> bool:
    """Tell whether a value is a function, a class, a partial, a method, a compiled function or a module."""
    return (
        isinstance(value, (functools.partial, type, ModuleType))
        or inspect.isroutine(value)
        or callable(getattr(value, "py_func", None))
    )


def code_parts(value: Any) -> Iterator[str | Held]:
    """Give what identifies a function or class: names, sources, code, and the values it holds."""
    compiled = getattr(value, "py_func", None)
    if callable(compiled):  # numba keeps the Python function here
        yield from code_parts(compiled)
    elif isinstance(value, functools.partial):
        yield "partial"
        yield Held("the function", value.func)
        yield Held("arguments", tuple(value.args))
        yield Held("keywords", dict(sorted(value.keywords.items())))
    elif isinstance(value, ModuleType):
        yield f"module {value.__name__}"
        yield _module_source(value.__name__)
    elif inspect.ismethod(value):
        yield "method"
        yield Held("its object", value.__self__)
        yield Held("its function", value.__func__)
    elif inspect.isfunction(value):
        yield f"function {value.__module__}.{value.__qualname__}"
        yield _module_source(value.__module__)
        yield _code_hash(value.__code__)
        yield Held("defaults", value.__defaults__)
        yield Held("keyword defaults", value.__kwdefaults__)
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            if cell.cell_contents is not value:  # a function that calls itself
                yield Held(f"its variable {name!r}", cell.cell_contents)
    elif isinstance(value, type):
        yield f"class {value.__module__}.{value.__qualname__}"
        source = _module_source(value.__module__)
        yield source
        if not source:  # typed at a prompt: no file to read
            for base in value.__mro__:
                for name, member in sorted(vars(base).items()):
                    for part in _functions(member):
                        yield f"{name} {_code_hash(part.__code__)}"
    else:  # written in C: known by name
        yield f"builtin {getattr(value, '__module__', '')}.{getattr(value, '__qualname__', repr(value))}"


def _functions(member: Any) -> Iterator[Any]:
    inner = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
    if inspect.isfunction(inner):
        yield inner


def _module_source(name: str) -> str:
    """Hash of a module's source; empty for one of allocopt, which `package_version` covers, and where none is found."""
    if name == "allocopt" or name.startswith("allocopt."):
        return ""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if not file or not str(file).endswith(".py") or not os.path.isfile(file):
        return ""
    status = os.stat(file)
    return _source_hash(str(file), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=256)
def _source_hash(file: str, modified: int, size: int) -> str:
    """Hash of a file as it was last written: an edited and reloaded module is other code."""
    del modified, size
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _code_hash(code: CodeType) -> str:
    digest = hashlib.sha256(code.co_code)
    digest.update(repr((code.co_names, code.co_varnames, code.co_freevars, code.co_flags)).encode())
    for constant in code.co_consts:
        part = _code_hash(constant) if isinstance(constant, CodeType) else _constant(constant)
        digest.update(f"{part}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _constant(value: object) -> str:
    if isinstance(value, frozenset):  # its order changes from process to process
        return f"frozenset {sorted(map(repr, value))}"
    return f"{type(value).__name__} {value!r}"


def named(function: Callable[..., Any]) -> str:
    """How a message names a function."""
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)
