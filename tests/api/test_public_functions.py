"""Rules that every public function and model keeps."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest

import tgem
from tgem._core import keys

NAMESPACES = ("pp", "tl", "pl")
FUNCTIONS = [
    pytest.param(getattr(import_module(f"tgem.{space}"), name), id=f"{space}.{name}")
    for space in NAMESPACES
    for name in import_module(f"tgem.{space}").__all__
]
SPACES = [name for name in tgem.__all__ if inspect.ismodule(getattr(tgem, name))]
EVERYTHING = [
    pytest.param(getattr(import_module(f"tgem.{space}"), name), id=f"{space}.{name}")
    for space in SPACES
    for name in import_module(f"tgem.{space}").__all__
]
EVERYTHING += [
    pytest.param(getattr(tgem, name), id=name) for name in tgem.__all__ if name not in SPACES
]
MODELS = [getattr(tgem.model, name) for name in tgem.model.__all__]


def makes_data(function):
    """Whether a function of `tgem.pp` makes data of files or tables, and changes none."""
    first = next(iter(inspect.signature(function).parameters), "")
    return function.__module__.startswith("tgem.pp") and first not in ("adata", "mdata")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_signature(function):
    parameters = list(inspect.signature(function).parameters.values())
    if makes_data(function):
        made = inspect.signature(function).return_annotation
        assert made in {"AnnData", "MuData", "pd.DataFrame"}
    else:
        assert parameters[0].name in {"adata", "mdata"}
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len(positional) <= 3
    assert len(parameters) <= 10
    assert all(p.annotation is not p.empty for p in parameters)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_writing_functions_take_copy_and_key_added(function):
    parameters = inspect.signature(function).parameters
    if makes_data(function):
        assert not {"key_added", "copy"} & set(parameters)
        return
    assert parameters["key_added"].kind is inspect.Parameter.KEYWORD_ONLY
    if function.__module__.startswith("tgem.pl"):
        return
    assert parameters["copy"].kind is inspect.Parameter.KEYWORD_ONLY
    assert parameters["copy"].default is False


@pytest.mark.parametrize("thing", EVERYTHING)
def test_documented(thing):
    if not callable(thing):
        return
    doc = inspect.getdoc(thing) or ""
    assert doc.split("\n")[0].endswith(".")
    for name in inspect.signature(thing).parameters:
        if name not in ("args", "kwargs"):
            assert name in doc, f"{name} is not described"
    if inspect.isfunction(thing):
        assert "Returns\n-------" in doc
        assert "Examples\n--------" in doc


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_public_methods_of_models_are_documented(model):
    for name, method in inspect.getmembers(model, callable):
        if name.startswith("_") or not method.__module__.startswith("tgem"):
            continue
        doc = inspect.getdoc(method) or ""
        assert doc, name
        for parameter in inspect.signature(method).parameters:
            if parameter != "self":
                assert parameter in doc, f"{name}: {parameter} is not described"


@pytest.mark.parametrize("space", SPACES)
def test_exports_exist(space):
    module = import_module(f"tgem.{space}")
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert hasattr(module, name)


def test_every_plot_reads_what_a_tool_writes():
    # a plot of one part of what a tool writes has the tool's name and the part's
    for name in tgem.pl.__all__:
        assert any(name == tool or name.startswith(f"{tool}_") for tool in tgem.tl.__all__), name


def test_slots_name_the_function_that_writes_them():
    for slot in keys.SLOTS:
        space, name = slot.written_by.split(".")[1:]
        assert name in import_module(f"tgem.{space}").__all__
        assert slot.container in {"obs", "obsm", "varm", "uns", "layers"}


def test_no_slot_key_is_spelled_out_elsewhere():
    source = Path(tgem.__file__).parent
    spelled = [slot.key() for slot in keys.SLOTS]
    for file in source.rglob("*.py"):
        if "keys" in file.parts or file.name == "_demo.py":
            continue
        code = "\n".join(_statements(file))
        for key in spelled:
            assert repr(key) not in code, f"{file}: {key}"


def _statements(file):
    """Source of a file without its docstrings."""
    import ast

    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                value.value = ""
    yield ast.unparse(tree)


def test_column_names_survive_slashes_and_stay_different():
    assert keys.column_names(["a/b", "a|b", "c"]) == ["a|b", "a|b|", "c"]


def test_missing_slot_names_the_call_that_writes_it(tiny_adata):
    with pytest.raises(KeyError, match=r"tgem\.tl\.confusion\(adata"):
        keys.CONFUSION.read(tiny_adata)
