# SPDX-License-Identifier: LGPL-2.1-or-later
"""A film as a camera: film-camera.py FILE [PORT] serves it by RTSP to whoever connects, from its beginning, in its own pace, and
prints the address. Where no PORT is given, a free one is taken."""
import os
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

if len(sys.argv) not in (2, 3):
    sys.exit("usage: film-camera.py FILE [PORT]")
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a script's shell has background processes ignore Ctrl-C
Gst.init(None)
path = os.path.abspath(sys.argv[1]).replace("\\", "\\\\").replace('"', '\\"')
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch('( filesrc location="%s" ! decodebin ! videoconvert ! jpegenc ! rtpjpegpay name=pay0 pt=26 )' % path)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[2] if len(sys.argv) == 3 else "0")
server.get_mount_points().add_factory("/film", factory)
if not server.attach(None):
    sys.exit("the port is taken")
print("rtspt://127.0.0.1:%d/film" % server.get_bound_port(), flush=True)
GLib.MainLoop().run()
