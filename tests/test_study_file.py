"""Study files: what they may say, and what is said of those that say something else."""

from __future__ import annotations

import datetime as dt
import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocopt.backtests.runs import content_hash
from allocopt.backtests.splitters import CalendarSplits, CombinatorialPurged, Expanding, Rolling
from allocopt.backtests.volatility_alpha import LadderSleeve, VolatilityAlpha
from allocopt.backtests.walk_forward import grid_configurations
from allocopt.errors import AllocoptError, DataFileError, InputError, SpecificationError
from allocopt.limits import Limits
from allocopt.study_file import StudyFile, read_study
from allocopt.study_kinds import Prepared, SectorStudy
from allocopt.study_objects import kinds, settings_from, thing_from
from allocopt.study_own import FileStudy
from allocopt.toml_files import Section, read_toml

SMALL = {
    "": 'kind = "volatility-alpha"\n',
    "grid": "n = [4, 8]\n",
    "splitter": 'kind = "rolling"\ntrain = 60\ntest = 30\n',
}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the small study with some tables replaced: ``write(selection='metric = "calmar"')``."""

    def make(**tables: str) -> Path:
        parts = {**SMALL, **{("" if name == "top" else name): text for name, text in tables.items()}}
        path = tmp_path / "study.toml"
        path.write_text("".join(f"[{name}]\n{text}\n" if name else f"{text}\n" for name, text in parts.items() if text))
        return path

    return make


def refused(path: Path, *words: str, kind: type[AllocoptError] = SpecificationError) -> None:
    with pytest.raises(kind) as caught:
        read_study(path).load()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_defaults_are_those_of_the_functions(write: Write) -> None:
    found = read_study(write())
    assert isinstance(found, StudyFile)
    assert (found.title, found.kind, found.metric, found.cash_rate) == ("study", "volatility-alpha", "sharpe", 0.0)
    assert (found.blocks, found.replications, found.seed, found.stitching) == (16, 1000, 0, "auto")
    assert (found.check_causality, found.periods_per_year, found.baseline) == (True, None, None)
    assert found.grid == {"n": [4, 8]}
    assert found.splitter == Rolling(train=60, test=30)
    assert "SECRET" not in repr(read_study(write(top=f"{SMALL['']}# SECRET")))


def test_every_key_is_read(write: Write) -> None:
    found = read_study(
        write(
            top='title = "A title"\nkind = "volatility-alpha"',
            selection='metric = "calmar"\nperiods_per_year = 250\ncash_rate = 0.02\nstitching = "returns"\n'
            "check_causality = false",
            evidence="blocks = 8\nreplications = 200\nseed = 5",
            baseline="n = 6",
        )
    )
    assert (found.title, found.metric, found.periods_per_year, found.cash_rate) == ("A title", "calmar", 250.0, 0.02)
    assert (found.stitching, found.check_causality, found.baseline) == ("returns", False, {"n": 6})
    assert (found.blocks, found.replications, found.seed) == (8, 200, 5)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"top": 'kind = "volatility-alpha"\ntitel = "x"'}, ["an unknown key at study.toml: 'titel'", "write 'title'"]),
        ({"top": "title = 3\n" + SMALL[""]}, ["'title' is not text in quotes at study.toml: 3"]),
        ({"top": 'title = "no kind"'}, ["'kind' is missing at study.toml"]),
        ({"top": 'kind = "magic"'}, ["an unknown kind of study at study.toml: 'magic'", "volatility-alpha"]),
        ({"top": 'kind = ":name"'}, ["an unknown kind of study at study.toml: ':name'"]),
        ({"splitter": ""}, ["'splitter' is missing"]),
        ({"splitter": 'kind = "weekly"'}, ["'kind' is none of its choices at [splitter] of study.toml: 'weekly'"]),
        ({"splitter": SMALL["splitter"] + "tset = 3"}, ["[splitter] of study.toml: 'tset'", "write 'test'"]),
        ({"splitter": 'kind = "rolling"\ntrain = 60'}, ["[splitter] of study.toml", "'test'"]),
        ({"splitter": 'kind = "rolling"\ntrain = 0\ntest = 5'}, ["[splitter] of study.toml: 0"]),
        ({"selection": "metric = 3"}, ["'metric' is not text in quotes at [selection] of study.toml: 3"]),
        ({"selection": 'metric = "sharp"'}, ["unknown figure to select by at [selection] of study.toml: 'sharp'"]),
        ({"selection": "cash_rate = 5.0"}, ["cash_rate is no decimal per year at [selection] of study.toml: 5.0"]),
        ({"selection": "periods_per_year = true"}, ["'periods_per_year' is not a number at [selection]"]),
        ({"selection": "periods_per_year = -1"}, ["[selection] of study.toml"]),
        ({"selection": "check_causality = 1"}, ["'check_causality' is not true or false"]),
        ({"selection": 'stitching = "glue"'}, ["'stitching' is none of its choices at [selection] of study.toml"]),
        ({"selection": "cash = 0.1"}, ["an unknown key at [selection] of study.toml: 'cash'", "cash_rate"]),
        ({"evidence": "blocks = 7"}, ["blocks is not an even number from 4 to 24 at [evidence] of study.toml: 7"]),
        ({"evidence": "replications = 10"}, ["[evidence] of study.toml: 10"]),
        ({"evidence": "seed = 1.5"}, ["'seed' is not a whole number at [evidence] of study.toml: 1.5"]),
        ({"grid": "n = 4"}, ["parameter 'n' of the grid has no list of values at [grid] of study.toml: 4"]),
        ({"grid": "n = []"}, ["parameter 'n' has no value at [grid] of study.toml"]),
        ({"grid": "n = [4, 4]"}, ["a configuration is in the grid twice at [grid] of study.toml: 'n=4'"]),
        ({"grid": "", "top": SMALL[""] + "grid = 3"}, ["the grid is no table at study.toml: 3"]),
        ({"grid": "", "top": SMALL[""] + "grid = []"}, ["the grid is empty at [grid] of study.toml"]),
        ({"grid": "", "top": SMALL[""] + "grid = [1]"}, ["the grid holds something else than tables"]),
        ({"grid": 'n = [{kind = "Limit"}]'}, ["an unknown kind at [grid] of study.toml: 'Limit'"]),
        ({"grid": 'n = [{kind = "Limits", cap = 2.0}]'}, ["[grid] of study.toml, Limits"]),
        ({"sample": "n = 9"}, ["more configurations are wanted than there are at [sample] of study.toml: 9"]),
        ({"sample": "n = 1\nsed = 2"}, ["an unknown key at [sample] of study.toml: 'sed'", "write 'seed'"]),
        ({"sample": ""} | {"sample": "seed = 1"}, ["'n' is missing at [sample] of study.toml"]),
        ({"settings": "rungs = 4"}, ["LadderSleeve has no such setting at [settings] of study.toml: 'rungs'"]),
        ({"data": "prise = 3"}, ["an unknown key at [data] of study.toml: 'prise'", "write 'prices'"]),
        ({"data": 'start = "soon"'}, ["'start' is no date at [data] of study.toml: 'soon'"]),
        ({"data": "end = 3"}, ["'end' is no date at [data] of study.toml: 3"]),
        ({"data": "end = 1950-01-01"}, ["no row lies between start and end at [data] of study.toml", "reaches from"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(write: Write, tables: dict[str, str], words: list[str]) -> None:
    refused(write(**tables), *words)


def test_files_that_are_none(tmp_path: Path, write: Write) -> None:
    refused(tmp_path / "nothing.toml", "there is no file", "nothing.toml", kind=DataFileError)
    refused(tmp_path, "cannot be read", kind=DataFileError)
    refused(write(top="title = "), "study.toml is no TOML", "line 1", kind=DataFileError)
    path = tmp_path / "latin.toml"
    path.write_bytes(b'title = "\xe9"')
    refused(path, "latin.toml is not UTF-8", kind=DataFileError)
    path.write_bytes(b"\xef\xbb\xbf" + write().read_bytes().replace(b"\n", b"\r\n"))  # as an editor may save it
    assert read_study(path).text == read_study(write()).text
    refused(write(data='prices = "gone.csv"'), "gone.csv", kind=DataFileError)


def test_grids_of_lists_tables_and_samples(write: Write) -> None:
    listed = read_study(write(grid="", top=f"{SMALL['']}\n[[grid]]\nn = 4\n[[grid]]\nn = 8\nprofit_sharing = 1.0"))
    assert listed.grid == [{"n": 4}, {"n": 8, "profit_sharing": 1.0}]
    text = "n = [2, 4, 6, 8]\nprofit_sharing = [0.0, 0.5, 1.0]"
    drawn = read_study(write(grid=text, sample="n = 5\nseed = 3"))
    again = read_study(write(grid=text, sample="n = 5\nseed = 3"))
    other = read_study(write(grid=text, sample="n = 5\nseed = 4"))
    assert len(grid_configurations(drawn.grid)) == 5
    assert grid_configurations(drawn.grid) == grid_configurations(again.grid)
    assert grid_configurations(drawn.grid) != grid_configurations(other.grid)
    assert grid_configurations(read_study(write(grid="", top=f"{SMALL['']}\n[grid]")).grid) == [{}]
    made = read_study(
        write(
            grid='limits = [{kind = "Limits", cap = 0.4}, {kind = "Limits", cap = 0.5}]\nother = [{a = 1}, [1, [2]]]',
            baseline='limits = {kind = "Limits", cap = 1.0}',
        )
    )
    assert made.grid == {"limits": [Limits(cap=0.4), Limits(cap=0.5)], "other": [{"a": 1}, (1, (2,))]}
    assert made.baseline == {"limits": Limits(cap=1.0)}
    refused(
        write(grid="", top=f"{SMALL['']}\n[[grid]]\nn = 4", sample="n = 1"), "only a [grid] of lists can be sampled"
    )


@pytest.mark.parametrize(
    ("text", "splitter"),
    [
        ('kind = "rolling"\ntrain = 60\ntest = 30\nhorizon = 5', Rolling(train=60, test=30, horizon=5)),
        ('kind = "expanding"\ntrain = 60\ntest = 30\nincomplete = "keep"', Expanding(60, 30, incomplete="keep")),
        (
            'kind = "calendar"\ntrain = "3YS"\ntest = "YS"\nstart = 2001-01-01',
            CalendarSplits("3YS", "YS", start=dt.date(2001, 1, 1)),
        ),
        ('kind = "combinatorial"\ngroups = 6\ntest_groups = 2', CombinatorialPurged(groups=6, test_groups=2)),
    ],
)
def test_every_kind_of_splitter(write: Write, text: str, splitter: Any) -> None:
    assert repr(read_study(write(splitter=text)).splitter) == repr(splitter)


def test_a_date_is_written_as_toml_has_it_or_as_text(write: Write) -> None:
    texts = ("start = 2010-03-01\nend = 2011-02-28", 'start = "2010-03-01"\nend = "2011-02-28"')
    first, second = (read_study(write(data=text)).load() for text in texts)
    assert first.dates.equals(second.dates)
    assert (first.dates[0], first.dates[-1]) == (pd.Timestamp("2010-03-01"), pd.Timestamp("2011-02-28"))


def test_ladder_on_the_embedded_prices(write: Write) -> None:
    table = '[settings.ladder]\nkind = "VolatilityAlpha"\nshares = "fractional"\nn = 6'
    found = read_study(write(settings=f"renew = 21\n{table}")).load()
    assert found.study == LadderSleeve(renew=21, ladder=VolatilityAlpha(n=6, shares="fractional"))
    assert found.periods_per_year == 252.0
    assert found.benchmark is not None
    assert found.benchmark.equals(found.data["close"])
    assert found.notes == [f"Prices: S&P 500 (embedded), {len(found.dates):,} rows", "Benchmark: the closes"]


SECTORS = {
    "": 'kind = "sector-rotation"\n',
    "grid": "momentum = [20, 40]\n",
    "settings": 'universe = ["AA", "BB"]\ndefensive = "CASH"\ntop_n = 1\nleverage = 1.0\n',
    "data": 'prices = "closes.csv"\ncash = "CASH"\n',
    "splitter": SMALL["splitter"],
}


@pytest.fixture
def sectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """A file of closes in which BB begins late; the small study becomes one of sectors."""
    rng = np.random.default_rng(1)
    days = pd.bdate_range("2019-01-01", periods=300, name="date")
    closes = pd.DataFrame(50 * np.exp(rng.normal(0, 0.01, (300, 3)).cumsum(axis=0)), days, ["AA", "BB", "SPY"])
    closes.loc[days[:40], "BB"] = np.nan
    closes.to_csv(tmp_path / "closes.csv")
    monkeypatch.setitem(SMALL, "", SECTORS[""])
    for name in ("grid", "settings", "data"):
        monkeypatch.setitem(SMALL, name, SECTORS[name])
    return closes


def test_sectors_with_cash_and_a_late_sector(write: Write, sectors: pd.DataFrame) -> None:
    found = read_study(write()).load()
    assert isinstance(found.study, SectorStudy)
    assert list(found.data.closes.columns) == ["AA", "BB", "CASH", "SPY"]
    assert found.data.closes["CASH"].eq(1.0).all()
    assert found.dates.equals(pd.DatetimeIndex(sectors.index))  # BB may come later
    assert found.notes[0] == "Closes: 4 tickers, 300 sessions from 2019-01-01"
    assert found.notes[1] == "CASH is cash that earns nothing: a column of ones"
    ledger = found.study(found.data, {"momentum": 40})
    assert ledger.executed["AA"].to_numpy().any()
    cut = read_study(write(data=SMALL["data"] + "start = 2019-02-01\nend = 2019-12-31")).load()
    assert cut.dates.equals(pd.DatetimeIndex(sectors.loc["2019-02-01":"2019-12-31"].index))


def test_sectors_that_cannot_be(write: Write, sectors: pd.DataFrame, tmp_path: Path) -> None:
    refused(write(data='prices = "closes.csv"\ncash = "AA"'), "cash has the name of a ticker at [data]")
    refused(write(data='prices = "closes.csv"'), "a ticker has no closes", "[data]", "'CASH'", kind=DataFileError)
    refused(write(data='cash = "CASH"'), "'prices' is missing at [data] of study.toml")
    refused(write(settings="lookback = 3"), "'lookback' is no setting of a rotation at [settings] of study.toml")
    sectors.assign(AA=np.nan).to_csv(tmp_path / "closes.csv")
    with pytest.raises(DataFileError, match="AA"):
        read_study(write()).load()


@pytest.fixture
def coins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Hourly closes of two coins; the small study becomes one of the trend basket."""
    rng = np.random.default_rng(2)
    hours = pd.date_range("2020-01-01", periods=600, freq="h", name="date")
    closes = pd.DataFrame(100 * np.exp(rng.normal(0, 0.01, (600, 2)).cumsum(axis=0)), hours, ["BTC", "ETH"])
    for coin in closes:
        closes[[coin]].set_axis(["close"], axis=1).to_csv(tmp_path / f"{coin}.csv")
    monkeypatch.setitem(SMALL, "", 'kind = "trend-basket"\n')
    monkeypatch.setitem(SMALL, "grid", "momentum = [24, 48]\n")
    monkeypatch.setitem(SMALL, "data", 'closes = {ETH = "ETH.csv", BTC = "BTC.csv"}\n')
    return closes


