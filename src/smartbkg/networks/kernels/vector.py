"""Eight numbers at a time, inside compiled kernels: numba functions that are one vector instruction each.

Numba leaves it to LLVM to find the vector instructions in a loop, and the short rows of a network's heads are where it
gives up. Here a kernel says what it means: a vector type of `LANES` numbers of an array's own type, held in registers,
which LLVM turns into AVX, SSE or NEON instructions. Positions count flat through a C-contiguous array and are not
checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import extending, types

#: Numbers in a vector.
LANES: Final = 8

_INT32: Final = ir.IntType(32)

# Numba's own annotations describe neither the functions that these decorators return nor its classes of types.
_intrinsic: Any = extending.intrinsic
_register_model: Any = extending.register_model
_PrimitiveModel: Any = extending.models.PrimitiveModel
_Type: Any = types.Type


class VectorType(_Type):  # type: ignore[misc]
    """Numba's type of `LANES` numbers in registers."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Vector({element}, {LANES})")


@_register_model(VectorType)
class _VectorModel(_PrimitiveModel):  # type: ignore[misc]
    """A vector is one LLVM value."""

    def __init__(self, manager: Any, vector: VectorType) -> None:
        super().__init__(manager, vector, ir.VectorType(manager.lookup(vector.element).get_value_type(), LANES))


def _address(context: Any, builder: Any, array_type: Any, array: Any, position: Any) -> Any:
    data = builder.extract_value(array, context.data_model_manager[array_type].get_field_position("data"))
    return builder.gep(data, [position])


def _vector_address(context: Any, builder: Any, array_type: Any, array: Any, position: Any) -> Any:
    pointer = _address(context, builder, array_type, array, position)
    return builder.bitcast(pointer, ir.VectorType(pointer.type.pointee, LANES).as_pointer())


def _spread(builder: Any, value: Any) -> Any:
    vector = ir.VectorType(value.type, LANES)
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))


def _n_bytes(array_type: Any) -> int:
    return int(array_type.dtype.bitwidth) // 8


@_intrinsic
def load(typing_context, array, position):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """The vector ``array.flat[position:position + LANES]``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        address = _vector_address(context, builder, signature.args[0], *arguments)
        return builder.load(address, align=_n_bytes(signature.args[0]))

    return VectorType(array.dtype)(array, types.intp), generate


@_intrinsic
def load_spread(typing_context, array, position):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """The number ``array.flat[position]``, `LANES` times."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _spread(builder, builder.load(_address(context, builder, signature.args[0], *arguments)))

    return VectorType(array.dtype)(array, types.intp), generate


@_intrinsic
def store(typing_context, array, position, vector):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """``array.flat[position:position + LANES] = vector``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        address = _vector_address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], address, align=_n_bytes(signature.args[0]))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@_intrinsic
def spread(typing_context, value):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """The number, `LANES` times."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return _spread(builder, arguments[0])

    return VectorType(value)(value), generate


@_intrinsic
def constant(typing_context, array, value):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """The number, `LANES` times, in the type of an array."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        element = context.get_value_type(signature.args[0].dtype)
        value = arguments[1]
        return _spread(builder, value if value.type == element else builder.fptrunc(value, element))

    return VectorType(array.dtype)(array, types.float64), generate


def _binary(emit: Callable[[Any, Any, Any], Any], meaning: str) -> Any:
    def operation(typing_context, left, right):  # type: ignore[no-untyped-def]  # noqa: ARG001
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
            return emit(builder, *arguments)

        return left(left, right), generate

    operation.__doc__ = meaning
    return _intrinsic(operation)


add = _binary(lambda builder, left, right: builder.fadd(left, right, flags=("contract",)), "left + right")
subtract = _binary(lambda builder, left, right: builder.fsub(left, right, flags=("contract",)), "left - right")
multiply = _binary(lambda builder, left, right: builder.fmul(left, right, flags=("contract",)), "left · right")
divide = _binary(lambda builder, left, right: builder.fdiv(left, right), "left / right")
larger = _binary(
    lambda builder, left, right: builder.select(builder.fcmp_ordered(">", left, right), left, right),
    "The larger of both; ``right`` where either is NaN.",
)


@_intrinsic
def multiply_add(typing_context, left, right, total):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """left · right + total, with one rounding where the processor can."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        left, right, total = arguments
        return builder.fadd(total, builder.fmul(left, right, flags=("contract",)), flags=("contract",))

    return total(left, right, total), generate


