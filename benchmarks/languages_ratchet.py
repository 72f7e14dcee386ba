"""Files of fixed versions that the library's grammars do not allow, by name: a list that only gets shorter.

    python benchmarks/languages_ratchet.py [NAME …] --record FILE

The corpora come with Python, Go and npm, or with packages; those that are not there keep what the file says of them.
Of each it has the version, how many files there are, and those that the grammar does not allow: those that the
language's own parser reads, and those that it does not read either.  The tests compare with
tests/grammars/library/corpora_not_allowed.json.
"""

import argparse
import glob
import importlib.metadata
import json
import platform
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import formal
import languages

import constrain

Texts = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Corpus:
    """Files of one version: the language that they are in, the version, None where they are missing, and the texts."""

    language: str
    version: Callable[[], str | None]
    texts: Callable[[], Texts]


def _package(name: str) -> Callable[[], str | None]:
    def version() -> str | None:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return None

    return version


def _headers_of_numpy() -> Texts:
    import numpy as np

    yield from languages.files(Path(np.get_include()), "*.h")


def _go() -> Path | None:
    """The folder of Go's own source, if there is exactly one installed."""
    found = [Path(name).resolve() for name in glob.glob("/usr/share/go-*/src") + glob.glob("/usr/local/go/src")]
    return found[0] if len(found) == 1 else None


def _version_of_go() -> str | None:
    source = _go()
    places = [] if source is None else [source.parent, Path("/usr/lib", source.parent.name)]
    return next((found.read_text().split()[0] for place in places if (found := place / "VERSION").is_file()), None)


def _files_of_go() -> Texts:
    source = _go()
    if source is not None:
        yield from (pair for pair in languages.files(source, "*.go") if "testdata" not in pair[0])


_NPM = Path("/usr/lib/node_modules/npm")


def _version_of_npm() -> str | None:
    about = _NPM / "package.json"
    return str(json.loads(about.read_text("utf-8"))["version"]) if about.is_file() else None


def _toml_of_python() -> Texts:
    yield from languages.files(Path(sysconfig.get_path("stdlib"), "test", "test_tomllib", "data", "valid"), "*.toml")


CORPORA: dict[str, Corpus] = {
    "C: headers of Python": Corpus(
        "c", platform.python_version, lambda: languages.files(Path(sysconfig.get_path("include")), "*.h")
    ),
    "C: headers of numpy": Corpus("c", _package("numpy"), _headers_of_numpy),
    "Go: its own source": Corpus("go", _version_of_go, _files_of_go),
    "JavaScript: npm": Corpus("javascript", _version_of_npm, lambda: languages.files(_NPM, "*.js")),
    "PDDL: unified-planning": Corpus("pddl", _package("unified_planning"), formal.LANGUAGES["pddl"][0]),
    "Python: standard library": Corpus("python", platform.python_version, languages.standard_library),
    "SMILES: RDKit": Corpus("smiles", _package("rdkit"), formal.LANGUAGES["smiles"][0]),
    "TOML: tests of tomllib": Corpus("toml", platform.python_version, _toml_of_python),
}


def compiled(name: str) -> Any:
    """The grammar of a corpus over bytes."""
    return constrain.compile(constrain.grammar(CORPORA[name].language), constrain.TokenizerIndex.of_bytes())


def recorded(name: str) -> dict[str, Any] | None:
    """What is to be written down of a corpus; None where it is missing."""
    corpus = CORPORA[name]
    version, reads, constraint = corpus.version(), languages.LANGUAGES[corpus.language].reads, compiled(name)
    texts = list(corpus.texts()) if version is not None else []
    if not texts:
        return None
    refused = {path: reads(text) for path, text in texts if not constraint.accepts(text)}
    return {
        "version": version,
        "files": len(texts),
        "not allowed": sorted(path for path, read in refused.items() if read),
        "not read either": sorted(path for path, read in refused.items() if not read),
    }


def main() -> None:
    """Read the corpora, and write the list."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CORPORA)}; by default all")
    parser.add_argument("--record", type=Path, required=True, metavar="FILE", help="the list")
    options = parser.parse_args()
    unknown = set(options.names) - set(CORPORA)
    if unknown:
        parser.error(f"no corpus is called {', '.join(sorted(unknown))}")
    known = json.loads(options.record.read_text("utf-8")) if options.record.exists() else {}
    for name in options.names or CORPORA:
        found = recorded(name)
        if found is not None:
            known[name] = found
            in_scope = found["files"] - len(found["not read either"])
            print(f"{name}, {found['version']}: {in_scope - len(found['not allowed'])} of {in_scope} allowed")
            options.record.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
