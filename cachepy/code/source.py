"""The record of a code digest: its pieces, and the normalised source of user code, to show what changed.

Source is kept only if it is proven to be that of the code that ran, since its file may have been edited
since: the file is compiled, and a function of that name in it must have the digest of the piece.  What
the digest does not cover is left out: decorators, docstrings, what the defaults are.  Annotations come from the piece.
"""

from __future__ import annotations

import os
from itertools import chain
from types import CodeType

from cachepy.code.bytecode import code_bytes
from cachepy.code.edit_times import are_reads_whole, with_reads
from cachepy.code.pieces import Piece
from cachepy.store import safe_pickle
from cachepy.values.digest import digest_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from cachepy.code.recorded_sources import Written

FILE_LIMIT = 1 << 20  # bytes of a file; a larger one is made by a program
FUNCTION_LIMIT = 16_000  # characters of one function
RECORD_LIMIT = 256_000  # characters of all functions of a record
CUT = "… (cut)"
_MODULES, _TEXTS = 32, 1024  # remembered
_TOP_LEVEL_AWAIT = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_NEWLINE = "\n"  # a backslash in an f-string is an error before Python 3.12


class Module:
    """A source file: its lines, and the code that it compiles to."""

    __slots__ = ("_tree", "at_import", "code", "codes", "lines", "stamp")

    def __init__(self, text: str, stamp: object, name: str, flags: int) -> None:
        self.lines = text.split("\n")  # not splitlines, which knows more ends of lines than Python
        self.stamp = stamp
        self.code: CodeType | None = None  # of the module itself
        self.codes: dict[str, list[CodeType]] = {}
        self.at_import: str | None = None  # the digest of what an import runs (see `source_texts`)
        self._tree: ast.Module | None = None
        try:
            self.code = _compiled(text, name, flags)
            self._index(self.code)
        except Exception:  # it does not compile, now: remembered, so as not to try for each function
            self.codes.clear()

    def _index(self, code: CodeType) -> None:
        todo = [code]
        while todo:
            for inner in todo.pop().co_consts:
                if isinstance(inner, CodeType):
                    self.codes.setdefault(inner.co_qualname, []).append(inner)
                    todo.append(inner)

    def tree(self) -> ast.Module:
        if self._tree is None:
            self._tree = _parsed(self.lines)
        return self._tree


def digest_of(code: CodeType) -> str:
    """The digest of one code object alone, as pieces have it."""
    return digest_bytes(code_bytes(code))


FORMAT = 1  # of a record, which begins with the word below; those of other formats begin with it and their number
_WORD = "code"


def other_format(record: Any) -> int:
    """The number of the format of a record that another version of cachepy wrote; 0 of any other.

    >>> other_format(("code 2", b"")), other_format(("code", b"", b""))
    (2, 0)
    """
    word = record[0] if type(record) is tuple and record else ""
    name, _, number = word.partition(" ") if type(word) is str else ("", "", "")
    return int(number) if name == _WORD and number.isdecimal() and len(number) < 9 else 0


def code_record(
    pieces: tuple[Piece, ...], sources: Sources | None = None, written: Written | None = None, root: str = ""
) -> bytes:
    """What is stored of a code digest in a cache directory; never an error.

    written: what is known of the source files, a part of which is kept.

    >>> loaded(code_record((Piece("global", "m.LIMIT", "d1", "", "3"),)))
    [(Piece(cue='global', name='m.LIMIT', digest='d1', where='', text='3'), '')]
    """
    sources = sources or Sources()
    rows: list[tuple[tuple[str, ...], str]] = []
    left = RECORD_LIMIT
    for piece in pieces:
        source = sources.of(piece) if left > 0 else ""
        rows.append((piece.astuple(), source if len(source) <= left else ""))
        left -= len(source)
    try:
        import zlib

        files = _made(pieces, written, root)
        record = safe_pickle.dumps(
            (_WORD, zlib.compress(safe_pickle.dumps(rows)), zlib.compress(safe_pickle.dumps(files)))
        )
        told_by = [("file", path, digest) for path, digest in files.pop("told by", {}).items()]
        return with_reads(record, chain(told_by, *files.get("outside", {}).values()))
    except Exception:  # a Python without zlib, a surrogate, no memory
        return safe_pickle.dumps([])


def _made(pieces: tuple[Piece, ...], written: Written | None, root: str) -> dict[str, Any]:
    """What is kept of the files; nothing if they are of a kind that nobody thought of."""
    try:
        return {} if written is None else written.record(pieces, root)
    except Exception:
        return {}


def loaded(data: bytes) -> list[tuple[Piece, str]]:
    """The pieces with their source; none if the record is damaged or of another form."""
    try:
        found = [(Piece(*values), source) for values, source in _unpacked(data)]
        return found if all(_is_text(piece, source) for piece, source in found) else []
    except Exception:  # damage raises almost anything
        return []


