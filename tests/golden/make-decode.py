#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""decode.safetensors: small pictures in every coding, and what Pillow (with libjpeg-turbo) makes of them.

NAME: the file [bytes] u8; NAME.rgb: its pixels [height, width, 3] u8; files that Pillow refuses have none."""
import io, json, os, struct
import numpy as np
from PIL import Image

y, x = np.mgrid[0:29, 0:37]
rgb = np.stack([128 + 120 * np.sin(x / 5 + y / 9), 6 * x, 255 - 8 * y], -1).clip(0, 255).astype(np.uint8)
rgb[8:16, 8:20] = (250, 20, 30)
picture = Image.fromarray(rgb)
rotated = picture.getexif()
rotated[0x112] = 6
transparent = picture.convert('RGBA')
transparent.putalpha(picture.convert('L'))
files = {}


def add(name, image, form, **options):
    data = io.BytesIO()
    image.save(data, form, **options)
    files[name] = data.getvalue()


add('420.jpg', picture, 'JPEG', quality=80)
add('422.jpg', picture, 'JPEG', subsampling=1)
add('444.jpg', picture, 'JPEG', subsampling=0)
add('progressive.jpg', picture, 'JPEG', quality=60, progressive=True)
add('gray.jpg', picture.convert('L'), 'JPEG')
add('cmyk.jpg', picture.convert('CMYK'), 'JPEG')
add('rotated.jpg', picture, 'JPEG', exif=rotated)
add('one.jpg', picture.crop((0, 0, 1, 1)), 'JPEG')
add('rgb.png', picture, 'PNG')
add('rgba.png', transparent, 'PNG')
add('gray.png', picture.convert('L'), 'PNG')
add('gray-alpha.png', transparent.convert('LA'), 'PNG')
add('palette.png', picture.quantize(16), 'PNG')
add('bits.png', picture.convert('1'), 'PNG')
for name in '420.jpg', 'progressive.jpg', 'rgb.png':
    files['cut-' + name] = files[name][:len(files[name]) * 2 // 3]
files['text.jpg'] = b'this is no picture at all'
files['start.jpg'] = files['420.jpg'][:20]

header, body = {}, b''
for name, data in files.items():
    arrays = {name: np.frombuffer(data, np.uint8)}
    try:
        arrays[name + '.rgb'] = np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))
    except OSError:
        pass
    for key, array in arrays.items():
        header[key] = {'dtype': 'U8', 'shape': array.shape, 'data_offsets': [len(body), len(body) + array.size]}
        body += array.tobytes()
text = json.dumps(header).encode()
text += b' ' * (-len(text) % 8)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'decode.safetensors'), 'wb') as file:
    file.write(struct.pack('<Q', len(text)) + text + body)
