#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""WebVTT as others read it: every cue of FILE.vtt…, by a browser's own reader (Chromium) and by webvtt-py.

    python3 tests/read-vtt.py FILE.vtt…

Each must find the cues that the file was meant to have: as many as there are lines with two times and an arrow, with these
times, one after the other, each of positive length and with a text. Exits 1 where a reader refuses a file or finds something
else, or where there is none; one that is not installed (Debian's chromium, PyPI's webvtt-py) is left out, and named.
"""
import base64
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile

TIMING = re.compile(r"(\d\d+):(\d\d):(\d\d)\.(\d{3}) --> (\d\d+):(\d\d):(\d\d)\.(\d{3})")
PAGE = """<video><track kind="captions" src="data:text/vtt;base64,%s"></video><pre id="out">nothing</pre><script>
const track = document.querySelector("track"), out = document.querySelector("#out");
const text = cue => cue.getCueAsHTML().textContent;
track.onload = () => out.textContent = JSON.stringify([...track.track.cues].map(c => [c.startTime, c.endTime, text(c)]));
track.onerror = () => out.textContent = "refused";
track.track.mode = "hidden";
</script>"""


def times(match):
    """(start, end) in seconds."""
    h, m, s, ms, h2, m2, s2, ms2 = map(int, match.groups())
    return h * 3600 + m * 60 + s + ms / 1000, h2 * 3600 + m2 * 60 + s2 + ms2 / 1000


def meant(path):
    """[(start, end)] of the timing lines."""
    with open(path, encoding="utf-8") as file:
        return [times(match) for match in map(TIMING.match, file) if match]


def by_chromium(path):
    data = base64.b64encode(open(path, "rb").read()).decode()
    with tempfile.NamedTemporaryFile("w", suffix=".html") as page:
        page.write(PAGE % data)
        page.flush()
        dom = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom",
             "file://" + page.name], capture_output=True, text=True, timeout=120, check=True).stdout
    out = html.unescape(re.search(r'<pre id="out">(.*?)</pre>', dom, re.S).group(1))
    if not out.startswith("["):
        raise ValueError(out)
    return json.loads(out)


def by_webvtt_py(path):
    import webvtt
    return [(*times(TIMING.match(f"{cue.start} --> {cue.end}")), cue.text) for cue in webvtt.read(path)]


def has_webvtt_py():
    try:
        import webvtt
    except ImportError:
        return False
    return hasattr(webvtt, "read")


READERS = {"Chromium": (by_chromium, lambda: shutil.which("chromium")), "webvtt-py": (by_webvtt_py, has_webvtt_py)}


def wrong(cues, expected):
    """What is wrong with what a reader found, None: nothing."""
    if len(cues) != len(expected):
        return f"{len(cues)} cues, expected {len(expected)}"
    last = 0
    for (start, end, text), (start2, end2) in zip(cues, expected):
        if abs(start - start2) > 1e-3 or abs(end - end2) > 1e-3:
            return f"a cue {start}–{end}, expected {start2}–{end2}"
        if start < last or end <= start or not text.strip():
            return f"cue {start}–{end} {text!r} after {last}"
        last = end
    return None


def main():
    failed = 0
    readers = {name: read for name, (read, is_there) in READERS.items() if is_there()}
    for name in READERS.keys() - readers.keys():
        print(f"{name} is not installed")
    for path in sys.argv[1:]:
        for name, read in readers.items():
            try:
                what = wrong(read(path), meant(path))
            except Exception as error:  # a reader may raise anything
                what = f"refused: {error}"
            print(f"{'not ok' if what else 'ok'} {path}, {name}: {what or f'{len(meant(path))} cues'}")
            failed += bool(what)
    return failed > 0 or not readers


if __name__ == "__main__":
    sys.exit(main())
