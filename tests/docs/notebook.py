"""The tutorial as a program: executed in a real kernel, with what its cells show, and the same outputs stored in it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from tests.docs.pages import ROOT

TUTORIAL = ROOT / "docs" / "tutorials" / "tutorial.ipynb"
FOLDER = "/tmp/cachepy-tutorial"  # stands for the temporary folder of a run
LIMIT = 100  # seconds for one cell: it hangs


def read() -> Any:
    import nbformat

    return nbformat.read(TUTORIAL, as_version=4)


def executed(folder: Path) -> Any:
    """The notebook with the outputs of now; all that it writes is in the folder."""
    import nbclient

    book = read()
    places = dict.fromkeys(("TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"), str(folder))
    settings = {k: v for k, v in os.environ.items() if k not in {"CACHEPY_DIR", "MPLBACKEND"}}
    client = nbclient.NotebookClient(book, timeout=LIMIT, kernel_name="python3")
    client.execute(cwd=str(folder), env=settings | places | {"PYTHONPATH": str(ROOT)})
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # when it ran
        if cell.id == "compute":  # what workers print arrives when it likes, here or in a later cell
            cell.outputs = [output for output in cell.outputs if output.output_type != "stream"]
        for output in cell.get("outputs", []):
            _without_place(output, folder)
    book.metadata["language_info"] = {"name": "python"}  # not which version
    return book


def _without_place(output: Any, folder: Path) -> None:
    if "text" in output:
        output["text"] = _plain(output["text"], folder)
    for form, text in output.get("data", {}).items():
        if form.startswith("text/") or form.endswith("svg+xml"):
            output["data"][form] = _plain(text, folder)


def _plain(text: str, folder: Path) -> str:
    text = text.replace(str(folder), "/tmp")  # its name may have spaces
    return re.sub(r"/[^\s'\"<>&;()]*/cachepy-tutorial-\w+", FOLDER, text)


def shown(made: Any) -> dict[str, str]:
    """All that a cell showed, by form; `printed` is what went to stdout."""
    found = {"printed": "".join(o.text for o in made if o.output_type == "stream" and o.name == "stdout")}
    for output in made:
        found |= output.get("data", {})
    return found


def write(book: Any) -> None:
    import nbformat

    TUTORIAL.write_text(nbformat.writes(book).rstrip("\n") + "\n", encoding="utf-8")
