"""Programming languages: C, Go, Java, JavaScript.

Their grammars have no lexer either.  White space and comments are put between lexemes by the library (see gaps), and
names are words that are no keywords.
"""

from collections.abc import Mapping
from dataclasses import replace

from constrain.grammars import ir
from constrain.grammars.composition.expressions import rewritten
from constrain.grammars.library.contexts import in_contexts
from constrain.grammars.library.gaps import looped, with_gaps
from constrain.grammars.library.own_names import with_own_names
from constrain.grammars.library.sources import source
from constrain.grammars.regular import Complement, Intersection, Ranges, Regular, Words

__all__ = ["c", "go", "java", "javascript"]

_C_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Alignas _Alignof
_Atomic _Bool _Complex _Generic _Imaginary _Noreturn _Static_assert _Thread_local
asm __asm __asm__ typeof __typeof __typeof__ __attribute __attribute__ __extension__ __declspec __const __const__
__volatile __volatile__ __restrict __restrict__ __inline __inline__ __signed__ __complex__ __alignof__ __real__ __imag__
__int128 __float128 __thread __builtin_va_arg __builtin_offsetof __builtin_types_compatible_p
"""
_C_NO_ATTRIBUTES = """
break case continue default do else enum for goto if return sizeof struct switch union while _Alignas _Alignof _Generic
_Imaginary _Static_assert asm __asm __asm__ typeof __typeof __typeof__ __attribute __attribute__ __declspec
__extension__ __alignof__ __real__ __imag__ __func__ __builtin_va_arg __builtin_offsetof __builtin_types_compatible_p
"""

_GO_KEYWORDS = """
break case chan const continue default defer else fallthrough for func go goto if import interface map package range
return select struct switch type var
"""
_GO_ENDS = """
IDENTIFIER NUMBER RUNE STRING RAW_STRING PATH INCREMENT FALLTHROUGH RPAR RSQB RBRACE
"""

_JAVA_KEYWORDS = """
abstract assert boolean break byte case catch char class const continue default do double else enum extends final
finally float for goto if implements import instanceof int interface long native new package private protected public
return short static strictfp super switch synchronized this throw throws transient try void volatile while _
true false null
"""

_JAVA_NO_TYPES = "permits record sealed yield"

_JAVASCRIPT_KEYWORDS = """
await break case catch class const continue debugger default delete do else enum export extends false finally for
function if import in instanceof let new null return super switch this throw true try typeof var void while with yield
"""
_JAVASCRIPT_WITHOUT_AWAIT = "plain_block plain_arrow plain_parameters plain_initialized plain_value"
_JAVASCRIPT_IN_LINE = "NAME_IN_LINE WORD_IN_LINE PRIVATE_IN_LINE CLOSE_IN_LINE BRACKET_IN_LINE"


def c(*, preprocessor: bool = True) -> ir.Grammar:
    """Translation units of C11, before or after the preprocessor, with the extensions of GNU C that headers use.

    Without `preprocessor`, what a compiler reads behind it: no directives, and no calls of macros but those that are
    expressions; types are no arguments.
    """
    made = source("c")
    if not preprocessor:
        nothing = ir.Alternation(())
        plain = {
            "_directive": nothing,
            "macro_call": nothing,
            "argument": ir.Reference("chain"),
            "format_macro": nothing,
        }
        made = replace(made, rules={**made.rules, **plain})
    return _language(made, _C_KEYWORDS, ((0x09, 0x09), (0x0B, 0x0D), (0x20, 0x20)))


def go() -> ir.Grammar:
    """Source files of Go 1.19."""
    gaps = dict.fromkeys(_GO_ENDS.split(), "gap_in_line")
    return _language(source("go"), _GO_KEYWORDS, ((0x09, 0x09), (0x0D, 0x0D), (0x20, 0x20)), gaps)


def java() -> ir.Grammar:
    """Compilation units of Java 17 that declare no module."""
    blanks = ((0x09, 0x09), (0x0C, 0x0D), (0x20, 0x20))
    made = _language(source("java"), _JAVA_KEYWORDS, blanks, no_types=_JAVA_NO_TYPES)
    return with_own_names(made, blanks, named="ENUMERATION_", body="enumeration_body", again="OWN_NAME")


def javascript() -> ir.Grammar:
    """Scripts and modules of ECMAScript 2023."""
    gaps = dict.fromkeys(_JAVASCRIPT_IN_LINE.split(), "gap_in_line")
    plain, again = _JAVASCRIPT_WITHOUT_AWAIT.split(), ("async_block", "async_arrow")
    made = in_contexts(source("javascript"), ("AWAIT", "AWAIT_"), without=plain, again=again)
    return _language(made, _JAVASCRIPT_KEYWORDS, ((0x09, 0x09), (0x0B, 0x0C), (0x20, 0x20)), gaps)


def _without(words: str) -> Regular:
    return Complement(Words(tuple(sorted(word.encode() for word in words.split()))))


def _language(
    grammar: ir.Grammar, keywords: str, blanks: Ranges, gaps: Mapping[str, str] | None = None, no_types: str = ""
) -> ir.Grammar:
    """The grammar of a file with its white space, its names without keywords, TYPE_NAME without `no_types` either."""
    reserved = _without(keywords)
    allowed = {
        "NAME_": reserved,
        "IDENTIFIER": reserved,
        "NAME_IN_LINE": reserved,
        "OWN_NAME": reserved,
        "TYPE_NAME": _without(f"{keywords} {no_types} var"),
        "ENUMERATION_": _without(f"{keywords} {no_types} var"),
    }
    allowed["ATTRIBUTE_NAME"] = _without(_C_NO_ATTRIBUTES)
    allowed["NAME_OF_TYPE_"] = _without(f"{keywords} {no_types}")
    known: dict[int, ir.Terminal] = {}

    def changed(node: ir.Expression) -> ir.Expression:
        match node:
            case ir.Terminal(regular, terminal) if terminal in allowed:
                return known.setdefault(id(node), replace(node, regular=Intersection((regular, allowed[terminal]))))
        return node

    rules = {rule: rewritten(expression, changed) for rule, expression in grammar.rules.items()}
    return with_gaps(looped(replace(grammar, rules=rules)), blanks, gaps)
