# SPDX-License-Identifier: LGPL-2.1-or-later
# A camera: rtsp-server.py PORT [SECONDS] serves rtsp://localhost:PORT/camera, and says so in a line. Rings; with SECONDS, a ball
# takes their place, and they its, after so many.
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    "( videotestsrc name=picture pattern=circular is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=10/1"
    " ! jpegenc ! rtpjpegpay name=pay0 pt=26 )"
)


def turn(picture):
    picture.set_property("pattern", "circular" if picture.get_property("pattern").value_nick == "ball" else "ball")
    return True


def configure(factory, media):
    picture = media.get_element().get_by_name("picture")
    GLib.timeout_add(int(1000 * float(sys.argv[2])), turn, picture)


if len(sys.argv) > 2:
    factory.connect("media-configure", configure)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
server.get_mount_points().add_factory("/camera", factory)
if not server.attach(None):
    sys.exit("port %s is taken" % sys.argv[1])
print("ready", flush=True)
GLib.MainLoop().run()