def test_basket_of_coins(write: Write, coins: pd.DataFrame, tmp_path: Path) -> None:
    found = read_study(write(data=SMALL["data"] + "end = 2020-01-20")).load()
    assert found.dates.equals(pd.DatetimeIndex(coins.index[: 20 * 24]))  # the whole last day
    assert found.benchmark is not None
    np.testing.assert_allclose(found.benchmark, coins["BTC"].iloc[: 20 * 24])
    assert found.notes[-1] == "Benchmark: BTC"
    other = read_study(write(settings='market = "ETH"')).load()
    assert other.benchmark is not None
    np.testing.assert_allclose(other.benchmark, coins["ETH"])
    assert other.notes[-1] == "Benchmark: ETH"
    refused(write(settings='market = "XRP"'), "market is no coin at [settings] of study.toml: 'XRP'")
    refused(write(data="closes = {}"), "closes names no file at [data] of study.toml")
    refused(write(data='closes = "BTC.csv"'), "'closes' is not a table, [closes] at [data] of study.toml")
    refused(write(data="closes = {BTC = 3}"), "'BTC' is not text in quotes at [closes] of [data] of study.toml: 3")


def test_missing_bars_are_an_error_unless_the_file_says_fill(write: Write, coins: pd.DataFrame, tmp_path: Path) -> None:
    coins[["BTC"]].set_axis(["close"], axis=1).drop(coins.index[100:103]).to_csv(tmp_path / "BTC.csv")
    refused(write(), "bars without a close", "[data] of study.toml", 'gaps = "fill"', kind=InputError)
    found = read_study(write(data=SMALL["data"] + 'gaps = "fill"')).load()
    assert "BTC: 3 missing bars hold the last close" in found.notes
    assert found.data["BTC"].iloc[100:103].eq(found.data["BTC"].iloc[99]).all()
    refused(write(data=SMALL["data"] + 'gaps = "carry"'), "'gaps' is none of its choices", "fill")
    coins[["BTC"]].set_axis(["close"], axis=1)[50:].to_csv(tmp_path / "BTC.csv")
    refused(write(data=SMALL["data"] + 'gaps = "fill"'), "BTC has no close before", "set start", kind=InputError)


