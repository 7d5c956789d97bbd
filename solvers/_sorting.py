"""Put the live sleeves of one date in order: largest desirability first, lower column first on ties.

Everything after this step reads only the ordered values, so the answer cannot depend on how the columns were
permuted. Both sorts are stable, which is what makes the lower column win a tie.
"""

from __future__ import annotations

import numpy as np
from numba import njit

#: Up to here insertion beats the radix sort's eight passes over a 256-bin histogram (measured crossover near 60).
INSERTION_LIMIT = 48


@njit(cache=True, nogil=True, error_model="numpy")
def order_live(row, exclude_missing, values, columns, keys, spare_keys, spare_columns):
    """Gather the live entries of ``row`` in descending order.

    Returns ``(live, excluded, bad)``: the number of live sleeves, the number of NaN treated as not live, and the
    first column whose value is not a finite number >= 0 (-1 if there is none).
    """
    n = row.shape[0]
    live = 0
    excluded = 0
    small = n <= INSERTION_LIMIT
    for column in range(n):
        x = row[column]
        if x > 0.0:
            if x == np.inf:
                return live, excluded, column
            place = live
            if small:
                while place > 0 and values[place - 1] < x:
                    values[place] = values[place - 1]
                    columns[place] = columns[place - 1]
                    place -= 1
            values[place] = x
            columns[place] = column
            live += 1
        elif not x == 0.0:
            if exclude_missing and x != x:
                excluded += 1
            else:
                return live, excluded, column
    if not small:
        _radix_descending(values, columns, live, keys, spare_keys, spare_columns)
    return live, excluded, -1


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
