"""SMILES: molecules and texts that are none, RDKit's and partialsmiles' parsers, shortest completions, masks."""

import itertools
import random
import re
from collections import deque
from itertools import product
from typing import Any

import pytest

import constrain
from constrain.compilation import CompiledConstraint
from constrain.grammars.errors import GrammarError
from constrain.grammars.library import grammar
from tests.grammars.library.programs import check_masks, mutations, walks
from tests.matching import index_of

MOLECULES = [
    "C",
    "CCO",
    "*",
    "c1ccccc1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O",
    "F/C=C/F",
    "F/C=C\\F",
    "[Na+].[Cl-]",
    "[13CH4]",
    "[OH3+]",
    "[Cu+2].[O-2]",
    "[C@TB20](F)(Cl)(Br)(I)N",
    "[CH3:12]C",
    "N#N",
    "[Ga+]$[As-]",
    "C1.C1",
    "C%12CCCCC%12",
    "C%12CCCCC=%12",
    "C=1CCCCC=1",
    "C=1CCCCC1",
    "C1CCCCC=1",
    "C12C3C4C1C5C2C3C45",
    "C1CC1C1CC1",
    "C0CC0",
    "C(C(C(C)))C",
    "C(C)(C)(C)C",
    "C1(CC)CC1",
    "C(CC1)C1",
    "[H][H]",
    "[se]1cccc1",
    "OS(=O)(=O)O",
]
NO_MOLECULES = [
    "",
    "C1",
    "C1CC2",
    "C11",
    "C1C1",
    "C12CCCC12",
    "C12C2CCC1",
    "C(C1)C1C1",
    "C=1CCCCC#1",
    "C(",
    "C)",
    "C()C",
    "(C)C",
    "C((C))C",
    "C%1CC%1",
    "C%12CCCCC%%12",
    "CC=",
    "=C",
    "C==C",
    "C.",
    "C..C",
    "[C",
    "C]",
    "[]",
    "[Xx]",
    "[CH",
    "[+C]",
    "[C@@@]",
    "[C@TB21]",
    "Cc1cccc",
    "Si",
    "C(C)1CC1",
    "1CC1",
]


@pytest.fixture(scope="module")
def smiles() -> CompiledConstraint:
    """The grammar, over bytes."""
    return constrain.compile(grammar("smiles"), index_of([bytes([byte]) for byte in range(256)]))


def partialsmiles_reads(text: str) -> bool:
    """Whether partialsmiles finds no error of syntax; branches at the end, dots within rings and ``:`` are none."""
    parser: Any = pytest.importorskip("partialsmiles")
    try:
        parser.ParseSmiles(text, partial=False, rulesToIgnore=4 | 16 | 64)
    except (parser.SMILESSyntaxError, IndexError):
        return False
    except parser.Error:
        return True
    return True


def rdkit_reads(text: str) -> bool:
    """Whether RDKit reads a molecule, before it looks at valences."""
    chem: Any = pytest.importorskip("rdkit.Chem")
    pytest.importorskip("rdkit.RDLogger").DisableLog("rdApp.*")
    return text != "" and chem.MolFromSmiles(text, sanitize=False) is not None


@pytest.mark.parametrize("text", MOLECULES)
def test_molecules(text: str, smiles: CompiledConstraint) -> None:
    """One of each notation."""
    assert rdkit_reads(text)
    assert smiles.accepts(text)


@pytest.mark.parametrize("text", NO_MOLECULES)
def test_what_is_no_molecule(text: str, smiles: CompiledConstraint) -> None:
    """Errors of syntax, those of rings among them."""
    assert not partialsmiles_reads(text)
    assert not smiles.accepts(text)


def test_hydrogen_has_no_hydrogens(smiles: CompiledConstraint) -> None:
    """The specification says so; parsers read it."""
    assert not smiles.accepts("[HH1]")
    assert not smiles.accepts("[H@H]")
    assert smiles.accepts("[2H+]")


def test_hydrogen_is_not_chiral(smiles: CompiledConstraint) -> None:
    """RDKit does not read it; found by a random walk."""
    for text in ("[H@]", "[H@@-]", "[2H@TH1]"):
        assert not rdkit_reads(text)
        assert not smiles.accepts(text)
        assert smiles.accepts(text.replace("H@", "He@"))


