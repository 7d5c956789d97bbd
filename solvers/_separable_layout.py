"""How the kernels of separable programs lay out a date: a sleeve is a row of two arrays.

``s`` holds its doubles, ``u`` its integers. Notation as in docs/mathematics.md, "Separable programs".
"""

from __future__ import annotations

# Columns of ``s``: target and its logarithm, limits, previous weight and cost rate, the previous weight moved between
# the limits, the levels at which the response jumps, leaves the floor, reaches the kink, leaves it, reaches the cap;
# the weights of the node at hand and of the best support so far.
T, LOG_T, FLOOR, CAP, PREVIOUS, RATE, KINK, JUMP, RISE, REACH, LEAVE, FULL, WEIGHT, BEST, MARGIN = range(15)
DOUBLES = 15

# Columns of ``u``: the limits exactly, in grid units and their fractions; OUT, HELD or OPEN; whether the sleeve may be
# zero although its floor is not; the piece of its response; a copy of STATE; the piece in the best support.
FLOOR_HIGH, FLOOR_LOW, CAP_HIGH, CAP_LOW, STATE, SEMI, PIECE, SAVED, BEST_PIECE, COLUMN = range(10)
INTEGERS = 10

OUT, HELD, OPEN = 0, 1, 2

# Pieces of the response.
NOTHING, AT_FLOOR, BELOW_KINK, AT_KINK, ABOVE_KINK, AT_CAP = 0, 1, 2, 3, 4, 5
