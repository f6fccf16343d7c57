"""The program behind scripts/teacher-targets, which says what the options mean.

usage: python -m teacher PACK --dat FILE [--out DIR] [--mirror-mean] [--check N] [--threads N] [--quiet]
"""

import argparse
import os
import sys
from pathlib import Path

from .dat import DatError
from .faces import PackError, Pictures, tables
from .targets import ENOUGH, Progress, TargetsError, compare, require_writable, write


def arguments():
    parser = argparse.ArgumentParser(prog="teacher-targets")
    parser.add_argument("pack", type=Path)
    parser.add_argument("--dat", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--mirror-mean", action="store_true")
    parser.add_argument("--check", type=int)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    return parser.parse_args()


def network_of(args):
    # Only here: the tests have no ONNX Runtime.
    from .network import load

    return load(args.dat, args.threads or len(os.sched_getaffinity(0)))


def check(args, folder, found):
    found = [table for table in found if (folder / table.targets).is_file()]
    if not found:
        raise TargetsError(f"nothing to compare with: no labels*.dlib128.f16 in {folder}")
    pictures = Pictures(args.pack)
    for table in found:
        pictures.require(table)
    network, agree = network_of(args), True
    for table in found:
        progress = Progress(table.targets, args.check, args.quiet)
        cosines = compare(network, pictures, table, folder / table.targets, args.check, args.mirror_mean, progress)
        agree &= bool(cosines.min() >= ENOUGH)
        agreement = f"cosine {cosines.mean():.6f} (mean), {cosines.min():.6f} (worst)"
        print(f"{table.targets}: {len(cosines)} rows, {agreement}", flush=True)
    if not agree:
        raise TargetsError(f"worst cosine under {ENOUGH}: made from other pictures, in another way, or damaged")


def make(args, folder, found):
    require_writable(folder)
    pictures = Pictures(args.pack)
    for table in found:
        pictures.require(table)
    network = network_of(args)
    for table in found:
        progress = Progress(table.targets, len(table.keys), args.quiet)
        write(network, pictures, table, folder / table.targets, args.mirror_mean, progress)
        print(folder / table.targets, flush=True)


def main():
    args = arguments()
    try:
        found, folder = tables(args.pack), args.out or args.pack
        if args.check:
            check(args, folder, found)
        else:
            make(args, folder, found)
    except (DatError, PackError, TargetsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
