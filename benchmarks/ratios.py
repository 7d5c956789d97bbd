"""Measure allocate() against np.sort, the plain loop and general solvers: ``python benchmarks/ratios.py``.

Competitors run interleaved in one process and the minimum over the repeats counts, so that ratios survive a noisy
machine. What runs in one thread is measured in processor time. Needs cvxpy and daqp for the general solvers
(``pip install allocopt[bench]``).
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

import allocopt
from allocopt.solvers import Projection

RNG = np.random.default_rng(0)


#: What runs in one thread is measured in processor time, which other jobs on the machine do not count towards.
ONE_THREAD, WALL = time.process_time, time.perf_counter


def minima(repeats: int, clock: Callable[[], float], **competitors: Callable[[], object]) -> dict[str, float]:
    best = dict.fromkeys(competitors, math.inf)
    for _ in range(repeats):
        for name, run in competitors.items():
            start = clock()
            run()
            best[name] = min(best[name], clock() - start)
    return best


def plain_loop(row: list[float], cap: float, floor: float, passes: int = 10) -> list[float]:
    total = sum(row)
    w = [x / total for x in row]
    for _ in range(passes):
        if max(w) <= cap:
            break
        w = [min(x, cap) for x in w]
        total = sum(w)
        w = [x / total for x in w]
    w = [x if x >= floor else 0.0 for x in w]
    total = sum(w)
    return [x / total for x in w] if total > 0.0 else w


def against_sort() -> None:
    print("allocate / np.sort(axis=1)")
    cases = ((1_000_000, 6, 0.4, 0.05, 15), (10_000, 500, 0.02, 0.002, 5), (1_000, 10_000, 0.001, 0.0001, 3))
    for dates, n, cap, floor, repeats in cases:
        d = RNG.random((dates, n))
        limits = allocopt.Limits(cap, floor)
        best = minima(
            repeats,
            ONE_THREAD,
            sort=lambda d=d: np.sort(d, axis=1),
            euclidean=lambda d=d, limits=limits: allocopt.allocate(d, limits),
            kl=lambda d=d, limits=limits: allocopt.allocate(d, limits, solver="kl"),
        )
        ratios = ", ".join(f"{s} {best[s] / best['sort']:.2f}" for s in ("euclidean", "kl"))
        print(f"  {dates} x {n}: {ratios}  (sort {best['sort'] / dates * 1e9:.0f} ns a date)")


def growth() -> None:
    print("euclidean: ns a date / (n log2 n)")
    for n in (100, 1_000, 10_000, 100_000):
        d = RNG.random((max(1, 1_000_000 // n), n))
        limits = allocopt.Limits(10.0 / n, 1.0 / n)
        best = minima(3, ONE_THREAD, allocate=lambda d=d, limits=limits: allocopt.allocate(d, limits))["allocate"]
        print(f"  n = {n}: {best / len(d) * 1e9 / (n * math.log2(n)):.2f}")


def against_loop() -> None:
    d = RNG.random((5_000, 6))
    rows = d.tolist()
    best = minima(
        5, ONE_THREAD, loop=lambda: [plain_loop(r, 0.4, 0.05) for r in rows], allocate=lambda: allocopt.allocate(d)
    )
    print(f"plain Python loop / allocate, 5000 x 6: {best['loop'] / best['allocate']:.0f}")


def against_solvers() -> None:
    import cvxpy as cp
    import daqp

    print("general solver / allocate, re-solved for each of 50 dates")
    for n, cap, floor in ((6, 0.4, 0.05), (50, 0.1, 0.01)):
        d = RNG.random((50, n))
        target = d / d.sum(axis=1, keepdims=True)
        t, w = cp.Parameter(n), cp.Variable(n)
        problem = cp.Problem(cp.Minimize(cp.sum_squares(w - t)), [cp.sum(w) == 1, w >= 0, w <= cap])

        def by_cvxpy(target=target, t=t, problem=problem) -> None:
            for row in target:
                t.value = row
                problem.solve(solver=cp.CLARABEL)

        # Variables w and z (binary, held or not): floor * z <= w <= cap * z, sum(w) = 1.
        hessian = np.diag(np.r_[np.ones(n), np.full(n, 1e-9)])
        identity = np.eye(n)
        rows = np.vstack(
            [np.r_[np.ones(n), np.zeros(n)], np.c_[identity, -cap * identity], np.c_[identity, -floor * identity]]
        )
        upper = np.r_[np.ones(n), 1.0, np.zeros(n), np.full(n, 1e30)]
        lower = np.r_[np.zeros(n), 1.0, np.full(n, -1e30), np.zeros(n)]
        sense = np.zeros(3 * n + 1, np.int32)
        sense[:n] = 16  # binary
        sense[n] = 5  # equality
        # daqp's simple bounds come first and belong to the first variables: z before w.
        order = np.r_[n : 2 * n, 0:n]
        rows, hessian = np.ascontiguousarray(rows[:, order]), np.ascontiguousarray(hessian[order][:, order])

        def by_daqp(row, n=n, hessian=hessian, rows=rows, upper=upper, lower=lower, sense=sense):
            cost = np.r_[np.zeros(n), -row]
            return daqp.solve(hessian, cost, rows, upper.copy(), lower.copy(), sense.copy(), time_limit=30.0)

        limits = allocopt.Limits(cap, floor)
        allocopt.allocate(d, limits)
        free = allocopt.Limits(cap, 0.0)
        best = minima(
            3, WALL, cvxpy=by_cvxpy, floorless=lambda d=d, free=free: allocopt.allocate(d, free),
            allocate=lambda d=d, limits=limits: allocopt.allocate(d, limits),
        )  # fmt: skip
        print(f"  n = {n}: cvxpy without floor {best['cvxpy'] / best['floorless']:.0f}")
        # Branch and bound takes seconds for a date with 50 binaries: few dates, once.
        few = 20 if n == 6 else 3
        start = time.perf_counter()
        found = [by_daqp(row) for row in target[:few]]
        each = (time.perf_counter() - start) / few
        weights = np.array([x[n:] for x, _, _, _ in found])
        print(
            f"    daqp with floor {each * len(d) / best['allocate']:.3g} ({each * 1e3:.3g} ms a date, exit flags"
            f" {sorted({flag for _, _, flag, _ in found})}, weights differ by at most"
            f" {np.abs(weights - allocopt.allocate(d[:few], limits).weights).max():.1e})"
        )


def one_date() -> None:
    x = RNG.random(6)
    best = minima(5, ONE_THREAD, allocate=lambda: [allocopt.allocate(x) for _ in range(1_000)])
    print(f"one date of 6 sleeves: {best['allocate'] * 1e3:.1f} us")


def threads() -> None:
    d = RNG.random((1_000_000, 6))
    two = Projection(n_jobs=2)
    best = minima(5, WALL, one=lambda: allocopt.allocate(d), two=lambda: allocopt.allocate(d, solver=two))
    print(f"two threads: {best['one'] / best['two']:.2f} times as fast")


def fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def fresh_processes() -> None:
    clock = "import time; s = time.perf_counter(); import {}; print(time.perf_counter() - s)"
    times = {name: [] for name in ("allocopt", "pandas")}
    for _ in range(7):
        for name, values in times.items():
            values.append(float(fresh(clock.format(name))))
    heavy = "import allocopt, sys; print([m for m in ('cvxpy', 'numba', 'matplotlib') if m in sys.modules])"
    print(
        f"import allocopt / import pandas: {min(times['allocopt']) / min(times['pandas']):.2f}; loaded: {fresh(heavy)}"
    )
    memory = """
import numpy as np, allocopt
def status(field):  # not getrusage: its peak survives fork and exec
    return next(int(x.split()[1]) / 1024 for x in open('/proc/self/status') if x.startswith(field))
allocopt.allocate(np.ones((10, 6)))
before = status('VmRSS'); d = np.random.default_rng(0).random((1_000_000, 6)); r = allocopt.allocate(d)
print(round(status('VmHWM') - before - (d.nbytes + r.weights.nbytes) / 2**20))
"""
    print(f"memory beyond input and output, 1000000 x 6: {fresh(memory)} MiB")


if __name__ == "__main__":
    for distance in ("euclidean", "kl"):
        allocopt.allocate(np.ones((2, 6)), solver=distance)  # compile
    for measure in (against_sort, growth, against_loop, one_date, threads, fresh_processes, against_solvers):
        measure()
