#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads meson's testlog.json (one JSON object a line, one line a test program) and prints how the cases went.

A program that speaks TAP counts once per case, any other once. A program that crashed, timed out or stopped before its
plan was done is one failed case more. Prints the failed and skipped cases, then "N passed, N failed, N skipped";
exits 1 where a case failed or none ran.
"""
import json
import re
import sys

CASE = re.compile(r"(not )?ok\b[ \t]*\d*[ \t]*(?:- )?([^#]*)(?:#\s*(\w+)\s*(.*))?")
GOOD = ("OK", "EXPECTEDFAIL", "SKIP")


def cases(test):
    """Yields (name, "passed" | "failed" | "skipped", why)."""
    found = {"passed": 0, "failed": 0, "skipped": 0}
    for line in test.get("stdout", "").splitlines():
        match = CASE.fullmatch(line.rstrip())
        if not match:
            continue
        bad, name, directive, why = match.groups()
        if directive and directive.upper() in ("SKIP", "TODO"):
            kind = "skipped"
        else:
            kind = "failed" if bad else "passed"
        found[kind] += 1
        yield name.strip(), kind, why or ""
    result = test["result"]
    if result not in GOOD and not found["failed"]:
        yield "", "failed", result.lower()
    elif not any(found.values()):
        yield "", "skipped" if result == "SKIP" else "passed", ""


def main():
    total = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
            tests = [json.loads(line) for line in log if line.strip()]
    except OSError as error:
        print(f"no test ran: {error}")
        tests = []
    for test in tests:
        for name, kind, why in cases(test):
            total[kind] += 1
            if kind != "passed":
                print(f"{kind}: {test['name']}{' ' if name else ''}{name}{': ' if why else ''}{why}")
    print(", ".join(f"{n} {kind}" for kind, n in total.items()))
    return 1 if total["failed"] or not total["passed"] else 0


sys.exit(main())
