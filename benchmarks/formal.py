"""Corpora and judges of XML, SMILES, PDDL and first-order logic, for languages.py.

Texts are looked for in folders that environment variables name, else in those of packages and of the system:

    XML_SOURCES     by default /usr/share
    SMILES_SOURCES  files *.smi, one molecule a line; by default those of RDKit
    PDDL_SOURCES    files *.pddl; by default those of unified-planning

Judges are expat and, for names that expat does not know, libxml2; RDKit; the reader of the tests, which goes by the
BNF of PDDL; NLTK.  Without them a language has no texts.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.parsers import expat

__all__ = ["IN_TOKENS", "LANGUAGES", "WALKED"]

_LARGEST = 100_000  # bytes of a file
_MOST = 2_000  # texts of a corpus

Texts = Iterator[tuple[str, str]]


@cache
def _module(name: str) -> Any:
    """A module; None where its package is not installed."""
    return importlib.import_module(name) if importlib.util.find_spec(name.partition(".")[0]) else None


def _files(variable: str, default: Path | None, pattern: str) -> Texts:
    named = os.environ.get(variable)
    folders = list(map(Path, named.split(os.pathsep))) if named else [default] if default is not None else []
    for folder in folders:
        for path in sorted(folder.rglob(pattern)):
            try:
                if path.is_file() and 0 < path.stat().st_size <= _LARGEST:
                    yield str(path.relative_to(folder)), path.read_bytes().decode()
            except (UnicodeDecodeError, OSError):
                continue


def _chosen(texts: Texts) -> Texts:
    """At most `_MOST` of the texts, evenly spread."""
    found = list(texts)
    yield from found[:: max(1, -(-len(found) // _MOST))]


def _package(name: str) -> Path | None:
    found = importlib.util.find_spec(name)
    return None if found is None or found.origin is None else Path(found.origin).parent


def _xml() -> Texts:
    yield from _chosen(_files("XML_SOURCES", Path("/usr/share"), "*.xml"))


def _reads_xml(text: str) -> bool:
    try:
        expat.ParserCreate("utf-8").Parse(text.encode(), True)
    except expat.ExpatError:
        etree = _module("lxml.etree")
        if etree is None:
            return False
        try:
            etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False, load_dtd=False))
        except etree.XMLSyntaxError as error:
            return any(about in str(error) for about in ("Namespace", "QName", "colons are forbidden"))
    return True


def _smiles() -> Texts:
    def lines() -> Texts:
        for name in sorted(map(str, _smiles_files())):
            for number, line in enumerate(Path(name).read_text("utf-8", "replace").splitlines()):
                words = line.replace(",", " ").split()
                if words:
                    yield f"{Path(name).name}:{number + 1}", words[0]

    yield from _chosen(lines())


def _smiles_files() -> Iterator[Path]:
    named = os.environ.get("SMILES_SOURCES")
    folders = list(map(Path, named.split(os.pathsep))) if named else [_package("rdkit")]
    for folder in folders:
        if folder is not None:
            yield from folder.rglob("*.smi")


def _reads_smiles(text: str) -> bool:
    chemistry = _module("rdkit.Chem")
    if chemistry is None or not text:
        return False
    _module("rdkit.RDLogger").DisableLog("rdApp.*")
    return chemistry.MolFromSmiles(text, sanitize=False) is not None


def _pddl() -> Texts:
    yield from _chosen(_files("PDDL_SOURCES", _package("unified_planning"), "*.pddl"))


def _reads_pddl(text: str) -> bool:
    root = str(Path(__file__).resolve().parents[1])
    if root not in sys.path:
        sys.path.append(root)
    return bool(importlib.import_module("tests.grammars.library.pddl_reader").reads(text))


def _formulas() -> Texts:
    yield from ()


def _reads_formula(text: str) -> bool:
    logic = _module("nltk.sem.logic")
    if logic is None:
        return False
    try:
        logic.Expression.fromstring(text)
    except logic.LogicalExpressionException:
        return False
    return True


LANGUAGES: dict[str, tuple[Callable[[], Texts], Callable[[str], bool], dict[str, Any]]] = {
    "fol": (_formulas, _reads_formula, {"notation": "ascii"}),
    "pddl": (_pddl, _reads_pddl, {}),
    "smiles": (_smiles, _reads_smiles, {}),
    "xml": (_xml, _reads_xml, {}),
}
IN_TOKENS: dict[str, dict[str, Any]] = {"smiles": {"rings": 6}}
"""Options over tokens: with all 100 numbers of rings, each token of digits leads to a state of its own."""
WALKED: dict[str, dict[str, Any]] = {"xml": {"tags": {"note": ["date", "to"], "a": []}}}
"""Options of grammars for random walks: with any names, each token that ends one leads to a state of its own."""
