"""Write into pages what their programs print now: ``python -m tests.docs.fill docs/how-to/resubmit.md``.

Without names: all pages. The name of the tutorial, ``docs/tutorials/tutorial.ipynb``, stores the outputs of its cells.

To be read with ``git diff`` afterwards: a change there is a change that readers see.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs import notebook
from tests.docs.pages import ROOT, Page, all_pages, timeless


def fill(page: Page) -> bool:
    """Whether the page is another one now; other times alone make none."""
    with tempfile.TemporaryDirectory() as folder:
        text = page.filled(Path(folder))
    is_other = timeless(text) != timeless(page.text)
    if is_other:
        (ROOT / page.name).write_text(text, encoding="utf-8")
    return is_other


def store_outputs() -> None:
    with tempfile.TemporaryDirectory() as folder:
        notebook.write(notebook.executed(Path(folder)))


if __name__ == "__main__":
    if notebook.TUTORIAL in map(Path.resolve, map(Path, sys.argv[1:])):
        sys.exit(store_outputs())
    for each in [Page(name) for name in sys.argv[1:]] or all_pages():
        print(each.name, "written" if fill(each) else "as it was")
