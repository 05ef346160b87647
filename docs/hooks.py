"""What MkDocs is told about files of the project that are not in docs/: they are pages of the site, not copies.

A link means the same in a checkout and on the site: ``../SECURITY.md`` in docs/ leads to the page ``security.md``.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSE": "license.txt",
    "examples/flights.py": "examples/flights.py",
    "examples/resubmit.py": "examples/resubmit.py",
    "examples/resubmit.sh": "examples/resubmit.sh",
    "examples/remote.py": "examples/remote.py",
    "examples/kubernetes/cluster.yaml": "examples/kubernetes/cluster.yaml",
    "examples/kubernetes/steer.yaml": "examples/kubernetes/steer.yaml",
}
MERMAID = re.compile(r'<script type="module">(?:(?!</script>).)*mermaid.*?</script>', re.DOTALL)
LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
ORIGIN = {there: here for here, there in ELSEWHERE.items() if there != "index.md"}


def on_files(files: Files, config: Any) -> Files:
    """Take them in."""
    for there, here in ORIGIN.items():
        files.append(File.generated(config, there, abs_src_path=str(ROOT / here)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links to where their files are on the site."""
    return relinked(markdown, page.file.src_uri)


def on_page_content(html: str, **_: Any) -> str:
    """Take out what a notebook's page would fetch from the network: a library for diagrams that none of ours has."""
    return MERMAID.sub("", html)


def relinked(markdown: str, page: str) -> str:
    """The links of a page as they are in a checkout, turned into those of the site.

    >>> relinked("[safe](../../SECURITY.md#keys)", "explanation/reliability.md")
    '[safe](../security.md#keys)'
    >>> relinked("[speed](docs/explanation/performance.md)", "changelog.md")
    '[speed](explanation/performance.md)'
    """
    folder = posixpath.dirname(ORIGIN.get(page, f"docs/{page}"))

    def led(found: re.Match[str]) -> str:
        before, link, after = found.groups()
        meant = posixpath.normpath(posixpath.join(folder, link))
        there = ELSEWHERE.get(meant, meant.removeprefix("docs/"))
        return f"{before}{posixpath.relpath(there, posixpath.dirname(page) or '.')}{after}"

    return LINK.sub(led, markdown)
