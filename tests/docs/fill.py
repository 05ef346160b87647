"""Write into pages what their programs print now: ``python -m tests.docs.fill docs/cli.md`` (without names: all pages).

To be read with ``git diff`` afterwards: a change there is a change that readers see.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.pages import ROOT, Page, all_pages, timeless


def fill(page: Page) -> bool:
    """Whether the page is another one now; other times alone make none."""
    with tempfile.TemporaryDirectory() as folder:
        text = page.filled(Path(folder))
    is_other = timeless(text) != timeless(page.text)
    if is_other:
        (ROOT / page.name).write_text(text, encoding="utf-8")
    return is_other


if __name__ == "__main__":
    for each in [Page(name) for name in sys.argv[1:]] or all_pages():
        print(each.name, "written" if fill(each) else "as it was")
