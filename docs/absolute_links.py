"""Gives the README's relative links and pictures addresses that work outside of the repository.

    python docs/absolute_links.py https://host/owner/name v1.0

Package indexes show the README without the files around it. The release workflow calls this before it builds.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def absolute(text: str, repository: str, revision: str) -> str:
    """A page of Markdown whose relative links lead to a revision of a repository, pictures to the files themselves."""

    def replace(link: re.Match[str]) -> str:
        mark, label, target = link.groups()
        if re.match(r"[a-z]+:|#", target):
            return link[0]
        return f"{mark}[{label}]({repository}/{'raw' if mark else 'blob'}/{revision}/{target})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", replace, text)


if __name__ == "__main__":
    README.write_text(absolute(README.read_text(encoding="utf-8"), *sys.argv[1:3]), encoding="utf-8")
