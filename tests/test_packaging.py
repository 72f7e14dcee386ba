"""What is installed is what is in the tree: packages, data files, names, pinned versions."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import constrain
from constrain.grammars.automata import stamp

ROOT = Path(__file__).parent.parent
FOLDERS = ("constrain", "grammars", "tokenizer_index", "decoders")  # the package, and its layers from below
NOT_INSTALLED = {".pyc", ".nbi", ".nbc"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The contents of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _folders_with_code() -> dict[str, str]:
    """The packages that there are, by name, and their folders."""
    found = {}
    for top in FOLDERS:
        name = top if top == "constrain" else f"constrain.{top}"
        for path in sorted((ROOT / top).rglob("*.py")):
            folder = path.parent.relative_to(ROOT)
            found[".".join([name, *folder.parts[1:]])] = folder.as_posix()
    return found


def test_every_folder_with_code_is_a_package(project: dict[str, Any]) -> None:
    """pyproject.toml lists all folders with Python files below the four, and none that is not there."""
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(_folders_with_code())


def _mapped(name: str, mapping: dict[str, str]) -> str:
    """The folder that setuptools takes for a package: its own, or one in that of its parent."""
    parent, _, last = name.rpartition(".")
    return mapping[name] if name in mapping else f"{_mapped(parent, mapping)}/{last}"


def test_packages_are_where_they_are_said_to_be(project: dict[str, Any]) -> None:
    """The mapping of packages to folders is that of the tree, without the links."""
    mapping = project["tool"]["setuptools"]["package-dir"]
    for name, folder in _folders_with_code().items():
        assert _mapped(name, mapping) == folder


def test_every_package_has_an_init_file() -> None:
    """A folder without __init__.py would be importable by some tools and not by others."""
    assert [folder for folder in _folders_with_code().values() if not (ROOT / folder / "__init__.py").is_file()] == []


def test_every_data_file_is_installed(project: dict[str, Any]) -> None:
    """Each file that is no code matches a pattern of its package."""
    patterns = project["tool"]["setuptools"]["package-data"]
    folders = _folders_with_code()
    installed = {
        path
        for name, globs in patterns.items()
        for pattern in globs
        for path in (ROOT / folders[name]).glob(pattern)
        if path.is_file()
    }
    data = {
        path
        for top in FOLDERS
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix not in {".py", *NOT_INSTALLED} and "__pycache__" not in path.parts
    }
    assert sorted(data - installed) == []


def test_links_lead_to_the_folders() -> None:
    """constrain/grammars and the others are links, so that type checkers see the sub-packages."""
    for name in FOLDERS[1:]:
        link = ROOT / "constrain" / name
        assert link.is_symlink()
        assert link.resolve() == ROOT / name


@pytest.mark.parametrize("name", FOLDERS[1:])
def test_a_folder_cannot_be_imported_by_its_own_name(name: str) -> None:
    """A second copy of the classes is refused, with the right name in the message."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {name}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert f"import constrain.{name}" in run.stderr


def _imported(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def _layer(module: str) -> int:
    """0 for grammars, 1 for tokenizer_index, 2 for decoders, 3 for the rest of the package."""
    parts = module.split(".")
    return FOLDERS[1:].index(parts[1]) if len(parts) > 1 and parts[1] in FOLDERS[1:] else 3


@pytest.mark.parametrize("layer", range(3))
def test_imports_go_one_way(layer: int) -> None:
    """No file imports from a folder above its own: constrain, decoders, tokenizer_index, grammars."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sorted((ROOT / FOLDERS[1 + layer]).rglob("*.py"))
        for module in sorted(_imported(path))
        if module.partition(".")[0] == "constrain" and _layer(module) > layer and path.name != "stamp.py"
    ]
    assert wrong == []


def test_kernel_digests_are_renewed() -> None:
    """Every kernel file carries the digest of all of them, so that numba compiles again what has changed."""
    line = f'KERNELS = "{stamp.digest()}"'
    stale = [
        path.name for path in stamp.kernel_files() if path.name != "_jit.py" and line not in path.read_text("utf-8")
    ]
    assert stale == [], "run python -m constrain.grammars.automata.stamp"


def test_the_version_is_one() -> None:
    """The installed version, the package's own and that of the last section of the changelog are the same."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    last = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert last is not None
    assert importlib.metadata.version("constrain") == constrain.__version__ == last[1]


def test_public_names_can_be_loaded() -> None:
    """Every public name is there, in alphabetical order, and nothing else is."""
    assert constrain.__all__ == sorted(constrain._HOMES)
    for name in constrain.__all__:
        assert getattr(constrain, name) is not None


def test_importing_the_package_loads_nothing_large() -> None:
    """`import constrain` loads neither arrays nor models nor the compiler of kernels."""
    code = (
        "import constrain, sys; print(sorted({'numpy', 'numba', 'torch', 'transformers', 'typer'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def _requirements(lines: list[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        if name:
            found[re.sub(r"[-_.]+", "-", name[0]).lower()] = line
    return found


def test_every_requirement_is_pinned(project: dict[str, Any]) -> None:
    """constraints.txt names one version of each direct requirement, and the one that is asked for can have it."""
    pinned = _requirements((ROOT / "constraints.txt").read_text("utf-8").splitlines())
    assert all(re.fullmatch(r"\S+==[0-9][^\s+]*", line) for line in pinned.values())
    direct = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["test"]]
    assert sorted(set(_requirements(direct)) - set(pinned)) == []


def test_the_makefile_has_the_commands_of_the_documents() -> None:
    """Every `make …` that README.md, CONTRIBUTING.md and .ci/run mention is a target."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        mentioned = re.findall(r"^\s*make ([a-z]+)|`make ([a-z]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
        assert mentioned, name
        assert {first or second for first, second in mentioned} <= targets, name


def test_every_public_name_is_documented() -> None:
    """docs/api.md has all of them."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert [name for name in constrain.__all__ if f"`{name}" not in page and f"`constrain.{name}`" not in page] == []


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link of the README and of the documents names a file."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    missing = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert missing == []
