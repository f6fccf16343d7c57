"""What the documents tell people to type."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_CALL = re.compile(r'ros2 service call (\S+) (\w+)/srv/(\w+)\s*\\?\s*"([^"]*)"')


def service_calls(document):
    """Name of the service, package, type and request in YAML of each call, in the order of the document."""
    return _CALL.findall(document.read_text(encoding="utf-8"))
