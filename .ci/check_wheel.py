"""Checks what was built: ``check_wheel.py DIST`` compares files with those of the tree and imports the wheel elsewhere.

The wheel is unpacked into an empty folder, which comes first on the path of a process that runs in another empty
folder, so that neither the tree nor an editable installation can answer for it.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "constrain": "constrain",
    **{f"constrain/{name}": name for name in ("grammars", "tokenizer_index", "decoders")},
}
IGNORED = {".pyc", ".nbi", ".nbc"}

IMPORT_ALL = """
import importlib, pathlib, pkgutil, sys
import constrain
home = pathlib.Path(constrain.__file__).resolve().parent
assert home.parent == pathlib.Path(sys.argv[1]).resolve(), home
def fail(name):
    raise
names = [found.name for found in pkgutil.walk_packages(constrain.__path__, "constrain.", fail)]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
for name in constrain.__all__:
    getattr(constrain, name)
print(len(names), "modules imported from the wheel")
"""


def tree_files() -> dict[str, Path]:
    """Files of the package as they are to be installed, and where they are in the tree."""
    files = {}
    for installed, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT / folder)
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in IGNORED:
                files[f"{installed}/{inside.as_posix()}"] = path
    return files


def check_wheel_files(wheel: Path) -> None:
    """The wheel has every file of the package, once, and no other."""
    names = [name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name]
    expected = set(tree_files())
    assert len(names) == len(set(names)), "a file is in the wheel twice"
    missing, unexpected = sorted(expected - set(names)), sorted(set(names) - expected)
    assert not missing, f"missing from the wheel: {missing}"
    assert not unexpected, f"in the wheel, not in the tree: {unexpected}"


def check_sdist_files(sdist: Path) -> None:
    """The sdist has every file of the package once: not a second time behind a link."""
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert len(names) == len(set(names)), "a file is in the sdist twice"
    twice = [
        name
        for name in names
        if name.startswith(("constrain/grammars/", "constrain/tokenizer_index/", "constrain/decoders/"))
    ]
    assert not twice, f"in the sdist behind a link: {twice}"
    missing = sorted(
        str(path.relative_to(ROOT)) for path in tree_files().values() if str(path.relative_to(ROOT)) not in names
    )
    assert not missing, f"missing from the sdist: {missing}"


def import_wheel(wheel: Path) -> None:
    """Import every module of the wheel, and call its command, outside the tree."""
    with tempfile.TemporaryDirectory() as target, tempfile.TemporaryDirectory() as elsewhere:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, str(wheel)]
        subprocess.run(pip, check=True)
        environment = {"PYTHONPATH": target, "PATH": "", "HOME": elsewhere}
        for command in (["-c", IMPORT_ALL, target], [f"{target}/bin/constrain", "--version"]):
            subprocess.run([sys.executable, *command], cwd=elsewhere, env=environment, check=True)


def main(folder: Path) -> None:
    """Check the one wheel and the one sdist of a folder."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    check_wheel_files(wheel)
    check_sdist_files(sdist)
    import_wheel(wheel)
    print(f"{wheel.name} and {sdist.name} are complete")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
