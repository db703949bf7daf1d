"""Eight numbers at a time, inside compiled kernels: numba functions that are one vector instruction each.

Numba leaves it to LLVM to find the vector instructions in a loop, and the short rows of a network's heads are where it
gives up. Here a kernel says what it means: a vector type of `LANES` numbers of an array's own type, held in registers,
which LLVM turns into AVX, SSE or NEON instructions. Positions count flat through a C-contiguous array and are not
checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir  # type: ignore[import-untyped]
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
    data = context.make_array(array_type)(context, builder, array).data
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


def _binary(emit: Callable[[Any, Any, Any], Any], meaning: str) -> Any:
    def operation(typing_context, left, right):  # type: ignore[no-untyped-def]  # noqa: ARG001
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
            return emit(builder, *arguments)

        return left(left, right), generate

    operation.__doc__ = meaning
    return _intrinsic(operation)


add = _binary(lambda builder, left, right: builder.fadd(left, right, flags=("contract",)), "left + right")
multiply = _binary(lambda builder, left, right: builder.fmul(left, right, flags=("contract",)), "left · right")
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


__all__ = [
    "LANES",
    "VectorType",
    "add",
    "larger",
    "load",
    "load_spread",
    "multiply",
    "multiply_add",
    "spread",
    "store",
    "sum_of",
]
