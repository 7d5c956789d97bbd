"""Train and test rows for studies through time: rolling, expanding, by the calendar, and combinatorial purged.

A splitter knows an index and no model. It yields integer positions, as those of scikit-learn do, and works there.
"""

from allocopt.backtests.splitters.calendar_splits import CalendarSplits
from allocopt.backtests.splitters.combinatorial import CombinatorialPurged
from allocopt.backtests.splitters.rows import Expanding, Rolling
from allocopt.backtests.splitters.splitter import Splitter

__all__ = ["CalendarSplits", "CombinatorialPurged", "Expanding", "Rolling", "Splitter"]
