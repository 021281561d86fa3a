"""What the product never does, read from its syntax: run text as code, unpickle what came in, start a shell, guess temporary names."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(p for folder in ("schemas", "processors", "streams", "deploy", "grafana") for p in (ROOT / folder).rglob("*.py"))
BUILTINS = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "marshal", "shelve", "dill", "xmlrpc", "zipfile", "tarfile", "jinja2"}
ATTRIBUTES = {
    ("os", "system"),
    ("os", "popen"),
    ("tempfile", "mktemp"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("yaml", "Loader"),
}


KNOWN = {
    ("streams/chaos/log_copy.py", "pickle"),  # a file of its own that nobody else writes
    ("streams/kernels/locator.py", "pickle"),  # what numba compiled: sealed, in a folder that this user alone may write
    ("streams/files/sheets.py", "zipfile"),  # sizes in a workbook's directory, nothing is extracted
}
SANDBOX = "jinja2.sandbox"  # templates only where the sandbox is imported beside them


def found(tree: ast.AST) -> list[tuple[int, str]]:
    seen: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BUILTINS:
            seen.append((node.lineno, node.func.id))
        elif (
            isinstance(node, ast.keyword)
            and node.arg == "shell"
            and not (isinstance(node.value, ast.Constant) and not node.value.value)
        ):
            seen.append((node.value.lineno, "shell="))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in ATTRIBUTES:
            seen.append((node.lineno, f"{node.value.id}.{node.attr}"))
        elif isinstance(node, ast.Import):
            seen += [(node.lineno, a.name) for a in node.names if a.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            seen.append((node.lineno, str(node.module)))
    return seen


def test_no_text_becomes_code_and_no_shell_is_started() -> None:
    assert len(FILES) > 100
    seen = {(str(f.relative_to(ROOT)), what) for f in FILES for _, what in found(ast.parse(f.read_text()))}
    templates = {at for at in seen if at[1].partition(".")[0] == "jinja2"}
    assert seen - templates == KNOWN
    assert {file for file, _ in templates} == {file for file, what in templates if what == SANDBOX}


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "import pickle",
        "from tarfile import open",
        "run('a', shell=True)",
        "os.system('a')",
        "tempfile.mktemp()",
        "yaml.unsafe_load(t)",
    ],
)
def test_each_of_them_would_be_found(text: str) -> None:
    assert found(ast.parse(text))
