# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
"""Prints what is wrong with an entry script, a JSON object a line.

script.py check SCRIPT            compiles the script; nothing of it is executed
script.py import SCRIPT FOLDER…   imports it with the folders on the path, and looks for init() and run()
"""
import ast
import json
import os
import sys
import traceback


def say(message, line=0, column=0, warning=False):
    text = " ".join(str(message).split())
    print(json.dumps({"line": line or 0, "column": column or 0, "message": text, "warning": warning}), file=answer)


def names(tree):
    """The names that a module defines at its top; None when that cannot be told."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if alias.name == "*":
                    return None
                found.add(alias.asname or alias.name)
    return found


def check(script):
    with open(script, "rb") as f:
        source = f.read()
    try:
        compile(source, script, "exec", dont_inherit=True)
        found = names(ast.parse(source, script))
    except SyntaxError as e:
        say("is not valid Python: %s: correct the script" % e.msg, e.lineno, e.offset)
        return
    except (ValueError, RecursionError, MemoryError) as e:
        say("is not valid Python: %s: correct the script" % e)
        return
    for name in ("init", "run"):
        if found is not None and name not in found:
            say("defines no %s(): write one, the scoring server calls it" % name, warning=True)


def load(script, folders):
    sys.path[:0] = folders
    module = os.path.splitext(os.path.basename(script))[0]
    try:
        loaded = __import__(module)
    except BaseException as e:  # SystemExit too: the script must not end the server
        lines = [f.lineno for f in traceback.extract_tb(e.__traceback__) if f.filename == script]
        say("cannot be imported here: %s: %s: install what it needs, or leave out --import" % (type(e).__name__, e),
            lines[-1] if lines else 0, 1 if lines else 0)
        return
    for name in ("init", "run"):
        if not callable(getattr(loaded, name, None)):
            say("has no function %s(): write one, the scoring server calls it" % name)


# What the script prints is no answer.
answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
sys.dont_write_bytecode = True
if sys.argv[1] == "check":
    check(sys.argv[2])
else:
    load(sys.argv[2], sys.argv[3:])
answer.flush()
