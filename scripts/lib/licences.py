"""Prints the licences of what a package carries that is not ours: Rust crates, and with --ros the packages of a ROS.

python scripts/lib/licences.py --root . [--ros .prefix/ros]

Each text is printed once, below the names of those who use it.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

# What is linked into the packed programs.
PROGRAMS = ("face_attributes", "facelab")
TEXT_NAMES = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "UNLICENSE*")


def metadata(root):
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    host = re.search(r"^host: (\S+)", subprocess.check_output(["rustc", "-vV"], text=True), re.M)
    command += ["--filter-platform", host[1]]
    for more in (["--offline"], []):
        found = subprocess.run([*command, *more], cwd=root, capture_output=True, text=True, check=False)
        if not found.returncode:
            return json.loads(found.stdout)
    sys.exit(f"error: cargo metadata: {found.stderr}")


def linked_crates(root):
    """Packages that are compiled into the programs; ours are left out."""
    found = metadata(root)
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    open_ = [name for name in nodes if packages[name]["name"] in PROGRAMS and not packages[name]["source"]]
    seen = set(open_)
    while open_:
        for used in nodes[open_.pop()]["deps"]:
            if used["pkg"] not in seen and any(kind["kind"] is None for kind in used["dep_kinds"]):
                seen.add(used["pkg"])
                open_.append(used["pkg"])
    return [packages[name] for name in seen if packages[name]["source"]]


def texts_in(folder):
    return [path for name in TEXT_NAMES for path in sorted(folder.glob(name)) if path.is_file()]


def crates(root):
    for package in linked_crates(root):
        name = f"{package['name']} {package['version']} ({package['license'] or 'see its text'})"
        yield name, texts_in(Path(package["manifest_path"]).parent)


def ros_packages(ros):
    for manifest in ros.glob("share/*/package.xml"):
        text = manifest.read_text(encoding="utf-8")
        name, version = (re.search(rf"<{tag}>\s*(.*?)\s*</{tag}>", text, re.S)[1] for tag in ("name", "version"))
        terms = ", ".join(re.findall(r"<license[^>]*>(.*?)</license>", text))
        files = [path for folder in ros.glob(f"lib/python3*/site-packages/ros_{name}-*.dist-info/licenses")
                 for path in texts_in(folder)]  # fmt: skip
        yield f"{name} {version} ({terms})", [*files, *texts_in(manifest.parent)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="this repository")
    parser.add_argument("--ros", type=Path, help="a ROS installation whose libraries are carried")
    given = parser.parse_args()
    owners = sorted(crates(given.root))
    if given.ros:
        owners += sorted(ros_packages(given.ros))
    users = {}
    for name, files in owners:
        print(name)
        for file in files:
            users.setdefault(file.read_text(encoding="utf-8", errors="replace").strip(), []).append(name.split(" (")[0])
    for text, names in users.items():
        print("", "=" * 100, ", ".join(dict.fromkeys(names)), "", text, sep="\n")


if __name__ == "__main__":
    main()
