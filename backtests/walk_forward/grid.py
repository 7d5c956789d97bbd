"""Grids of parameters: the product of lists, a list of mappings, or a sampler."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np

from allocopt.backtests._checks import plain
from allocopt.backtests.runs import canonical_parameters
from allocopt.errors import SpecificationError

#: Values of parameters by name.
Parameters: TypeAlias = Mapping[str, Any]


@runtime_checkable
class Sampler(Protocol):
    """Anything that draws configurations."""

    def sample(self, random_state: int) -> Iterable[Parameters]:
        """Draw configurations from a seed."""
        ...


#: What may be given for a grid.
Grid: TypeAlias = "Mapping[str, Any] | Iterable[Parameters] | Sampler"


def grid_configurations(grid: Grid, *, seed: int = 0) -> list[dict[str, Any]]:
    """List the configurations of a grid, in the order in which ties are decided: the first one wins.

    Parameters
    ----------
    grid : mapping of str to values, sequence of mappings, or sampler
        A mapping gives the product of its lists, the last name varying fastest; without a name it gives the one
        configuration that changes nothing. A sequence is taken as it is. A sampler has ``sample(random_state)``.
    seed : int, default 0
        Given to ``sample``.

    Returns
    -------
    list of dict

    Raises
    ------
    SpecificationError
        For a grid that is none, is empty, or holds a configuration twice.

    Examples
    --------
    >>> grid_configurations({"window": [20, 60], "cap": [0.4]})
    [{'window': 20, 'cap': 0.4}, {'window': 60, 'cap': 0.4}]
    """
    if isinstance(grid, Mapping):
        found = _product(cast("Mapping[str, Any]", grid))
    elif isinstance(grid, Sampler):
        found = _listed(grid.sample(random_state=seed))
    elif isinstance(grid, Iterable) and not isinstance(grid, (str, bytes)):
        found = _listed(grid)
    else:
        raise SpecificationError(
            "the grid is none", value=type(grid).__name__, remedy="give a dict of lists, a list of dicts, or a sampler"
        )
    if not found:
        raise SpecificationError("the grid is empty", remedy="give at least one configuration")
    keys = [configuration_key(parameters) for parameters in found]
    if len(set(keys)) < len(keys):
        twice = next(number for number, key in enumerate(keys) if key in keys[:number])
        raise SpecificationError(
            "a configuration is in the grid twice", value=configuration_name(found[twice]), remedy="give each once"
        )
    return found


def configuration_key(parameters: Parameters) -> str:
    """Tell configurations apart by everything that they hold, whatever order they are in.

    A name will not do: policies that differ in what their label leaves out have the same one.
    """
    try:
        return canonical_parameters(parameters)
    except SpecificationError:  # a value without content that could be compared is only itself
        return repr(sorted((name, id(value)) for name, value in parameters.items()))


def configuration_names(configurations: Sequence[Parameters]) -> list[str]:
    """Name configurations, each by another name: equal ones are numbered."""
    names: list[str] = []
    for parameters in configurations:
        name, number = configuration_name(parameters), 2
        while name in names:
            name = f"{configuration_name(parameters)} ({number})"
            number += 1
        names.append(name)
    return names


def configuration_name(parameters: Parameters) -> str:
    """Name a configuration by its values.

    Parameters
    ----------
    parameters : mapping of str to object

    Returns
    -------
    str

    Examples
    --------
    >>> configuration_name({"window": 20, "limits.cap": 0.4, "solver": "kl"})
    'window=20, limits.cap=0.4, solver=kl'
    """
    return ", ".join(f"{name}={value_name(value)}" for name, value in parameters.items()) or "as it is"


def value_name(value: object) -> str:
    """Write the value of a parameter for a table."""
    value = plain(value)
    if isinstance(value, str):
        return value
    label = getattr(value, "label", None)
    return label if isinstance(label, str) else getattr(value, "__name__", None) or repr(value)


@dataclass(frozen=True, eq=False)
class RandomSampler:
    """Draw configurations at random, each at most once, the same ones for the same seed.

    Parameters
    ----------
    distributions : mapping of str to sequence or distribution
        For each parameter a sequence, of which every value is equally likely, or an object with
        ``rvs(random_state=...)``, such as a frozen distribution of scipy.
    n : int
        Number of configurations.
    seed : int, default 0

    Raises
    ------
    SpecificationError
        For a setting outside its range, or more configurations than there are.

    References
    ----------
    J. Bergstra and Y. Bengio, "Random Search for Hyper-Parameter Optimization", Journal of Machine Learning Research
    13 (2012).

    Examples
    --------
    >>> list(RandomSampler({"window": range(10, 200), "cap": [0.3, 0.4]}, n=3, seed=1))
    [{'window': 99, 'cap': 0.4}, {'window': 153, 'cap': 0.4}, {'window': 16, 'cap': 0.3}]
    """

    distributions: Mapping[str, Any]
    n: int
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, least in (("n", self.n, 1), ("seed", self.seed, 0)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise SpecificationError(
                    f"{name} is no whole number from {least} up", value=plain(value), remedy="give an int"
                )
        if not isinstance(self.distributions, Mapping) or not self.distributions:
            raise SpecificationError("there is nothing to draw", remedy="give a distribution for each parameter")
        sizes = []
        for name, values in self.distributions.items():
            if callable(getattr(values, "rvs", None)):
                sizes.append(math.inf)
            else:
                sizes.append(len(_values(name, values)))
        if math.prod(sizes) < self.n:
            raise SpecificationError(
                "more configurations are wanted than there are", value=self.n, remedy=f"at most {math.prod(sizes)}"
            )

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Draw until n different ones are found."""
        rng = np.random.default_rng(self.seed)
        lists = {name: None if callable(getattr(v, "rvs", None)) else list(v) for name, v in self.distributions.items()}
        seen: set[str] = set()
        for _ in range(1000 * self.n):
            drawn = {
                name: plain(self.distributions[name].rvs(random_state=rng))
                if values is None
                else plain(values[int(rng.integers(len(values)))])
                for name, values in lists.items()
            }
            key = configuration_key(drawn)
            if key not in seen:
                seen.add(key)
                yield drawn
                if len(seen) == self.n:
                    return
        raise SpecificationError(
            "the distributions hardly give different configurations",
            value=f"{len(seen)} of {self.n}",
            remedy="draw fewer, or list them",
        )


def _product(grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    lists = {_name(name): _values(name, values) for name, values in grid.items()}
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def _values(name: object, values: object) -> Sequence[Any]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise SpecificationError(
            f"parameter {name!r} has no list of values", value=plain(values), remedy="give a list, of one value perhaps"
        )
    found = [plain(value) for value in values]
    if not found:
        raise SpecificationError(f"parameter {name!r} has no value", remedy="give at least one")
    return found


def _listed(grid: Iterable[object]) -> list[dict[str, Any]]:
    found = []
    for number, parameters in enumerate(grid):
        if not isinstance(parameters, Mapping):
            raise SpecificationError(
                "a configuration is no mapping", where=f"number {number}", value=parameters, remedy="give a dict"
            )
        found.append({_name(name): plain(value) for name, value in parameters.items()})
    return found


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise SpecificationError("a parameter is not named by a string", value=name, remedy="name it")
    return name