OWN = """
from dataclasses import dataclass
import threading

@dataclass(frozen=True)
class Hold:
    column: str = "AA"
    def run(self, closes):
        return closes[self.column].pct_change().fillna(0.0)

def hold(closes, parameters):
    return Hold(**parameters).run(closes)

@dataclass(frozen=True)
class Locked(Hold):
    lock: object = threading.Lock()

@dataclass(frozen=True)
class Many(Hold):
    def many(self, closes, several):
        return [hold(closes, one) for one in several]

number = 3
"""


@pytest.fixture
def own(sectors: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Prepared]:
    """Load a study of one's own: ``own("hold", settings=...)``."""
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.setitem(SMALL, "settings", "")

    def load(name: str, **tables: str) -> Prepared:
        parts = {**SMALL, "": f'kind = "{name}"\n', "data": 'prices = "closes.csv"\nbenchmark = "SPY"\n'}
        parts |= {"selection": "periods_per_year = 261\n", **tables}
        path = tmp_path / "own.toml"
        path.write_text("".join(f"[{key}]\n{text}\n" if key else text for key, text in parts.items() if text))
        return read_study(path).load()

    return load


def test_a_function_and_a_class_of_ones_own(own: Callable[..., Prepared], sectors: pd.DataFrame) -> None:
    made = own("mine.py:Hold", settings='column = "SPY"')
    assert isinstance(made.study, FileStudy)
    assert made.study.study.column == "SPY"
    assert made.periods_per_year == 261.0
    assert made.benchmark is not None
    np.testing.assert_allclose(made.benchmark, sectors["SPY"])
    assert made.notes == ["Closes: closes.csv, 3 columns, 300 rows", "Benchmark: SPY"]
    function = own("mine.py:hold").study
    expected = made.study.study.run(made.data)
    assert function(made.data, {"column": "SPY"}).equals(expected)
    assert made.study(made.data, {}).equals(expected)
    assert function.study.__module__.startswith("study_file_mine_")  # no module that is there already is hidden
    bare = own("mine.py:hold", data='prices = "closes.csv"')
    assert bare.benchmark is None
    assert bare.notes[-1] == "No benchmark"


