"""XML: documents and texts that are none, expat's and libxml2's parsers, masks."""

import random
from xml.parsers import expat

import pytest

import constrain
from constrain.compilation import CompiledConstraint
from constrain.grammars.automata.language import Language
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import grammar
from constrain.grammars.library import xml as module
from tests.grammars.library.programs import check_masks, walks, wrongly_allowed
from tests.matching import index_of

SAMPLE = """<?xml version="1.0" encoding='UTF-8' standalone="yes"?>
<!-- a note -->
<!DOCTYPE note SYSTEM "note.dtd">
<note date="2024-01-01" to='"you" &amp; me'>
  <head lang="en"/>Text ]] &gt; &#x1F600; &#233;
  <body ><p>One</p ><p>Two<br/></p><!-- - -->
  <![CDATA[<a> & ]] ]]></body>
  <?php echo "?" ?>
</note>
<!---->
"""
TAGS = {"note": ["date", "to"], "head": ["lang"], "body": [], "p": [], "br": []}

ALLOWED = [
    "<a/>",
    "<a></a >",
    "<a\n b = '1'\tc='<'/>".replace("<'", "&lt;'"),
    "<ab><a><ab/></a></ab>",
    "<a>]]</a>",
    "<a>]&gt;</a>",
    "<a:b-c.d _='é'>é</a:b-c.d>",
    "\n<a/>",
    "<?xml version='1.0'?><a/>",
    "<?x?><a/><?y z??>",
    "<!DOCTYPE a><a/>",
    "<!DOCTYPE a PUBLIC '-//W3C//DTD' \"x\"><a/>",
    "<a><![CDATA[]]></a>",
    "<a><![CDATA[]]]]><![CDATA[>]]></a>",
]
REFUSED = [
    "",
    "a",
    "<a>",
    "<a></b>",
    "<a><b></a></b>",
    "<a></ab>",
    "<ab></a>",
    "<a/><a/>",
    "<a/>x",
    "< a/>",
    "<a b/>",
    "<a b=1/>",
    "<a b='1' b='2'/>",
    "<a b='1' c='' b='2'/>",
    "<a b='1'c='2'/>",
    "<a b='<'/>",
    "<a b='&'/>",
    "<a>&nbsp;</a>",
    "<a>&#0;</a>",
    "<a>&#xD800;</a>",
    "<a>]]></a>",
    "<a><!-- -- --></a>",
    "<a><!-- ---></a>",
    "<a><?xml x?></a>",
    " <?xml version='1.0'?><a/>",
    "<?xml encoding='utf-8'?><a/>",
    "<1/>",
    "<a>\x01</a>",
    "<a/><!DOCTYPE a>",
]


def reads_strictly(text: str) -> bool:
    """Whether expat reads a document, whose names are those of the fourth edition."""
    parser = expat.ParserCreate("utf-8")
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError:
        return False
    return True


def reads(text: str) -> bool:
    """Whether expat reads a document, or libxml2, which knows the fifth edition's names and asks for namespaces."""
    if reads_strictly(text):
        return True
    etree = pytest.importorskip("lxml.etree")
    try:
        etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False, load_dtd=False))
    except etree.XMLSyntaxError as error:
        return "Namespace" in str(error) or "Failed to parse QName" in str(error)
    return True


def over_bytes(**options: object) -> CompiledConstraint:
    """The grammar, over bytes."""
    return constrain.compile(grammar("xml", **options), index_of([bytes([byte]) for byte in range(256)]))


@pytest.fixture(scope="module")
def xml() -> CompiledConstraint:
    """Elements of any names."""
    return over_bytes()


@pytest.mark.parametrize("text", ALLOWED)
def test_documents(text: str, xml: CompiledConstraint) -> None:
    """One of each notation."""
    assert reads_strictly(text)
    assert xml.accepts(text)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_document(text: str, xml: CompiledConstraint) -> None:
    """Names that differ, attributes that do not, signs that must not stand there."""
    assert not reads_strictly(text)
    assert not xml.accepts(text)


