"""What every file keeps to: size, name, first sentence, exports, imports at the top, nothing of one machine."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

LINES = 400

# file -> why it may be longer. Generated files belong here too.
LONGER: dict[str, str] = {}

BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}

# (file, imported name) -> why it is imported inside a function. Never to mend a circle.
IMPORTED_LATE: dict[tuple[str, str], str] = {}

LOCK_FILES = {"package-lock.json", "pnpm-lock.yaml", "Gemfile.lock", "yarn.lock"}

# Put together here, so that this file does not hold what it looks for.
FOREIGN = {
    "a registry's host": re.compile(
        "|".join(
            re.escape(".".join(host))
            for host in (
                ("pypi", "org"),
                ("files", "pythonhosted", "org"),
                ("registry", "npmjs", "org"),
                ("registry", "yarnpkg", "com"),
                ("deb", "debian", "org"),
            )
        )
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.$}])/(?:" + "|".join(("work/(?:main|shared)", "root", r"home/\w+", "Users", "opt/wheels")) + r")\b"
    ),
    "an index for packages": re.compile("--(?:extra-)?" + "index-url|--find" + "-links"),
}

# (file, kind) -> why it may hold it.
FOREIGN_ALLOWED = {
    ("Makefile", "an index for packages"): "it tells the resolver to leave the index out",
}


def test_files_are_short(shipped):
    long = {source.path: n for source in shipped if (n := source.text.count("\n")) > LINES}
    unexplained = {path: lines for path, lines in long.items() if path not in LONGER}
    assert not unexplained, f"more than {LINES} lines: part it by concept, or give a reason in LONGER"
    assert not set(LONGER) - set(long), "no longer longer: take it out of LONGER"


def test_no_module_is_named_after_nothing(python):
    parts = {source.path: PurePosixPath(source.path).with_suffix("").parts for source in python}
    banned = [path for path, names in parts.items() if BANNED_NAMES.intersection(name.strip("_") for name in names)]
    assert not banned, "name the module after what it is about"


def test_one_sentence_heads_every_module(shipped):
    wrong = []
    for source in shipped:
        docstring = ast.get_docstring(source.tree) or ""
        sentence = docstring.partition("\n\n")[0]
        if not sentence.endswith((".", ":")):
            wrong.append(source.path)
    assert not wrong, "a module starts with a docstring whose first paragraph is one sentence"


def test_every_package_says_what_it_exports(shipped):
    """Ruff's RUF022 keeps each `__all__` sorted; here it exists, and names each thing once, and only what is there."""
    wrong = []
    for source in shipped:
        if not source.path.endswith("/__init__.py") or len(source.tree.body) <= 1:
            continue  # a package with nothing but its sentence has nothing to export
        exported = [
            [str(constant.value) for constant in ast.walk(node.value) if isinstance(constant, ast.Constant)]
            for node in source.tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and node.value is not None
            and any(
                isinstance(target, ast.Name) and target.id == "__all__"
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            )
        ]
        if len(exported) != 1:
            wrong.append(f"{source.path}: one __all__, not {len(exported)}")
        elif len(set(exported[0])) != len(exported[0]):
            wrong.append(f"{source.path}: a name stands twice in __all__")
        elif missing := set(exported[0]) - _bound(source.tree):
            wrong.append(f"{source.path}: __all__ names {', '.join(sorted(missing))}, which is not there")
    assert not wrong


def _bound(tree):
    """The names that a module binds at its top level."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        else:
            names |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return names


def test_every_package_is_typed(shipped, files):
    tops = {
        source.path.partition("src/")[0] + "src/" + source.path.partition("src/")[2].split("/")[0] for source in shipped
    }
    assert not [top for top in tops if f"{top}/py.typed" not in files]


def test_imports_stand_at_the_top(shipped):
    late = [
        (source.path, name.name if isinstance(node, ast.Import) else f"{node.module}.{name.name}")
        for source in shipped
        for function in ast.walk(source.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    ]
    assert not [entry for entry in late if entry not in IMPORTED_LATE], (
        "import it at the top, or say why in IMPORTED_LATE"
    )
    assert not set(IMPORTED_LATE) - set(late), "no longer imported late: take it out of IMPORTED_LATE"


def test_python_files_are_python_3_11(python):
    for source in python:
        assert source.tree is not None


def test_nothing_of_one_machine_is_kept(repository, files):
    locks = [name for name in files if name.endswith(".lock") or name.rpartition("/")[2] in LOCK_FILES]
    assert not locks, "pinned versions stand in requirements/"
    wrong = []
    for name in files:
        try:
            text = (repository / name).read_text("utf-8")
        except UnicodeDecodeError:
            continue
        wrong += [
            f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {kind}: {found[0]}"
            for kind, pattern in FOREIGN.items()
            if (name, kind) not in FOREIGN_ALLOWED
            for found in pattern.finditer(text)
        ]
    assert not wrong