def best_first(records: Iterable[bytes], name: str) -> list[tuple[list[tuple[Piece, str]], bytes]]:
    """The pieces of each whole record of one digest, with the record; first those of code with this name."""
    found = [(rows, data) for data in records if (rows := loaded(data))]
    return sorted(found, key=lambda each: not has_code(each[0], name))


def has_code(rows: list[tuple[Piece, str]], name: str) -> bool:
    """Whether these are pieces of code with this name."""
    return any(piece.cue == "code" and piece.name == name for piece, _ in rows)


def loaded_files(data: bytes) -> dict[str, Any]:
    """What was kept of the source files; nothing if that is damaged or of another form."""
    try:
        found = safe_pickle.inflated(_record_in(data)[2])
        return found if type(found) is dict else {}
    except Exception:  # as above
        return {}


def is_whole(data: bytes) -> bool:
    """Whether all of a record can be read, and is what it should be; damage raises almost anything."""
    is_read = bool(_unpacked(data)) and type(safe_pickle.inflated(_record_in(data)[2])) is dict
    return is_read and are_reads_whole(data)


def is_of_other(data: bytes) -> bool:
    """Whether another version of cachepy wrote a record."""
    try:
        return other_format(safe_pickle.loads(data)) > 0
    except ValueError:
        return False


def _record_in(data: bytes) -> Any:
    record = safe_pickle.loads(data)
    if other_format(record):
        raise ValueError("of another version of cachepy")
    return record


def _unpacked(data: bytes) -> list[tuple[tuple[str, ...], str]]:
    rows: list[tuple[tuple[str, ...], str]] = safe_pickle.inflated(_record_in(data)[1])
    return rows


def _is_text(piece: Piece, source: str) -> bool:
    return all(type(value) is str for value in (*piece.astuple(), source))


class Sources:
    """The source of code pieces as it is now; each file is compiled once for each of its states.

    digest: as `digest_of`, of somebody who knows the digests of most code.
    """

    __slots__ = ("_modules", "_texts", "digest")

    def __init__(self, digest: Callable[[CodeType], str] = digest_of) -> None:
        self.digest = digest
        self._modules: dict[str, Module] = {}
        self._texts: dict[tuple[str, ...], str] = {}

    def of(self, piece: Piece) -> str:
        """The normalised source of a code piece; empty if there is none that is proven to be its own."""
        if piece.cue != "code" or not piece.where:
            return ""
        key = piece.astuple()
        known = self._texts.get(key)
        if known is None:
            try:
                known = self._find(piece)
            except Exception:  # a file that does not compile, is not text, cannot be read, nests too deep
                known = ""
            if len(self._texts) >= _TEXTS:
                self._texts.clear()
            if known:
                self._texts[key] = known
        return known

    def _find(self, piece: Piece) -> str:
        filename, _, line = piece.where.rpartition(":")
        module = self.module(filename)
        if module is None:
            return ""
        wanted = piece.digest.partition(".")[0]
        same = module.codes.get(piece.name.partition(":")[2], [])
        for code in sorted(same, key=lambda c: c.co_firstlineno != int(line)):
            if self.digest(code) == wanted:
                node = _node(module, code)
                return "" if node is None else _cut(_normal(node, piece.text))
        return ""

    def codes(self, filename: str) -> dict[str, list[CodeType]]:
        """The code objects that a file compiles to now, by their qualified names; none if it does not compile."""
        try:
            module = self.module(filename)
        except Exception:  # what is no text
            return {}
        return {} if module is None else module.codes

    def module(self, filename: str) -> Module | None:
        """The file as it is now."""
        known = self._modules.pop(filename, None)
        read = _read_file(filename) or _read_lines(filename)
        if read is None:
            return None
        text, stamp, flags = read
        if known is None or known.stamp != stamp:
            known = Module(text or _decoded(filename), stamp, filename, flags)
        while len(self._modules) >= _MODULES:
            self._modules.pop(next(iter(self._modules)), None)
        self._modules[filename] = known
        return known


def _cut(text: str) -> str:
    return text if len(text) <= FUNCTION_LIMIT else f"{text[:FUNCTION_LIMIT].rpartition(_NEWLINE)[0]}\n{CUT}"


# -- files


def _read_file(filename: str) -> tuple[str, object, int] | None:
    """The stamp of a file of moderate size, which is read only if it is another one than before."""
    try:
        st = os.stat(filename)
    except (OSError, ValueError):
        return None
    return ("", (st.st_mtime_ns, st.st_ctime_ns, st.st_size, st.st_ino), 0) if st.st_size <= FILE_LIMIT else None


def _decoded(filename: str) -> str:
    from importlib.util import decode_source

    with open(filename, "rb") as file:
        return decode_source(file.read(FILE_LIMIT + 1))