@pytest.mark.parametrize("options", [{}, {"tags": TAGS}, {"tags": list(TAGS), "root": "note"}], ids=str)
def test_the_sample_and_its_mutations(options: dict[str, object]) -> None:
    """It is allowed; of what expat refuses, at least 99 of 100 are refused."""
    compiled = over_bytes(**options)
    assert reads_strictly(SAMPLE)
    assert compiled.accepts(SAMPLE)
    wrong = wrongly_allowed(compiled, reads, SAMPLE, 100)
    assert len(wrong) <= 1, wrong


def test_random_documents(xml: CompiledConstraint) -> None:
    """They are read by a parser, those over given tags by expat."""
    texts = walks(xml, 5) + walks(xml, 4, "<a b='1' ")
    assert [text for text in texts if not reads(text)] == []
    given = over_bytes(tags=TAGS, root="body")
    assert [text for text in walks(given, 6, "<body>") if not reads_strictly(text)] == []


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("<note date=''/>", True),
        ("<note to='' date=''/>", True),
        ("<note to='' to=''/>", False),
        ("<note lang=''/>", False),
        ("<p to=''/>", False),
        ("<notes/>", False),
        ("<p><q/></p>", False),
        ("<p><note><p/></note></p>", True),
    ],
)
def test_names_that_are_given(text: str, allowed: bool) -> None:
    """Tags and attributes that are given are the only ones."""
    assert over_bytes(tags=TAGS).accepts(text) is allowed
    assert not over_bytes(tags=TAGS, root="head").accepts(text)


def test_completions(xml: CompiledConstraint) -> None:
    """What has been begun is ended, by the names that it has."""
    draw = random.Random(2)
    for _ in range(10):
        matcher, before = xml.matcher(), SAMPLE[: draw.randrange(len(SAMPLE))]
        assert matcher.accept_text(before)
        whole = before + matcher.shortest_completion().decode()
        assert reads(whole), whole
        assert xml.accepts(whole)


def test_masks_are_exact() -> None:
    """Over bytes and tokens that join lexemes."""
    words = [
        "<a",
        "</",
        "</p>",
        "/>",
        "><",
        "='",
        '"/>',
        "<!--",
        "-->",
        "]]>",
        "&#",
        "note",
        "p><p",
        "<p>x</p>",
        " to=''",
    ]
    index = index_of([bytes([byte]) for byte in range(256)] + [word.encode() for word in words])
    choices: list[dict[str, object]] = [{}, {"tags": TAGS}]
    for options in choices:
        check_masks(constrain.compile(grammar("xml", **options), index), [SAMPLE], 25)
        check_masks(
            constrain.compile(grammar("xml", **options), index), ["<p><note to='1' date='2'><p/></note></p>"], 25
        )


def test_numbers_of_characters() -> None:
    """References are to characters of XML, in decimal and hexadecimal digits."""
    decimal, hexadecimal = Language(module._decimal()), Language(module._pattern(module._HEXADECIMAL))
    edges = (0, 9, 10, 13, 0x20, 0xFF, 0xFFF, 0x1000, 0xD7FF, 0xE000, 0xFFFD, 0x10000, 0xFFFFF, 0x10FFFF)
    for number in {edge + step for edge in edges for step in range(-3, 4) if edge + step >= 0}:
        legal = number in (9, 10, 13) or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD
        legal = legal or 0x10000 <= number <= 0x10FFFF
        assert (b"%d" % number in decimal) is legal
        assert (b"%x" % number in hexadecimal) is legal
        assert (b"%X" % number in hexadecimal) is legal


def test_options_are_checked() -> None:
    """Names that are none, and a root that is not there."""
    wrong: list[dict[str, object]] = [
        {"tags": []},
        {"tags": ["1"]},
        {"tags": {"a": ["b c"]}},
        {"tags": ["a"], "root": "b"},
        {"root": "<"},
    ]
    for options in wrong:
        with pytest.raises(GrammarError):
            grammar("xml", **options)