def test_mutations(smiles: CompiledConstraint) -> None:
    """What both parsers refuse is refused; what both read is allowed but for notations of theirs."""
    draw, met = random.Random(0), {False: 0, True: 0}
    for molecule in MOLECULES:
        for changed, _ in zip(mutations(molecule, draw), range(40), strict=False):
            verdicts = {partialsmiles_reads(changed), rdkit_reads(changed)}
            if len(verdicts) == 2 or re.search(r"%0|>|\[0?\d*H.*H", changed):
                continue
            met[verdicts == {True}] += 1
            assert smiles.accepts(changed) == (verdicts == {True}), changed
    assert min(met.values()) > 200, met


def test_random_molecules(smiles: CompiledConstraint) -> None:
    """They are read by RDKit."""
    texts = walks(smiles, 25, length=10)
    assert [text for text in texts if not rdkit_reads(text)] == []
    assert sum(bool(re.search(r"\(.*\d", text)) for text in texts) > 2


def shortest(compiled: CompiledConstraint, text: str) -> int:
    """How much a text has to go on to be a molecule, by breadth-first search over a few signs."""
    pending = deque([(compiled.matcher(), 0)])
    assert pending[0][0].accept_text(text)
    while True:
        matcher, length = pending.popleft()
        if matcher.is_accepting:
            return length
        for sign in "C.()12":
            after = matcher.fork()
            if after.accept_text(sign):
                pending.append((after, length + 1))


def test_completions_are_shortest(smiles: CompiledConstraint) -> None:
    """Of all beginnings over a few signs, and of some long ones."""
    for signs in product("C(1", "C(12", "C(12)"):
        text = "C" + "".join(signs)
        matcher = smiles.matcher()
        if matcher.accept_text(text):
            completion = matcher.shortest_completion().decode()
            assert smiles.accepts(text + completion)
            assert len(completion) == shortest(smiles, text), text
    for text in ("C1CC(CC2C(C(C3C4C%11", "C123C(C45(", "C12345(C(C67", "[C", "C[13"):
        matcher = smiles.matcher()
        assert matcher.accept_text(text)
        assert rdkit_reads(text + matcher.shortest_completion().decode())


def test_ring_numbers_may_be_few() -> None:
    """Numbers from 1 to the given one."""
    few = constrain.compile(grammar("smiles", rings=2), index_of([bytes([byte]) for byte in range(256)]))
    for text in MOLECULES:
        assert few.accepts(text) is not bool(re.search("[03-9%]", re.sub(r"\[[^]]*\]", "", text))), text
    none = constrain.compile(grammar("smiles", rings=0), index_of([bytes([byte]) for byte in range(256)]))
    assert none.accepts("CC(=O)O")
    assert not none.accepts("C1CC1")
    with pytest.raises(GrammarError):
        grammar("smiles", rings=100)


def test_masks_are_exact() -> None:
    """Over bytes and tokens that join lexemes."""
    words = [
        "CC",
        "C1",
        "c1ccccc1",
        "(=O)",
        "=C",
        "[C@@H]",
        "2CC2",
        ")C",
        "))",
        "%1",
        "%12",
        "1)",
        "C(",
        ".C",
        "[O-]",
        "N1C",
        "12",
    ]
    index = index_of([bytes([byte]) for byte in range(256)] + [word.encode() for word in words])
    compiled = constrain.compile(grammar("smiles"), index)
    for molecule in MOLECULES[3:30:3]:
        check_masks(compiled, [molecule], 6)


def test_many_texts_do_not_add_up_to_a_large_grammar() -> None:
    """What is made with a text is bounded by memory: rules of texts that were read before count for no limit."""
    compiled = constrain.CompiledConstraint(
        constrain.grammar("smiles", rings=6),
        constrain.TokenizerIndex.of_bytes(),
        limits=constrain.Limits(max_grammar=2_000),
    )
    for a, b, c, d in itertools.islice(itertools.permutations("123456", 4), 0, None, 6):
        assert compiled.accepts(f"C{a}CCC{b}CCC{c}CCC{d}CCC{a}CC{b}CC{c}CC{d}")
