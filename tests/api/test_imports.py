"""Who may import whom, and what importing costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tgem

SOURCE = Path(tgem.__file__).parent

# layer -> what it may import of tgem; `_core` is open to all
ALLOWED = {
    "_core": set(),
    "nn": set(),
    "attr": set(),
    "net": set(),
    "enrich": set(),
    "data": set(),
    "train": {"data", "nn"},
    "model": {"data", "train", "attr", "nn"},
    "tl": {"net", "enrich"},
    "pl": set(),
    "_report": {"pl"},
    "_tracks": set(),
    "pp": {"data", "_tracks"},
    "datasets": {"data"},
}
TOP = {"cli.py", "_demo.py", "__main__.py"}
FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))


def imported_modules(path):
    """Modules of tgem that a file imports when it runs; imports for types only do not count."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tgem"):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("tgem"))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_data_flows_one_way(file):
    if file.name in TOP or file.parent == Path():
        return
    layer = file.parts[0]
    for module in imported_modules(SOURCE / file):
        parts = module.split(".")
        assert len(parts) > 1, f"{file} imports the root package"
        assert parts[1] in ALLOWED[layer] | {layer, "_core"}, f"{file} imports {module}"


def test_no_model_imports_another():
    models = [path for path in (SOURCE / "model").iterdir() if path.is_dir()]
    names = {path.name for path in models if not path.name.startswith("_")}
    assert names
    for path in models:
        for file in path.glob("*.py"):
            others = {m.split(".")[2] for m in imported_modules(file) if m.count(".") > 1}
            assert not others & (names - {path.name}), file


def test_private_names_of_scvi_tools_are_in_one_file():
    for file in FILES:
        if file == Path("_core/scvi_compat.py"):
            continue
        tree = ast.parse((SOURCE / file).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scvi"):
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                assert not [name for name in names if name.startswith("_")], file


def test_private_members_of_scvi_tools_exist():
    from tgem._core.scvi_compat import PRIVATE_MEMBERS

    for owner, names in PRIVATE_MEMBERS.items():
        for name in names:
            assert hasattr(owner, name), f"{owner.__name__}.{name}"


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_root_import_loads_nothing_heavy():
    code = "import sys, tgem; print({'torch', 'scvi', 'scanpy', 'pandas'} & set(sys.modules))"
    assert run_python(code) == "set()"


def test_namespaces_load_on_first_touch():
    code = "import tgem; print(callable(tgem.attr.integrated_gradients), 'tl' in dir(tgem))"
    assert run_python(code) == "True True"


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tgem.nonsense
