"""How kernels are compiled and how they call each other.

Kernels work on a store's memory (see `store`) through a bare pointer, so that a call passes one word and an access
is one instruction.  There are three sorts, all compiled on first use (importing the package never compiles):

``kernel``   called from Python, with the address of the memory; cached on disk; releases the GIL
``service``  called by kernels through a table of addresses that the memory's header points to
``inner``    compiled into each kernel or service that calls it

Why services.  Numba links, optimises and translates all that a function calls once more for each function that
calls it: a chain of functions costs the square of its length, a minute for this package.  A call through a table
ends the chain, and costs two nanoseconds.

Integers are ``int64`` throughout: numba would otherwise compile a callee once more for every literal and every
``int32`` that some caller passes.

Numba checks cached code only against the text of the file it is written in.  Every kernel file therefore carries
a line ``KERNELS = "…"``, a digest of all kernel files together, so that editing one of them changes the text of
all; ``python -m constrain.grammars.automata.stamp`` renews the lines and a test compares them.
``CONSTRAIN_NO_KERNEL_CACHE=1`` compiles afresh in every process.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

__all__ = [
    "CODE",
    "Cells",
    "Memory",
    "code_table",
    "inner",
    "int64",
    "kernel",
    "linked",
    "memory_at",
    "service",
    "words_at",
]

Cells: TypeAlias = npt.NDArray[np.int32]


class Memory(Protocol):
    """What kernels see of a memory: a pointer to its cells, which are read as int32 and have no bounds."""

    def __getitem__(self, cell: int, /) -> int: ...

    def __setitem__(self, cell: int, value: int, /) -> None: ...


if TYPE_CHECKING:

    def int64(value: Any) -> int:
        """In kernels, `value` with 64 bits: numbers of cells are added and multiplied as such."""
        ...
else:
    int64 = np.int64

CODE = 62  # header cells 62 and 63: the address of the table of services

# The place of each service in the table.  Compiled callers hold these numbers.
SERVICES = (
    "intern",
    "sort_unique",
    "concat",
    "union",
    "intersect",
    "build_trie",
    "with_end",
    "transitions",
    "json_transitions",
    "decimal_transitions",
    "some_char",
    "alive",
    "sort_unique_triples",
    "set_of",
    "close_set",
    "go_to",
    "lexer_step",
    "config_step",
    "is_live",
    "container_moves",
    "container_advance",
    "container_final",
    "container_rule",
    "capture_moves",
    "capture_advance",
    "shortest_bound",
    "shortest_length",
    "container_length",
    "state_length",
    "set_length",
    "left_at_least",
)

_pointer = types.CPointer(types.int32)
_Function = TypeVar("_Function", bound=Callable[..., Any])
_bodies: dict[str, Callable[..., Any]] = {}
_code: dict[str, Any] = {}
_table = np.zeros(len(SERVICES), np.int64)


def _cached() -> bool:
    return not os.environ.get("CONSTRAIN_NO_KERNEL_CACHE")


def _widened(kind: Any) -> Any:
    kind = types.unliteral(kind)
    return types.int64 if isinstance(kind, types.Integer | types.Boolean) else kind


def _compiled(function: _Function, **options: Any) -> _Function:
    dispatcher: Any = njit(nogil=True, error_model="numpy", **options)(function)
    compile_for = dispatcher.compile
    dispatcher.compile = lambda signature: compile_for(tuple(map(_widened, signature)))
    return cast(_Function, dispatcher)


def kernel(function: _Function) -> _Function:
    """Compile `function` for calls from Python."""
    return _compiled(function, cache=_cached())


def inner(function: _Function) -> _Function:
    """Compile `function` into its callers."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _pointer_at(kind: Any, description: str) -> Any:
    def at(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(kind))

        return kind(types.int64), generate

    at.__doc__ = description
    return intrinsic(at)


memory_at: Callable[[int], Memory] = _pointer_at(_pointer, "The 32-bit cells at an address.")
words_at: Callable[[int], Memory] = _pointer_at(types.CPointer(types.int64), "The 64-bit words at an address.")


def _call_service(typing_context: Any, m: Any, slot: Any, arguments: Any) -> Any:
    """Call the service at `slot` of the memory's table."""
    count = len(arguments)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        memory, number, pack = values
        word = ir.IntType(64)
        cell = builder.gep(memory, [word(CODE)])
        table = builder.inttoptr(builder.load(builder.bitcast(cell, word.as_pointer())), word.as_pointer())
        address = builder.load(builder.gep(table, [number]))
        kind = ir.FunctionType(word, [memory.type] + [word] * count)
        code = builder.inttoptr(address, kind.as_pointer())
        return builder.call(code, [memory] + [builder.extract_value(pack, i) for i in range(count)])

    pack = types.UniTuple(types.int64, count)
    return types.int64(_pointer, types.int64, pack), generate


_call: Callable[[Memory, int, tuple[int, ...]], int] = cast(Any, intrinsic(_call_service))


def linked(name: str, arity: int) -> Callable[..., int]:
    """What calls the service `name` through the table, wherever it is defined."""
    slot = SERVICES.index(name)
    if arity == 1:
        return inner(lambda m, a: _call(m, slot, (a,)))
    if arity == 2:
        return inner(lambda m, a, b: _call(m, slot, (a, b)))
    if arity == 3:
        return inner(lambda m, a, b, c: _call(m, slot, (a, b, c)))
    raise TypeError("a service takes one to three numbers")


def service(function: _Function) -> _Function:
    """Compile `function`, of a memory and one to three numbers, once; what is returned calls it.

    Its result is an int64.
    """
    name = function.__name__
    _bodies[name] = function
    return cast(_Function, linked(name, function.__code__.co_argcount - 1))


def code_table() -> int:
    """The address of the table of services, which are compiled or loaded now if they have not been yet."""
    for slot, name in enumerate(SERVICES):
        if name not in _code and name in _bodies:
            function = _bodies[name]
            arity = function.__code__.co_argcount - 1
            signature = types.int64(_pointer, *[types.int64] * arity)
            _code[name] = cfunc(signature, cache=_cached(), error_model="numpy")(function)
            _table[slot] = _code[name].address
    return _table.ctypes.data
