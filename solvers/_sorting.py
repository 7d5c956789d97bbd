"""Put the live sleeves of one date in order: largest desirability first, lower column first on ties.

Everything after this step reads only the ordered values, so the answer cannot depend on how the columns were
permuted. Both sorts are stable, which is what makes the lower column win a tie.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Up to here ranking every pair, which has no branch to mispredict, beats the radix sort's passes.
RANKING_LIMIT = 24


@njit(cache=True, nogil=True, error_model="numpy")
def order_live(row, exclude_missing, values, columns, keys, spare_keys, spare_columns):
    """Gather the live entries of ``row`` in descending order into ``values``, their columns into ``columns``.

    Returns ``(live, excluded, bad)``: the number of live sleeves, the number of NaN treated as not live, and the
    first column whose value is not a finite number >= 0 (-1 if there is none). Behind the live entries come the
    columns of those that are not live, so that ``columns`` is always a permutation.
    """
    n = row.shape[0]
    good = True
    live = np.int64(0)  # typed: a literal would have the sort compiled twice
    for column in range(n):
        x = row[column]
        good &= (x >= 0.0) & (x < np.inf)
        live += x > 0.0
    excluded = 0
    if not good:
        for column in range(n):
            x = row[column]
            if x != x and exclude_missing:
                excluded += 1
            elif not (x >= 0.0 and x < np.inf):
                return live, excluded, column
    if n <= RANKING_LIMIT:
        _rank_descending(row, values, columns, spare_columns)
    else:
        front, back = 0, live
        for column in range(n):
            x = row[column]
            if x > 0.0:
                values[front] = x
                columns[front] = column
                front += 1
            else:
                columns[back] = column
                back += 1
        if live > 1:
            _radix_descending(values, columns, live, keys, spare_keys, spare_columns)
    return live, excluded, -1


@njit(cache=True, nogil=True, error_model="numpy")
def _rank_descending(row, values, columns, rank):
    """Stable descending order by counting, for each entry, the entries that come before it; NaN counts as zero."""
    n = row.shape[0]
    for i in range(n):
        x = row[i] if row[i] > 0.0 else 0.0
        values[i] = x
        before = 0
        for j in range(i):
            earlier = values[j] >= x
            before += earlier
            rank[j] += 1 - earlier
        rank[i] = before
    for i in range(n):
        columns[rank[i]] = i
    for i in range(n):
        x = row[columns[i]]
        values[i] = x if x > 0.0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _radix_descending(values, columns, count, keys, spare_keys, spare_columns):
    """Stable least-significant-digit radix sort of positive floats, descending, carrying their columns.

    The bit patterns of positive doubles order like the doubles themselves; their complement orders the other way.
    """
    bits = values.view(np.uint64)
    bins = np.zeros((8, 256), np.int64)
    for i in range(count):
        key = ~bits[i]
        keys[i] = key
        for digit in range(8):
            bins[digit, (key >> np.uint64(8 * digit)) & np.uint64(255)] += 1
    source_keys, source_columns = keys, columns
    target_keys, target_columns = spare_keys, spare_columns
    for digit in range(8):
        shift = np.uint64(8 * digit)
        if bins[digit, (source_keys[0] >> shift) & np.uint64(255)] == count:
            continue  # every key has this digit: the pass would copy
        total = 0
        for value in range(256):
            here = bins[digit, value]
            bins[digit, value] = total
            total += here
        for i in range(count):
            key = source_keys[i]
            value = (key >> shift) & np.uint64(255)
            place = bins[digit, value]
            bins[digit, value] = place + 1
            target_keys[place] = key
            target_columns[place] = source_columns[i]
        source_keys, target_keys = target_keys, source_keys
        source_columns, target_columns = target_columns, source_columns
    for i in range(count):
        bits[i] = ~source_keys[i]
        columns[i] = source_columns[i]