def test_a_file_that_was_changed_is_read_again(own: Callable[..., Prepared], tmp_path: Path) -> None:
    before = own("mine.py:Hold").study
    again = own("mine.py:Hold").study
    assert type(again.study) is type(before.study)
    assert content_hash(again) == content_hash(before)
    assert content_hash(replace(before, path="/elsewhere/mine.py")) == content_hash(before)
    assert content_hash(own("mine.py:Hold", settings='column = "SPY"').study) != content_hash(before)
    (tmp_path / "mine.py").write_text(OWN.replace('"AA"', '"BB"'))
    changed = own("mine.py:Hold").study
    assert changed.study.column == "BB"
    assert content_hash(changed) != content_hash(before)


@pytest.mark.parametrize(
    ("name", "tables", "words"),
    [
        ("mine.py:hold", {"settings": "a = 1"}, ["a function has no settings at [settings] of own.toml: 'a'"]),
        ("mine.py:Hold", {"settings": "a = 1"}, ["Hold has no such setting at [settings] of own.toml: 'a'"]),
        ("mine.py:gone", {}, ["has no such name: 'gone'", "mine.py"]),
        ("mine.py:number", {}, ["not a study: 'int'"]),
        ("no_such_package:run", {}, ["cannot be imported", "'no_such_package'"]),
        ("../up:run", {}, ["this is no name of a module: '../up'"]),
        ("broken.py:run", {}, ["raises ZeroDivisionError when it is read", "broken.py, line 3"]),
        ("syntax.py:run", {}, ["raises SyntaxError when it is read", "syntax.py, line 2"]),
        ("needs.py:run", {}, ["raises ModuleNotFoundError", "needs.py, line 1", "has to be installed"]),
        ("mine.py:hold", {"selection": ""}, ["needs its periods per year at [selection]"]),
        ("mine.py:hold", {"data": 'prices = "closes.csv"\nbenchmark = "X"'}, ["the benchmark is no column", "'AA'"]),
    ],
)
def test_code_that_is_no_study(
    own: Callable[..., Prepared], tmp_path: Path, name: str, tables: dict[str, str], words: list[str]
) -> None:
    (tmp_path / "broken.py").write_text("def f():\n    pass\n1 / 0\n")
    (tmp_path / "syntax.py").write_text("a = 1\nb = = 2\n")
    (tmp_path / "needs.py").write_text("import no_such_package\n")
    with pytest.raises(SpecificationError) as caught:
        own(name, **tables)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_a_file_that_is_none(own: Callable[..., Prepared], tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"cannot be read at .*gone\.py"):
        own("gone.py:run")
    (tmp_path / "latin.py").write_bytes(b"# \xe9")
    with pytest.raises(DataFileError, match=r"latin\.py is not UTF-8"):
        own("latin.py:run")


