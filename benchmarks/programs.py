"""Set allocate() beside general portfolio programs on one problem: ``python benchmarks/programs.py [n ...]``.

    pip install allocopt skfolio PyPortfolioOpt cvxportfolio riskfolio-lib cvxpy pyscipopt daqp

For each date: minimise ``1/2 ||w - p||**2`` over weights that sum to 1 and are 0.0 or between floor and cap, with the
proportional target ``p = d / sum(d)`` of uniform random ``d``. Every peer states this objective and these limits (its
function below says how), with the tolerances it comes with; one row leaves the floor out, says so, and is compared
with the answer without a floor. allocopt solves 2,500 dates in one call. A peer, skipped if not installed, solves as
many of the same dates as fit into 20 seconds, in three interleaved passes of which the fastest counts; building its
program counts only where each date needs that anew. One solve may take 60 seconds.

Columns: the time over that of allocopt in one call (/ batch) and called date by date (/ dates), the largest excess over
the cap, the largest distance of a weight from both 0.0 and the floor where it lies between them (or from 0.0 below it),
the largest distance of the exact sum from 1.0, the share of the dates that keep all three to the last bit, and the
largest differences of weights and objective from allocopt's answer (above zero: worse than allocopt's objective; below
zero: better, which beyond rounding only an answer outside the limits can be).
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import distributions

import numpy as np
import pandas as pd

import allocopt

DATES = 2_500
PASSES = 3
SECONDS = 20.0  # for each system and size, over all passes
TIME_LIMIT = 60.0  # seconds for one solve
LIMITS = {6: (0.40, 0.05), 50: (0.10, 0.01), 500: (0.02, 0.002)}  # cap, floor
INSTALLED = {package.name.lower(): package.version for package in distributions()}
SCIP = {"scip_params": {"limits/time": TIME_LIMIT}}

Solve = Callable[[int], np.ndarray]


class Case:
    """The dates of one size."""

    def __init__(self, n: int) -> None:
        self.n, (self.cap, self.floor) = n, LIMITS[n]
        self.desirability = np.random.default_rng(n).random((DATES, n))
        self.target = self.desirability / self.desirability.sum(axis=1, keepdims=True)
        self.names = [f"sleeve {i}" for i in range(n)]


def with_skfolio(case: Case) -> Solve:
    # The utility mu @ w - risk_aversion * w @ cov @ w with mu = p, cov = I and risk aversion 1/2 is p @ p / 2 less the
    # objective. A prior of our own hands over mu and cov in place of estimates from returns; nothing reads the returns
    # that `fit` asks for. threshold_long is the floor of what is held, which needs a mixed-integer solver.
    from skfolio.optimization import MeanRisk, ObjectiveFunction
    from skfolio.prior import BasePrior, ReturnDistribution

    class Target(BasePrior):
        def __init__(self, target: np.ndarray) -> None:
            self.target = target

        def fit(self, X: np.ndarray, y: None = None, **_: object) -> Target:
            self.return_distribution_ = ReturnDistribution(self.target, np.eye(len(self.target)), np.asarray(X))
            return self

    scip = {"numerics/feastol": 1e-8, "limits/gap": 1e-8, "limits/time": TIME_LIMIT}  # skfolio's defaults, and the time

    def solve(date: int) -> np.ndarray:
        model = MeanRisk(
            objective_function=ObjectiveFunction.MAXIMIZE_UTILITY, risk_aversion=0.5, max_weights=case.cap,
            threshold_long=case.floor, prior_estimator=Target(case.target[date]), solver="SCIP", solver_params=scip,
        )  # fmt: skip
        return model.fit(np.zeros((2, case.n))).weights_

    return solve


def with_pypfopt(case: Case) -> Solve:
    # A custom convex objective of a parameter that is set anew for each date, and binary variables by hand.
    import cvxpy as cp
    from pypfopt import EfficientFrontier

    frontier = EfficientFrontier(None, np.eye(case.n), (0.0, case.cap), solver="SCIP", solver_options=SCIP)
    held, target = cp.Variable(case.n, boolean=True), cp.Parameter(case.n)
    frontier.add_constraint(lambda w: cp.sum(w) == 1)
    frontier.add_constraint(lambda w: w <= case.cap * held)
    frontier.add_constraint(lambda w: w >= case.floor * held)

    @cache  # with another expression the frontier would have to be built again
    def distance(w: cp.Variable) -> cp.Expression:
        return cp.sum_squares(w - target) / 2

    def solve(date: int) -> np.ndarray:
        target.value = case.target[date]
        frontier.convex_objective(distance, weights_sum_to_one=False)
        return frontier.weights

    return solve


def with_cvxportfolio(case: Case, keep_floor: bool) -> Solve:
    # Risk is measured against a benchmark: with variances of 1 and p as the benchmark it is the distance to p. No
    # constraint of the library says "zero or at least the floor"; a constraint of our own with binaries does.
    import cvxportfolio as cvx
    import cvxpy as cp

    class Floor(cvx.constraints.Constraint):
        def compile_to_cvxpy(self, w_plus: cp.Variable, **_: object) -> list[cp.Constraint]:
            held = cp.Variable(case.n, boolean=True)
            return [w_plus[:-1] <= case.cap * held, w_plus[:-1] >= case.floor * held]

    times, universe = pd.date_range("2000-01-01", periods=DATES), pd.Index([*case.names, "cash"])
    benchmark = pd.DataFrame(np.c_[case.target, np.zeros(DATES)], times, universe)
    policy = cvx.SinglePeriodOptimization(
        -0.5 * cvx.DiagonalCovariance(pd.Series(1.0, case.names)),
        [cvx.LongOnly(), cvx.MaxWeights(case.cap), cvx.NoCash(), *([Floor()] if keep_floor else [])],
        include_cash_return=False, benchmark=benchmark, fallback_solver=None,
        **({"solver": "SCIP", **SCIP} if keep_floor else {}),
    )  # fmt: skip
    policy.initialize_estimator_recursive(universe=universe, trading_calendar=times)
    state = {"current_weights": pd.Series(np.r_[np.zeros(case.n), 1.0], universe), "current_portfolio_value": 1.0}
    state |= dict.fromkeys(("past_returns", "past_volumes", "current_prices"))  # asked for, but not read
    return lambda date: policy.values_in_time_recursive(t=times[date], **state).to_numpy()[:-1]


def with_riskfolio(case: Case) -> Solve:
    # The utility mu - l * variance as for skfolio. A cardinality limit of n sleeves binds nothing but brings in the
    # binaries, which make lowerlng a floor for held sleeves only. The returns are not read.
    import riskfolio

    returns = pd.DataFrame(np.eye(2, case.n), columns=case.names)
    port = riskfolio.Portfolio(returns, upperlng=case.cap, lowerlng=case.floor, card=case.n)
    port.cov = pd.DataFrame(np.eye(case.n), case.names, case.names)
    port.solvers, port.sol_params = ["SCIP"], {"SCIP": SCIP}

    def solve(date: int) -> np.ndarray:
        port.mu = pd.DataFrame(case.target[date : date + 1], columns=case.names)
        return port.optimization(model="Classic", rm="MV", obj="Utility", l=0.5).to_numpy()[:, 0]

    return solve


def with_cvxpy(case: Case, tolerance: float) -> Solve:
    import cvxpy as cp

    w, held, target = cp.Variable(case.n), cp.Variable(case.n, boolean=True), cp.Parameter(case.n)
    limits = [cp.sum(w) == 1, w <= case.cap * held, w >= case.floor * held]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(w - target) / 2), limits)
    scip = {"limits/time": TIME_LIMIT, "numerics/feastol": tolerance}

    def solve(date: int) -> np.ndarray:
        target.value = case.target[date]
        problem.solve(solver=cp.SCIP, scip_params=scip)
        return w.value.copy()

    return solve


def with_daqp(case: Case) -> Solve:
    # Variables: held (binary), then w. Rows: sum(w) = 1, w - cap * held <= 0, w - floor * held >= 0.
    import daqp

    n, eye = case.n, np.eye(case.n)
    hessian = np.diag(np.r_[np.full(n, 1e-9), np.ones(n)])  # has to be positive definite
    rows = np.vstack([np.r_[np.zeros(n), np.ones(n)], np.c_[-case.cap * eye, eye], np.c_[-case.floor * eye, eye]])
    upper = np.r_[np.ones(n), 1.0, np.zeros(n), np.full(n, 1e30)]
    lower = np.r_[np.zeros(n), 1.0, np.full(n, -1e30), np.zeros(n)]
    sense = np.r_[np.full(n, 16), 5, np.zeros(2 * n)].astype(np.int32)  # 16: binary, 5: equality

    def solve(date: int) -> np.ndarray:
        linear, bounds = np.r_[np.zeros(n), -case.target[date]], (upper.copy(), lower.copy(), sense.copy())
        x, _, flag, _ = daqp.solve(hessian, linear, rows, *bounds, time_limit=TIME_LIMIT)
        if flag != 1:
            raise RuntimeError(f"exit flag {flag}")
        return x[n:]

    return solve


PEERS: dict[str, tuple[tuple[str, ...], Callable[[Case], Solve]]] = {
    "skfolio, SCIP": (("skfolio", "pyscipopt"), with_skfolio),
    "PyPortfolioOpt, SCIP": (("pyportfolioopt", "pyscipopt"), with_pypfopt),
    "cvxportfolio, no floor": (("cvxportfolio",), partial(with_cvxportfolio, keep_floor=False)),
    "cvxportfolio, SCIP": (("cvxportfolio", "pyscipopt"), partial(with_cvxportfolio, keep_floor=True)),
    "Riskfolio-Lib, SCIP": (("riskfolio-lib", "pyscipopt"), with_riskfolio),
    "cvxpy, SCIP": (("cvxpy", "pyscipopt"), partial(with_cvxpy, tolerance=1e-6)),
    "cvxpy, SCIP to 1e-8": (("cvxpy", "pyscipopt"), partial(with_cvxpy, tolerance=1e-8)),
    "daqp": (("daqp",), with_daqp),
}


@dataclass
class Run:
    """One system on the dates of a case: ``solve`` gives the weights of ``step`` dates from a date on."""

    solve: Solve
    step: int
    weights: list[np.ndarray] = field(default_factory=list)
    best: float = math.inf  # seconds a date
    outcome: str = ""

    def first_pass(self) -> None:
        begin = time.perf_counter()
        for date in range(0, DATES, self.step):
            start = time.perf_counter()
            try:
                self.weights.extend(np.atleast_2d(self.solve(date)).astype(float))
            except Exception as error:  # whatever a peer raises is its outcome
                self.outcome = f"{type(error).__name__}: {error}".splitlines()[0][:60]
            if time.perf_counter() - start > 0.95 * TIME_LIMIT:
                self.outcome = f"{'no answer' if self.outcome else 'not proved optimal'} in {TIME_LIMIT:g} s"
            if self.outcome or time.perf_counter() - begin > SECONDS / PASSES:
                break
        self.best = (time.perf_counter() - begin) / max(1, len(self.weights))

    def again(self) -> None:
        dates = len(self.weights)
        if self.outcome or self.best * dates > 2.0 * SECONDS / PASSES:
            return
        begin = time.perf_counter()
        while time.perf_counter() - begin < 0.2:  # short passes several times
            start = time.perf_counter()
            for date in range(0, dates, self.step):
                self.solve(date)
            self.best = min(self.best, (time.perf_counter() - start) / dates)


def by_allocopt(case: Case, solver: str, step: int, date: int) -> np.ndarray:
    desirability = case.desirability[date : date + step]
    return allocopt.allocate(desirability, allocopt.Limits(case.cap, case.floor), solver=solver).weights


def runs_of(case: Case) -> dict[str, Run]:
    runs = {}
    for solver, step in (("euclidean", DATES), ("euclidean", 1), ("auto", DATES), ("cvxpy", 50)):
        name = f"allocopt {solver}" + {1: ", date by date", DATES: ""}.get(step, f", {step} dates a call")
        solve = partial(by_allocopt, case, solver, step)
        solve(0)  # compiles
        runs[name] = Run(solve, step)
    for name, (packages, prepare) in PEERS.items():
        if all(package in INSTALLED for package in packages):
            runs[name] = Run(prepare(case), 1)
    return runs


def row(case: Case, name: str, run: Run, references: list[float]) -> str:
    start = f"{name:<33}{len(run.weights):>6}{run.best * 1e3:>12.4f}"
    start += "".join(f"{run.best / reference:>12.1f}" for reference in references)
    if not run.weights:
        return f"{start}  {run.outcome}"
    w, p = np.array(run.weights), case.target[: len(run.weights)]
    limits = allocopt.Limits(case.cap, 0.0 if "no floor" in name else case.floor)
    ours = allocopt.allocate(case.desirability, limits).weights[: len(w)]
    over = np.maximum(w - case.cap, 0.0).max(axis=1)
    under = np.where(w < case.floor, np.minimum(np.abs(w), case.floor - w), 0.0).max(axis=1)
    off = np.array([abs(math.fsum([*x, -1.0])) for x in w])
    objective = ((w - p) ** 2 - (ours - p) ** 2).sum(axis=1) / 2
    worst = objective[np.abs(objective).argmax()]
    start += "".join(f"{x.max():>10.1e}" for x in (over, under, off)) + f"{np.mean(over + under + off == 0.0):>8.1%}"
    return f"{start}{np.abs(w - ours).max():>10.1e}{worst:>10.1e}  {run.outcome}"


def report(case: Case) -> None:
    print(f"\nn = {case.n}, cap {case.cap:g}, floor {case.floor:g}")
    runs = runs_of(case)
    for number in range(PASSES):
        for run in runs.values():
            run.again() if number else run.first_pass()
    print(f"{'system':<33} dates   ms a date     / batch     / dates  over cap off floor   off sum   exact", end="")
    print("   weights objective")
    references = [runs[name].best for name in ("allocopt euclidean", "allocopt euclidean, date by date")]
    for name, run in runs.items():
        print(row(case, name, run, references), flush=True)


if __name__ == "__main__":
    for package in dict.fromkeys(p for packages, _ in PEERS.values() for p in packages):
        print(package, INSTALLED.get(package, "is not installed: skipped"))
    warnings.simplefilter("ignore")  # peers warn of inaccurate answers; the columns tell
    for size in map(int, sys.argv[1:] or LIMITS):
        report(Case(size))