@_intrinsic
def sum_of(typing_context, vector):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """The sum of a vector's numbers, in pairs."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        value, n = arguments[0], LANES
        while n > 1:
            half = n // 2
            lower = ir.Constant(ir.VectorType(_INT32, half), list(range(half)))
            upper = ir.Constant(ir.VectorType(_INT32, half), list(range(half, n)))
            nothing = ir.Constant(value.type, ir.Undefined)
            value = builder.fadd(
                builder.shuffle_vector(value, nothing, lower), builder.shuffle_vector(value, nothing, upper)
            )
            n = half
        return builder.extract_element(value, ir.Constant(_INT32, 0))

    return vector.element(vector), generate


@_intrinsic
def slope_where_negative(typing_context, sign, slope):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """1 where ``sign`` is above 0, else ``slope``: the derivative of a leaky ReLU, from its argument or its value."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        sign, slope = arguments
        is_positive = builder.fcmp_ordered(">", sign, ir.Constant(sign.type, [0.0] * LANES))
        return builder.select(is_positive, ir.Constant(sign.type, [1.0] * LANES), slope)

    return sign(sign, slope), generate


#: exp(r) = 1 + r + r² · (sum of these, highest power first), |r| ≤ ln 2 / 2: the polynomial of Cephes' ``expf``.
_EXPONENTIAL: Final = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
#: ln 2 in two parts, the first of few digits, so that multiples of it are exact.
_LN2: Final = (0.693359375, -2.12194440e-4)
#: Below this the exponential is no normal number of 32 bits.
_LOWEST_EXPONENT: Final = -87.0


def _exponential_of_float32(builder: Any, value: Any) -> Any:
    """exp(x) = 2^k · exp(x - k · ln 2), k the nearest integer to x / ln 2."""

    def constant(number: float) -> Any:
        return ir.Constant(value.type, [number] * LANES)

    def multiply_add(left: Any, right: Any, total: Any) -> Any:
        return builder.fadd(builder.fmul(left, right, flags=("contract",)), total, flags=("contract",))

    integers = ir.VectorType(_INT32, LANES)
    lowest = constant(_LOWEST_EXPONENT)
    value = builder.select(builder.fcmp_ordered("<", value, lowest), lowest, value)
    # Conversion cuts towards zero, which for numbers ≤ 0 that were moved by 1/2 is rounding.
    k = builder.fptosi(multiply_add(value, constant(1.44269504), constant(-0.5)), integers)
    k_as_float = builder.sitofp(k, value.type)
    rest = multiply_add(k_as_float, constant(-_LN2[0]), value)
    rest = multiply_add(k_as_float, constant(-_LN2[1]), rest)
    total = constant(_EXPONENTIAL[0])
    for coefficient in _EXPONENTIAL[1:]:
        total = multiply_add(total, rest, constant(coefficient))
    total = builder.fadd(multiply_add(builder.fmul(rest, rest), total, rest), constant(1.0))
    biased = builder.add(k, ir.Constant(integers, [127] * LANES))
    power = builder.bitcast(builder.shl(biased, ir.Constant(integers, [23] * LANES)), value.type)
    return builder.fmul(total, power)


@_intrinsic
def exponential(typing_context, vector):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """exp of numbers ≤ 0; for float32 with a relative error below 2e-7, and exp(-87) for all below -87."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        value = arguments[0]
        if value.type.element == ir.FloatType():
            return _exponential_of_float32(builder, value)
        function = builder.module.declare_intrinsic("llvm.exp", [value.type.element])
        for lane in range(LANES):
            place = ir.Constant(_INT32, lane)
            value = builder.insert_element(
                value, builder.call(function, [builder.extract_element(value, place)]), place
            )
        return value

    return vector(vector), generate


__all__ = [
    "LANES",
    "VectorType",
    "add",
    "constant",
    "divide",
    "exponential",
    "larger",
    "load",
    "load_spread",
    "multiply",
    "multiply_add",
    "slope_where_negative",
    "spread",
    "store",
    "subtract",
    "sum_of",
]
