#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the labels of a video's frames, and how much each frame differs from the one before.

    read-labels.py VIDEO "a car;an empty road" [MODEL]

Reads the metadata as it is on the buffer, a GstCustomMeta named "GstClipMeta" (docs/elements.md): nothing but PyGObject is
needed.
"""
import array
import signal
import sys
import warnings

import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst

# What Gst.Structure.get_array () returns is deprecated by GLib and nevertheless what there is.
warnings.filterwarnings("ignore", message="GObject.ValueArray")


def array_of(structure, field):
    found, values = structure.get_array(field)
    return [values.get_nth(i) for i in range(values.n_values)] if found else []


def read(buffer):
    """{"pts", "held", "labels": [(name, score), …], "embedding": floats}, or None where there is no metadata."""
    meta = buffer.get_custom_meta("GstClipMeta")
    if not meta:
        return None
    structure = meta.get_structure()
    embedding = array.array("f")
    if structure.has_field("embedding"):
        embedding.frombytes(structure.get_value("embedding").get_data())
    return {
        "pts": structure.get_value("pts"),
        "held": structure.get_value("held"),
        "labels": list(zip(array_of(structure, "labels"), array_of(structure, "scores"))),
        "embedding": embedding,
    }


class Printer:
    before = None

    def __call__(self, sink, buffer, pad):
        """Called by the sink, on its streaming thread, with each frame."""
        result = read(buffer)
        if not result or result["held"]:
            return
        change = 0
        if self.before:  # one minus the cosine: embeddings have unit length
            change = 1 - sum(a * b for a, b in zip(self.before, result["embedding"]))
        self.before = result["embedding"]
        labels = ", ".join(f"{name} {score:.2f}" for name, score in result["labels"])
        print(f"{result['pts'] / Gst.SECOND:7.2f} s  change {change:.3f}  {labels}", flush=True)


def main(video, labels, model=None):
    # Waiting for the pipeline is not waiting in Python, which would not see Ctrl-C, or that nobody reads on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    Gst.init(None)
    pipeline = Gst.parse_launch("filesrc name=file ! decodebin ! videoconvert ! clipclassify name=clip embedding=true "
                                "interval=10 ! fakesink name=sink signal-handoffs=true")
    pipeline.get_by_name("file").set_property("location", video)
    pipeline.get_by_name("clip").set_property("labels", labels)
    pipeline.get_by_name("clip").set_property("model", model)
    pipeline.get_by_name("sink").connect("handoff", Printer())

    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error().gerror.message)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
