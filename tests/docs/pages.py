"""Pages as programs: the code blocks of a Markdown file, run as a reader would run them, in one folder, from the top.

========================  =============================================================================================
block                     what is done with it
========================  =============================================================================================
``python``, first line    a file of that name, written when the page reaches it; run at the end of the page if nobody
``# name.py``             typed or imported it
``python``, else          lines of one interactive session of the page, which sees what the blocks before it defined;
                          a ``text`` block right after it is what it prints
``console``               typed line by line, each ``$``; what it prints has to be what the page shows
``sh``                    read by ``sh -n``; each ``make x`` in it is a target of the Makefile
``toml yaml json``        parsed
``text``                  not code
========================  =============================================================================================

Times of a run are made equal, all else is compared as it is. ``tcp://scheduler:8786`` stands for a cluster of two
worker processes, started in the same folder; ``/home/me`` stands for that folder, and ``/shared/`` for one inside it.
What cannot be run carries ``<!-- not run: reason -->`` in the line above.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.docs.machine import Machine, shell_reads

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"python", "console", "sh", "toml", "yaml", "json", "text"}
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<mark>[^\n]+?) -->\n+)?^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
FILE_NAME = re.compile(r"# ([\w/]+\.py)\n")
PARSERS = {"toml": tomllib.loads, "yaml": yaml.safe_load, "json": json.loads}


@dataclass(frozen=True)
class Block:
    kind: str
    body: str
    line: int
    start: int  # of the body in the page's text
    mark: str  # why it is not run
    follows: bool  # nothing but blank lines stands between it and the block before

    @property
    def name(self) -> str:
        """Of the file that it is, if it is one."""
        found = FILE_NAME.match(self.body) if self.kind == "python" else None
        return found[1] if found else ""

    @property
    def commands(self) -> list[str]:
        """What is typed in a ``console`` block."""
        return re.findall(r"^\$ (.*)$", self.body, re.MULTILINE)


@dataclass(frozen=True)
class Page:
    name: str  # from the root of the project

    @cached_property
    def text(self) -> str:
        return (ROOT / self.name).read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        return BLOCK.sub("", self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        made, end = [], -1
        for found in BLOCK.finditer(self.text):
            line = self.text.count("\n", 0, found.start("kind")) + 1
            follows = end >= 0 and not self.text[end : found.start()].strip()
            made.append(Block(found["kind"], found["body"], line, found.start("body"), found["mark"] or "", follows))
            end = found.end()
        return made

    def section(self, title: str) -> str:
        """What stands below a heading of the second level."""
        [found] = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", self.text, re.MULTILINE | re.DOTALL)
        return found

    def replay(self, folder: Path) -> Iterator[tuple[Block, str]]:
        """Run all of it: each block that shows something, with what it would have to show."""
        with Machine(folder) as machine:
            for number, block in enumerate(self.blocks, 1):
                if not block.mark:
                    yield from self._do(block, self.blocks[number : number + 1], machine)
            for name in self._left_over():
                machine.typed(f"python {name}")

    def _do(self, block: Block, after: list[Block], machine: Machine) -> Iterator[tuple[Block, str]]:
        place = f"{self.name}:{block.line}"
        if block.name:
            machine.write(block.name, block.body)
        elif block.kind == "python":
            printed = machine.entered(block.body, place)
            yield from ((shown, printed) for shown in after if shown.follows and shown.kind == "text")
        elif block.kind == "console":
            assert block.commands, f"{place}: no command in this block"
            yield block, "".join(f"$ {command}\n{machine.typed(command)}" for command in block.commands)
        elif block.kind == "sh":
            assert shell_reads(block.body) == "", place
        elif block.kind in PARSERS:
            PARSERS[block.kind](block.body)

    def filled(self, folder: Path) -> str:
        """The page with what its programs print now."""
        text = self.text
        for block, body in reversed(list(self.replay(folder))):
            text = text[: block.start] + body + text[block.start + len(block.body) :]
        return text

    def _left_over(self) -> list[str]:
        """Programs of the page that it neither starts nor imports."""
        files = {block.name: block.body for block in self.blocks if block.name and not block.mark}
        typed = "".join(block.body for block in self.blocks if block.kind == "console")
        code = "\n".join(block.body for block in self.blocks if block.kind == "python")
        imported = {f"{name}.py" for name in re.findall(r"^\s*(?:from|import) (\w+)", code, re.MULTILINE)}
        return [name for name in files if f"python {name}" not in typed and name not in imported]


def timeless(text: str) -> str:
    """How long something took differs each time, and so does the space beside it in a table."""
    return re.sub(r"(?<=\S) {2,}", "  ", re.sub(r"\b\d+(\.\d)? [mµ]?s\b", "0 ms", text))


def sentences(prose: str) -> list[str]:
    """The sentences of a text in Markdown, each a line: without tables, pictures, and where links lead."""
    text = re.sub(r"^(\||!\[|<!--|:::|---).*$", "", prose, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    parts = re.split(r"\n\s*\n|\n(?=#|- |> |\d+\. )|(?<=[.!?])[\"')\]*_]*\s+", text)
    return [" ".join(part.split()) for part in parts if part.split()]


def prose_of(notebook: Path) -> str:
    """The text of a notebook's cells, without code and outputs."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def all_pages() -> list[Page]:
    """README and every page of the site that is in docs/."""
    return [Page("README.md"), *(Page(str(path.relative_to(ROOT))) for path in sorted((ROOT / "docs").rglob("*.md")))]