def _read_lines(filename: str) -> tuple[str, object, int] | None:
    """What an interactive session keeps of its input: notebooks, doctests, newer prompts."""
    if os.path.exists(filename):
        return None
    import linecache

    text = "".join(linecache.getlines(filename))
    return (text, text, _TOP_LEVEL_AWAIT) if 0 < len(text) <= FILE_LIMIT else None


def _compiled(text: str, name: str, flags: int) -> Any:
    import warnings

    with warnings.catch_warnings():
        for category in (SyntaxWarning, DeprecationWarning):  # the import has shown them, if anybody wanted it
            warnings.simplefilter("ignore", category)
        return compile(text, name, "exec", flags, dont_inherit=True)


def _parsed(lines: list[str]) -> ast.Module:
    import ast

    tree: ast.Module = _compiled("\n".join(lines), "?", ast.PyCF_ONLY_AST)
    return tree


# -- the definition of a code object


def _node(module: Module, code: CodeType) -> ast.AST | None:
    """The definition that the code was compiled from."""
    if code.co_name == "<lambda>":
        return _lambda(module, code)
    return next((n for n in _parsed_alone(module, code) if _is_def(n, code, 2)), None) or next(
        (n for n in _walk(module.tree()) if _is_def(n, code, code.co_firstlineno)), None
    )


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    import ast

    return ast.walk(tree)


def _is_def(node: ast.AST, code: CodeType, line: int) -> bool:
    import ast

    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name != code.co_name:
        return False
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]) == line


def _parsed_alone(module: Module, code: CodeType) -> Iterator[ast.AST]:
    """The nodes of the definition, on line 2, found by its indentation: to parse the whole file takes longer."""
    import ast

    lines = module.lines[code.co_firstlineno - 1 :]
    last = max(line for _, _, line in code.co_lines() if line) - code.co_firstlineno
    depth = _indent(lines[0])
    end = next((i for i in range(last + 1, len(lines)) if lines[i].strip() and _indent(lines[i]) <= depth), len(lines))
    head = "if 1:" if depth else "if 1:pass"
    try:
        tree = _parsed([head, *lines[:end]])
    except SyntaxError:  # a text over several lines, perhaps, that is less indented
        return iter(())
    return ast.walk(tree)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t\f"))


def _lambda(module: Module, code: CodeType) -> ast.AST | None:
    """The lambda whose body stands where the code's instructions come from."""
    import ast

    places = set(code.co_positions())
    found = [n for n in _walk(module.tree()) if isinstance(n, ast.Lambda) and n.lineno == code.co_firstlineno]
    placed = [n for n in found if _place(n.body) in places]
    return placed[0] if placed else found[0] if len(found) == 1 else None


def _place(node: ast.expr) -> tuple[int | None, int | None, int | None, int | None]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _normal(node: ast.AST, notes: str) -> str:
    """The text of a definition without what its code object does not prove."""
    import ast
    from copy import copy

    drop_docstrings(node)
    if isinstance(node, ast.Lambda):
        return ast.unparse(ast.Lambda(args=_arguments(node.args, {}), body=node.body))
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    noted = dict(line.split(": ", 1) for line in notes.split("\n") if ": " in line)
    made = copy(node)
    made.decorator_list, made.args, made.returns = [], _arguments(node.args, noted), _name(noted.get("return"))
    vars(made).update(type_params=[])  # there are some from Python 3.12 on
    return ast.unparse(made)


def _arguments(args: ast.arguments, notes: dict[str, str]) -> ast.arguments:
    import ast

    def noted(arg: ast.arg | None) -> ast.arg | None:
        return arg and ast.arg(arg=arg.arg, annotation=_name(notes.get(arg.arg)))

    def each(some: list[ast.arg]) -> list[ast.arg]:
        return [ast.arg(arg=a.arg, annotation=_name(notes.get(a.arg))) for a in some]

    default: ast.expr = ast.Constant(value=...)
    return ast.arguments(
        posonlyargs=each(args.posonlyargs),
        args=each(args.args),
        vararg=noted(args.vararg),
        kwonlyargs=each(args.kwonlyargs),
        kw_defaults=[d and default for d in args.kw_defaults],
        kwarg=noted(args.kwarg),
        defaults=[default for _ in args.defaults],
    )


def _name(text: str | None) -> ast.expr | None:
    import ast

    return None if text is None else ast.Name(id=text)


def drop_docstrings(node: ast.AST) -> None:
    """Of the module or definition and all in it; not by ast.walk, which looks into each expression."""
    import ast

    documented = ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
    todo: list[Any] = [node]
    while todo:
        inner = todo.pop()
        if isinstance(inner, documented) and ast.get_docstring(inner, False):
            inner.body = inner.body[1:] or [ast.Pass()]
        blocks = [getattr(inner, name, None) for name in ("body", "orelse", "finalbody", "handlers", "cases")]
        todo += [each for block in blocks if isinstance(block, list) for each in block]
