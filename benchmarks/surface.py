"""Set `IndexSurface` beside quoted S&P 500 chains: ``python benchmarks/surface.py FOLDER``.

FOLDER holds ``index/{vix,vix9d,vix3m,vix6m,vvix}_daily.parquet`` (dates and, in the last column, closes) and, under
``options/``, chains in the layouts in which they are sold or given away:

- ``spxw_eod_*.parquet``: end of day, one row an option: quotedate, expiration, type, strike, bid, ask. PM-settled.
- ``spx_chain_DATE.csv.gz``, ``spx_chain_DATE_intraday.csv.gz``: Cboe's quote download, calls left and puts right; an
  intraday one gives its time in the second line. Roots SPXW settle at the close, others at the open of the expiry.
- ``spx_chain_DATE.csv.gz`` with date, exdate, cp_flag, strike_price (x 1000), best_bid, best_offer, AM-settled; its
  discount factors come from ``zero_rates_DATE.csv.gz`` (days, rate in percent), not from parity.

Mid quotes with a bid above zero, out of the money only. The forward of each expiry is that of put-call parity at
strikes within 2 % of it; the discount factor is the slope of call minus put by strike within 10 %, except where a curve
is given. Time to expiry is in calendar days and fractions, from the quote to the settlement.

Every date (a month of 2018 is one) is judged by constants fitted on the others. 2018-02-05, when half the quoted spread
was over two points, is shown apart and in no fit. Errors are in volatility points, model less quote.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import least_squares

from allocopt.backtests.options import VIX_SMILE, VVIX_SMILE, FlatSurface, IndexSmile, IndexSurface, implied_volatility

APART = pd.Timestamp("2018-02-05")
INDICES = ("vix", "vix9d", "vix3m", "vix6m", "vvix")
CLOSE, OPEN = 16.0, 9.5
TENORS = {"2-6 days": 6, "7-14": 14, "15-30": 30, "31-60": 60, "61-90": 90, "91-120": 120}
STRIKES = {"-10 to -5 %": -0.05, "-5 to -2 %": -0.02, "within 2 %": 0.02, "2 to 5 %": 0.05, "5 to 10 %": 0.1001}
SCALE = 0.5  # points; smaller errors count by their square, larger ones by their size

Residuals = npt.NDArray[np.float64]


def indices(folder: Path) -> dict[str, pd.Series]:
    return {name: pd.read_parquet(folder / "index" / f"{name}_daily.parquet").iloc[:, -1] for name in INDICES}


def _tall(file: Path) -> pd.DataFrame:
    raw = pd.read_parquet(file)
    return pd.DataFrame(
        {
            "date": pd.to_datetime(raw["quotedate"]),
            "expiry": pd.to_datetime(raw["expiration"]),
            "sign": np.where(raw["type"].str.lower() == "call", 1, -1),
            "strike": raw["strike"].astype(float),
            "bid": raw["bid"],
            "ask": raw["ask"],
            "hour": CLOSE,
            "morning": False,
        }
    )


def _flagged(raw: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "date": pd.to_datetime(raw["date"].astype(str)),
            "expiry": pd.to_datetime(raw["exdate"].astype(str)),
            "sign": np.where(raw["cp_flag"] == "C", 1, -1),
            "strike": raw["strike_price"] / 1000,
            "bid": raw["best_bid"],
            "ask": raw["best_offer"],
            "hour": CLOSE,
            "morning": True,
        }
    )


def _two_sided(file: Path, lines: list[str], header: int) -> pd.DataFrame:
    raw = pd.read_csv(file, skiprows=header)
    stamp = (
        lines[header - 1].replace('"', "").removeprefix("Date: ").split(" E")[0].replace(" at ", " ").replace(",", "")
    )
    quoted = pd.Timestamp(stamp)
    sides = [
        pd.DataFrame(
            {
                "date": quoted.normalize(),
                "expiry": pd.to_datetime(raw["Expiration Date"], format="mixed"),
                "sign": sign,
                "strike": raw["Strike"].astype(float),
                "bid": raw["Bid" + suffix].astype(float),
                "ask": raw["Ask" + suffix].astype(float),
                "hour": min(quoted.hour + quoted.minute / 60, CLOSE),
                "morning": ~raw[column].str.startswith("SPXW"),
            }
        )
        for sign, suffix, column in ((1, "", "Calls"), (-1, ".1", "Puts"))
    ]
    return pd.concat(sides, ignore_index=True)


def quotes(folder: Path) -> pd.DataFrame:
    """One row an option of every chain in the folder."""
    chains = [_tall(file) for file in sorted((folder / "options").glob("spxw_eod_*.parquet"))]
    for file in sorted((folder / "options").glob("spx_chain_*.csv.gz")):
        with gzip.open(file, "rt") as stream:
            lines = [next(stream).strip() for _ in range(5)]
        header = next((row for row, line in enumerate(lines) if line.startswith("Expiration Date")), None)
        chains.append(_flagged(pd.read_csv(file)) if header is None else _two_sided(file, lines, header))
    if not chains:
        raise SystemExit(f"no chains in {folder / 'options'}: see the head of {Path(__file__).name} for their layouts")
    return pd.concat(chains, ignore_index=True)


def _slice(chain: pd.DataFrame, years: float, discount: float | None) -> pd.DataFrame | None:
    """Implied volatilities of the out-of-the-money options of one expiry."""
    chain = chain[(chain["bid"] > 0) & (chain["ask"] > chain["bid"])]
    chain = chain.assign(mid=(chain["bid"] + chain["ask"]) / 2, spread=chain["ask"] - chain["bid"])
    pair = chain.pivot_table(index="strike", columns="sign", values=["mid", "spread"]).dropna()
    if len(pair) < 6:
        return None
    difference = pair["mid", 1] - pair["mid", -1]
    strike = pair.index.to_numpy()
    guess = strike[np.abs(difference.to_numpy()).argmin()]
    if discount is None:
        near = np.abs(strike / guess - 1) < 0.1
        weight = 1 / (pair["spread", 1] + pair["spread", -1]).to_numpy()[near]
        discount = -float(np.polyfit(strike[near], difference.to_numpy()[near], 1, w=weight)[0])
    near = np.abs(strike / guess - 1) < 0.02
    forward = float(np.median(strike[near] + difference.to_numpy()[near] / discount))
    chain = chain[(chain["sign"] > 0) == (chain["strike"] >= forward)]
    args = (chain["sign"].to_numpy(), forward, chain["strike"].to_numpy(), years)
    volatility, low, high = (
        implied_volatility(chain[side].to_numpy() / discount, *args, outside="nan") for side in ("mid", "bid", "ask")
    )
    return chain.assign(
        years=years, log_moneyness=np.log(chain["strike"] / forward), quoted=volatility, half_spread=(high - low) / 2
    )


def marks(folder: Path) -> pd.DataFrame:
    """Implied volatilities of the chains: 2 to 120 days, strikes within 10 % of the forward."""
    found = []
    for (date, expiry, morning), chain in quotes(folder).groupby(["date", "expiry", "morning"]):
        settled = OPEN if morning else CLOSE
        days = (expiry - date).days + (settled - chain["hour"].iloc[0]) / 24
        if not 2 <= (expiry - date).days <= 120:
            continue
        curve = folder / "options" / f"zero_rates_{date:%Y-%m-%d}.csv.gz"
        discount = None
        if curve.exists():
            rates = pd.read_csv(curve)
            discount = float(np.exp(-np.interp(days, rates["days"], rates["rate"]) / 100 * days / 365))
        part = _slice(chain, days / 365, discount)
        if part is not None:
            found.append(part.assign(days=days, whole_days=(expiry - date).days))
    table = pd.concat(found, ignore_index=True)
    table = table[np.abs(np.expm1(table["log_moneyness"])) <= 0.10]
    if table["quoted"].isna().any():
        print(f"{int(table['quoted'].isna().sum())} mid quotes without a volatility are left out")
        table = table[table["quoted"].notna()]
    month = (
        table["date"].dt.strftime("%Y-%m").where(table["date"].dt.year == 2018, table["date"].dt.strftime("%Y-%m-%d"))
    )
    table["judged"] = month.where(table["date"] != APART, f"{APART:%Y-%m-%d}")
    return table.reset_index(drop=True)


def errors(surface: IndexSurface | FlatSurface, table: pd.DataFrame) -> Residuals:
    """Model less quote, in points."""
    model = surface.implied_volatility(
        pd.DatetimeIndex(table["date"]), table["days"].to_numpy(), table["log_moneyness"].to_numpy()
    )
    return np.asarray((model - table["quoted"].to_numpy()) * 100)


def fit(given: dict[str, pd.Series], table: pd.DataFrame, start: IndexSmile) -> IndexSmile:
    """Constants of least error; every chain date weighs the same. An exponent of VVIX that starts at 0 stays there."""
    weight = 1 / np.sqrt(table.groupby("judged")["days"].transform("size").to_numpy())
    free = np.array([name != "vvix_power" or start.needs_vvix for name in IndexSmile.__dataclass_fields__])
    constants = np.array(astuple(start))

    def smile(values: Residuals) -> IndexSmile:
        whole = constants.copy()
        whole[free] = values
        return IndexSmile(*whole.tolist())

    def residuals(values: Residuals) -> Residuals:
        scaled = errors(surface_of(given, smile(values)), table) / SCALE
        return np.asarray(np.sign(scaled) * np.sqrt(2 * (np.sqrt(1 + scaled**2) - 1)) * weight)

    low, high = np.array([0.5, 0.2, -3, -3, -0.9]), np.array([1.5, 3.0, 3, 3, 0.0])
    return smile(least_squares(residuals, constants[free], bounds=(low[free], high[free]), xtol=1e-5, ftol=1e-6).x)


def surface_of(given: dict[str, pd.Series], smile: IndexSmile) -> IndexSurface:
    return (
        IndexSurface(**given, smile=smile, where_missing="degrade")
        if smile.needs_vvix
        else IndexSurface.from_vix_only(given["vix"], smile=smile)
    )


def judged_table(e: Residuals, table: pd.DataFrame) -> pd.DataFrame:
    by = pd.Series(e).groupby(table["judged"].to_numpy())
    return pd.DataFrame(
        {
            "options": by.size(),
            "median": by.apply(lambda x: x.abs().median()),
            "90 %": by.apply(lambda x: x.abs().quantile(0.9)),
            "bias": by.median(),
        }
    )


def summary(result: pd.DataFrame, names: Sequence[str]) -> str:
    part = result.loc[list(names)]
    return f"median {part['median'].mean():.2f}, worst {part['median'].max():.2f}, 90 % {part['90 %'].mean():.2f}"


def left_out(
    given: dict[str, pd.Series], table: pd.DataFrame, start: IndexSmile
) -> tuple[Residuals, dict[str, IndexSmile]]:
    """Errors of every date with constants fitted on the others, and those constants; 2018-02-05 goes with February."""
    apart = f"{APART:%Y-%m-%d}"
    inside = (table["whole_days"].between(7, 90) & (table["judged"] != apart)).to_numpy()
    judged = table["judged"].to_numpy()
    found = np.full(len(table), np.nan)
    smiles = {}
    for name in sorted(set(judged) - {apart}):
        smiles[name] = fit(given, table[inside & (judged != name)], start)
        rows = (judged == name) | ((judged == apart) & (name == apart[:7]))
        found[rows] = errors(surface_of(given, smiles[name]), table[rows])
    smiles["all"] = fit(given, table[inside], start)
    return found, smiles


def buckets(e: Residuals, table: pd.DataFrame) -> pd.DataFrame:
    """Median absolute error and bias by tenor and moneyness, the mean over the chain dates that have such options."""
    moneyness = np.expm1(table["log_moneyness"])
    strike = pd.cut(moneyness, [-0.1001, *STRIKES.values()], labels=list(STRIKES))
    tenor = pd.cut(table["whole_days"], [1, *TENORS.values()], labels=list(TENORS))
    data = pd.DataFrame({"tenor": tenor, "strike": strike, "judged": table["judged"], "e": e})
    data = data[data["judged"] != f"{APART:%Y-%m-%d}"]
    each = data.groupby(["tenor", "strike", "judged"], observed=True)["e"]
    mean = pd.DataFrame({"size": each.apply(lambda x: x.abs().median()), "bias": each.median()})
    mean = mean.groupby(["tenor", "strike"], observed=True).mean()
    text = mean.apply(lambda row: f"{row['size']:.1f} ({row['bias']:+.1f})", axis=1).unstack()
    return text.assign(dates=data.groupby("tenor", observed=True)["judged"].nunique()).fillna("")


def main(folder: Path) -> None:
    table, given = marks(folder), indices(folder)
    wanted = pd.DatetimeIndex(table["date"].unique())
    given = {name: level[level.index.isin(wanted)] for name, level in given.items()}
    apart = f"{APART:%Y-%m-%d}"
    middle = table["whole_days"].between(7, 90).to_numpy()
    names = sorted(set(table["judged"]) - {apart})

    found, smiles = left_out(given, table, VVIX_SMILE)
    alone, smiles_alone = left_out(given, table, VIX_SMILE)
    part = table[middle].reset_index(drop=True)
    main_table = judged_table(found[middle], part)
    main_table.insert(1, "half spread", part.groupby("judged")["half_spread"].median() * 100)
    print("By chain date, 7 to 90 days, strikes within 10 % of the forward; constants fitted on the other dates")
    print(main_table.round(2).to_string())
    print()
    print(f"{'all indices':<34}{summary(main_table, names)}")
    for left in ("vix9d", "vix3m", "vix6m"):
        fewer = {name: level for name, level in given.items() if name != left}
        e = np.full(len(table), np.nan)
        for name in names:
            rows = (table["judged"] == name).to_numpy()
            e[rows] = errors(surface_of(fewer, smiles[name]), table[rows])
        rows = middle & ~np.isnan(e)
        print(f"{'without ' + left.upper():<34}{summary(judged_table(e[rows], table[rows]), names)}")
    e = np.full(len(table), np.nan)
    for name in names:
        rows = (table["judged"] == name).to_numpy()
        fewer = {index: level for index, level in given.items() if index != "vvix"}
        surface = IndexSurface(**fewer, smile_without_vvix=smiles_alone[name], where_missing="degrade")
        e[rows] = errors(surface, table[rows])
    rows = middle & ~np.isnan(e)
    print(f"{'without VVIX':<34}{summary(judged_table(e[rows], table[rows]), names)}")
    print(f"{'VIX alone':<34}{summary(judged_table(alone[middle], part), names)}")
    flat = errors(FlatSurface.from_index(given["vix"]), part)
    print(f"{'VIX flat':<34}{summary(judged_table(flat, part), names)}")
    shipped = judged_table(errors(surface_of(given, VVIX_SMILE), part), part)
    print(f"{'all indices, shipped constants':<34}{summary(shipped, names)} (fitted on these dates)")
    print(
        "\nMedian absolute error (bias) by days to expiry and strike over forward: mean over dates, without 2018-02-05"
    )
    print(buckets(found, table).to_string())
    for title, chosen in (("With VVIX", smiles), ("VIX alone", smiles_alone)):
        print(f"\n{title}: constants without the date named, and from all")
        print(pd.DataFrame({name: vars(smile) for name, smile in chosen.items()}).T.round(3).to_string())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python benchmarks/surface.py FOLDER")
    main(Path(sys.argv[1]))
