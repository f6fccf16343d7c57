"""What the documents tell people to type."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_CALL = re.compile(r'ros2 (?:service call|action send_goal(?: -f)?) (\S+) (\w+)/(srv|action)/(\w+)\s*\\?\s*"([^"]*)"')


def calls(document):
    """Name of the service or action, package, `srv` or `action`, type and request or goal in YAML, in the order of the document."""
    return _CALL.findall(document.read_text(encoding="utf-8"))


def typed(kind, fields):
    """Fields as `ros2 service call` reads them: a number without a point is a float where one is wanted."""
    kinds = kind.get_fields_and_field_types()
    return {name: float(value) if kinds[name] in ("float", "double") else value for name, value in fields.items()}


def programs(document):
    """The Python of a document."""
    return re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.S)
