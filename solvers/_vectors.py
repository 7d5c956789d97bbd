"""Eight doubles as one value of a numba kernel, so that arithmetic written for one date works on eight at once.

Plain loops over arrays of lanes leave it to LLVM to find the vector instructions, and of loops with many selections it
left about half to scalar ones. Here the values are LLVM vectors to begin with: whatever the processor has (two
registers of AVX2, four of SSE2 or NEON, one of AVX-512) holds them, each operation rounds as the scalar one does, and
no lane reads another.

A number meets a vector as eight copies of it. A comparison gives a mask, eight booleans, for `where` and `any_lane`.
Masks cannot be combined: LLVM keeps the result of one comparison in the registers' own form, but packs and unpacks that
of ``&`` at a cost of many instructions, and a selection inside another does the same without. Neither type can leave a
kernel. Arrays are given by the address of their data, because passing an array counts its references, and counting is
a locked instruction; whoever takes the address has to keep the array alive.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typeconv.castgraph import Conversion
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

#: Dates side by side: two registers of AVX2, so that one operation need not wait for the one before it.
LANES = 8

_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)


class LanesType(types.Type):
    """Eight doubles."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes{LANES}")

    def can_convert_from(self, context, other):
        """Let a number stand for eight copies of it."""
        return Conversion.safe if isinstance(other, types.Integer | types.Float) else None


class MaskType(types.Type):
    """Eight booleans."""

    def __init__(self) -> None:
        super().__init__(name=f"Mask{LANES}")


lanes_type = LanesType()
mask_type = MaskType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _DOUBLES)


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _BITS)


def _copies(builder, number):
    """Spread a number: a vector of eight times the same."""
    first = builder.insert_element(ir.Constant(_DOUBLES, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    every = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, first, every)


@lower_cast(types.Integer, lanes_type)
@lower_cast(types.Float, lanes_type)
def _cast(context, builder, fromty, toty, value):
    return _copies(builder, context.cast(builder, value, fromty, types.float64))


def _operator(function, operand, result, instruction):
    """Make the kernel's ``function`` (an operator) of two ``operand`` the LLVM instruction of that name."""

    @infer_global(function)
    class Template(ConcreteTemplate):
        cases = [signature(result, operand, operand)]  # noqa: RUF012  # numba's way to say it

    @lower_builtin(function, operand, operand)
    def lower(context, builder, signature, arguments):
        return instruction(builder, *arguments)


_operator(operator.add, lanes_type, lanes_type, ir.IRBuilder.fadd)
_operator(operator.sub, lanes_type, lanes_type, ir.IRBuilder.fsub)
_operator(operator.mul, lanes_type, lanes_type, ir.IRBuilder.fmul)
_operator(operator.truediv, lanes_type, lanes_type, ir.IRBuilder.fdiv)
for _function, _sign in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.eq, "=="),
):
    _operator(_function, lanes_type, mask_type, lambda builder, x, y, sign=_sign: builder.fcmp_ordered(sign, x, y))


@intrinsic
def spread(typing_context, number):
    """Eight copies of a number."""

    def generate(context, builder, signature, arguments):
        return _copies(builder, arguments[0])

    return lanes_type(types.float64), generate


@intrinsic
def where(typing_context, mask, first, second):
    """In each lane ``first`` where the mask is set, else ``second``."""

    def generate(context, builder, signature, arguments):
        return builder.select(*arguments)

    return lanes_type(mask_type, lanes_type, lanes_type), generate


@intrinsic
def smaller(typing_context, first, second):
    """Take the smaller of each two lanes; ``second`` where one of them is NaN, as the processor's instruction does."""

    def generate(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)

    return lanes_type(lanes_type, lanes_type), generate


@intrinsic
def larger(typing_context, first, second):
    """Take the larger of each two lanes; ``second`` where one of them is NaN."""

    def generate(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return lanes_type(lanes_type, lanes_type), generate


def _elementwise(builder, name, value):
    kind = ir.FunctionType(_DOUBLES, [_DOUBLES])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"{name}.v{LANES}f64"), [value])


@intrinsic
def nearest(typing_context, lanes):
    """Each lane rounded to a whole number, halves to even."""

    def generate(context, builder, signature, arguments):
        return _elementwise(builder, "llvm.rint", arguments[0])

    return lanes_type(lanes_type), generate


@intrinsic
def size(typing_context, lanes):
    """Each lane without its sign."""

    def generate(context, builder, signature, arguments):
        return _elementwise(builder, "llvm.fabs", arguments[0])

    return lanes_type(lanes_type), generate


@intrinsic
def any_lane(typing_context, mask):
    """Whether the mask is set in at least one lane."""

    def generate(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(mask_type), generate


def _pointer(builder, address, index, kind):
    """Pointer to the element of a type at an index, counted from an address."""
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [index])


@intrinsic
def load(typing_context, address, index):
    """Eight doubles from the one at an index on. Here as below nothing checks the bounds."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(builder, *arguments, ir.DoubleType())
        return builder.load(builder.bitcast(pointer, _DOUBLES.as_pointer()), align=8)

    return lanes_type(types.intp, types.intp), generate


@intrinsic
def load_spaced(typing_context, address, index, step):
    """Eight doubles, every ``step``-th one from an index on."""

    def generate(context, builder, signature, arguments):
        address, index, step = arguments
        lanes = ir.Constant(_DOUBLES, ir.Undefined)
        for lane in range(LANES):
            number = builder.load(_pointer(builder, address, index, ir.DoubleType()))
            lanes = builder.insert_element(lanes, number, ir.Constant(ir.IntType(32), lane))
            index = builder.add(index, step)
        return lanes

    return lanes_type(types.intp, types.intp, types.intp), generate


@intrinsic
def store(typing_context, address, index, lanes):
    """Write eight doubles from an index on."""

    def generate(context, builder, signature, arguments):
        address, index, lanes = arguments
        pointer = _pointer(builder, address, index, ir.DoubleType())
        builder.store(lanes, builder.bitcast(pointer, _DOUBLES.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, lanes_type), generate


@intrinsic
def scatter(typing_context, address, index, places, lanes):
    """Write eight doubles, each to its own place, counted from an index."""

    def generate(context, builder, signature, arguments):
        address, index, places, lanes = arguments
        whole = builder.fptosi(places, ir.VectorType(ir.IntType(32), LANES))
        for lane in range(LANES):
            constant = ir.Constant(ir.IntType(32), lane)
            place = builder.zext(builder.extract_element(whole, constant), ir.IntType(64))
            pointer = _pointer(builder, address, builder.add(index, place), ir.DoubleType())
            builder.store(builder.extract_element(lanes, constant), pointer)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, lanes_type, lanes_type), generate


def _store_whole(bits):
    @intrinsic
    def store_whole(typing_context, address, index, lanes):
        def generate(context, builder, signature, arguments):
            address, index, lanes = arguments
            kind = ir.IntType(bits)
            whole = builder.fptosi(lanes, ir.VectorType(ir.IntType(32), LANES))
            if bits < 32:
                whole = builder.trunc(whole, ir.VectorType(kind, LANES))
            pointer = _pointer(builder, address, index, kind)
            builder.store(whole, builder.bitcast(pointer, whole.type.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, lanes_type), generate

    return store_whole


#: Write eight whole numbers to an array of int32 or uint8, from an index on.
store_int32, store_uint8 = _store_whole(32), _store_whole(8)