def test_another_process_is_given_the_text_of_the_file(
    own: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain pickle of it runs where nothing knows the file, and where it has what cannot be pickled."""
    made = own("mine.py:Locked", settings='column = "BB"')
    sent = pickle.dumps((made.study, own("mine.py:Many").study))
    for name in [name for name in sys.modules if name.startswith("study_file_mine_")]:
        monkeypatch.delitem(sys.modules, name)
    study, many = pickle.loads(sent)
    returns = made.data.pct_change().fillna(0.0)
    assert study(made.data, {}).equals(returns["BB"])
    assert study(made.data, {"column": "SPY"}).equals(returns["SPY"])
    assert not hasattr(study, "many")
    first, second = many.many(made.data, [{"column": "AA"}, {"column": "SPY"}])
    assert first.equals(returns["AA"])
    assert second.equals(returns["SPY"])


def test_days_stand_for_all_of_their_rows_whatever_the_clock(tmp_path: Path, own: Callable[..., Prepared]) -> None:
    hours = pd.date_range("2020-01-01", periods=72, freq="h", tz="UTC", name="date")
    pd.DataFrame({"AA": np.arange(1.0, 73.0)}, hours).to_csv(tmp_path / "hours.csv")
    data = 'prices = "hours.csv"\nstart = 2020-01-02\nend = 2020-01-02'
    assert len(own("mine.py:hold", data=data).dates) == 24
    data = 'prices = "hours.csv"\nstart = 2020-01-02T06:00:00\nend = 2020-01-02T02:00:00-05:00'
    assert [int(date.hour) for date in own("mine.py:hold", data=data).dates] == [6, 7]


def test_sections_know_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_text("a = 1\nb = 2.5\nc = true\nwhen = 2020-01-02\n[d]\ne = 'x'\n")
    section, text = read_toml(path)
    assert text.startswith("a = 1")
    assert (section.whole("a"), section.number("a"), section.number("b"), section.flag("c", False)) == (
        1,
        1.0,
        2.5,
        True,
    )
    assert (section.date("when"), section.date("never")) == ("2020-01-02", None)
    assert section.section("d").text("e") == "x"
    assert section.section("f", needed=False).content == {}
    assert "d" in section
    assert list(section) == ["a", "b", "c", "when", "d"]
    section.done()
    for read in (
        lambda: section.whole("b"),
        lambda: section.whole("c"),
        lambda: section.number("c"),
        lambda: section.text("a"),
        lambda: section.section("a"),
        lambda: section.flag("a", True),
        lambda: section.date("c"),
    ):
        with pytest.raises(SpecificationError, match=r"at some\.toml"):
            read()
    with pytest.raises(SpecificationError, match="known are"):
        Section({"zzz": 1}, "x").done("alpha")


def test_things_by_kind() -> None:
    for name, cls in kinds().items():
        assert cls.__name__ == name
    assert thing_from([{"kind": "Limits", "cap": 0.5}, 1], "x") == (Limits(cap=0.5), 1)
    for value, text in (
        ({"cap": 0.5}, "does not say of what kind"),
        ({"kind": "Limits", "cup": 0.5}, "write 'cap'"),
        ({"kind": "Limits", "cap": -1.0}, "at x, Limits: -1.0"),
        ({"kind": "SpreadCost"}, "SpreadCost cannot be made"),
    ):
        with pytest.raises(SpecificationError, match=text):
            thing_from(value, "x")
    with pytest.raises(SpecificationError, match=r"at \[s\] of f: 'wide'"):
        settings_from(Limits, Section({"wide": 1}, "[s] of f"))
