# SPDX-License-Identifier: MIT
"""Image files of every kind that people meet, and the pixels that they hold.

Run: python tests/reference/images.py (from the root of the tree). Written with Python 3.11,
Pillow 13.0.0 (libjpeg-turbo 3.2.0), numpy 2.4.6, safetensors 0.8.0; numpy seed 20 below.

PNG files that Pillow cannot write come from the small encoder here, and their expected values are the
array that was encoded. JPEG values are what Pillow decodes, without rounding where channels are mixed
afterwards. expected.safetensors: one F32 tensor [c,h,w] per file, transparent ones laid on white; for
NAME there may be NAME:black and NAME:drop too.
"""
import io
import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin
from safetensors.numpy import save_file

OUT = os.path.join(os.path.dirname(__file__), "..", "golden", "images")
TEXT = 'load "a b.png" ! prompt "caf\u00e9 \u2603\nline two" ! save out.png'
rng = np.random.default_rng(20)
expected = {}

PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
          (0, 1, 1, 2)]  # x, y, dx, dy of Adam7


def chunk(kind, data, good=True):
    crc = zlib.crc32(kind + data) ^ (0 if good else 1)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def packed(row, bits):
    """Samples of a row, most significant first, as bytes."""
    if bits == 16:
        return row.astype(">u2").tobytes()
    if bits == 8:
        return row.astype(np.uint8).tobytes()
    flat = np.unpackbits(row.reshape(-1, 1).astype(np.uint8), axis=1)[:, 8 - bits:]
    return np.packbits(flat.reshape(-1)).tobytes()


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def filtered(rows, step):
    """The rows of one pass with the filters 0 to 4 in turn."""
    out, above = b"", bytes(len(rows[0]))
    for y, row in enumerate(rows):
        kind = y % 5
        left = bytes(step) + row[:-step]
        corner = bytes(step) + above[:-step]
        line = [x - (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]
                for x, a, b, c in zip(row, left, above, corner)]
        out += bytes([kind]) + bytes(v & 255 for v in line)
        above = row
    return out


def png(a, colour, bits, interlaced=False, palette=None, trns=None, extra=b"", tail=b""):
    """a: [h,w,c] of samples."""
    h, w, c = a.shape
    step = max(1, bits * c // 8)
    data = b""
    for x, y, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        part = a[y::dy, x::dx]
        if part.size:
            data += filtered([packed(r, bits) for r in part], step)
    data = zlib.compress(data, 9)
    out = b"\x89PNG\r\n\x1a\n"
    out += chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, interlaced))
    out += extra
    if palette is not None:
        out += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if trns is not None:
        out += chunk(b"tRNS", trns)
    for i in range(0, len(data), 100):  # in several pieces
        out += chunk(b"IDAT", data[i:i + 100])
    return out + tail + chunk(b"IEND", b"")


def put(name, data):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)


def expect(name, value, alpha=None):
    """value [h,w,c] float64 in [0,1]; alpha [h,w] or None."""
    v = np.asarray(value, np.float64)
    planes = lambda x: np.ascontiguousarray(x.transpose(2, 0, 1).astype(np.float32))
    if alpha is None:
        expected[name] = planes(v)
        return
    a = alpha[:, :, None]
    expected[name] = planes(v * a + (1 - a))
    expected[name + ":black"] = planes(v * a)
    expected[name + ":drop"] = planes(v)


def check(name, data):
    """Does Pillow see the same? Of 16 bits it keeps the high 8."""
    im = Image.open(io.BytesIO(data))
    im.load()
    if im.mode not in ("1", "L", "P", "RGB", "RGBA", "LA"):
        return
    im = im.convert("RGBA")
    got = np.asarray(im, np.float64) / 255
    want = expected.get(name + ":drop", expected[name]).transpose(1, 2, 0)
    assert np.abs(got[:, :, :3] - want).max() < (1 if "16" in name else 0.01) / 255, name


def samples(h, w, c, bits):
    a = rng.integers(0, 1 << bits, (h, w, c))
    a[0, 0], a[-1, -1] = 0, (1 << bits) - 1
    return a


def plain_pngs():
    for colour, label, c in (0, "gray", 1), (2, "rgb", 3), (4, "graya", 2), (6, "rgba", 4):
        for bits in (1, 2, 4, 8, 16) if colour == 0 else (8, 16):
            for interlaced in (False, True):
                a = samples(9, 13, c, bits)
                name = f"{label}{bits}{'-i' if interlaced else ''}.png"
                most = (1 << bits) - 1
                v = a / most
                if c in (2, 4):
                    expect(name, v[:, :, :-1], v[:, :, -1])
                else:
                    expect(name, v)
                data = png(a, colour, bits, interlaced)
                put(name, data)
                check(name, data)
    for w, h in (1, 1), (3, 5), (5, 2):  # fewer pixels than passes
        a = samples(h, w, 3, 8)
        name = f"small-{w}x{h}-i.png"
        expect(name, a / 255)
        put(name, png(a, 2, 8, True))


def transparent_pngs():
    for bits in (2, 8, 16):
        a = samples(9, 13, 1, bits)
        a[2, 3:6] = a[5, 5]
        key = int(a[5, 5, 0])
        name = f"gray{bits}-trns.png"
        expect(name, a / ((1 << bits) - 1), (a[:, :, 0] != key).astype(float))
        put(name, png(a, 0, bits, trns=struct.pack(">H", key)))
    for bits in (8, 16):
        a = samples(9, 13, 3, bits)
        a[2, 3:6] = a[5, 5]
        name = f"rgb{bits}-trns.png"
        expect(name, a / ((1 << bits) - 1), (a != a[5, 5]).any(axis=2).astype(float))
        put(name, png(a, 2, bits, trns=struct.pack(">HHH", *a[5, 5])))


def palette_pngs():
    for bits in (1, 2, 4, 8):
        n = min(1 << bits, 200)
        palette = rng.integers(0, 256, (n, 3))
        a = rng.integers(0, n, (9, 13, 1))
        v = palette[a[:, :, 0]] / 255
        for interlaced in (False, True):
            name = f"palette{bits}{'-i' if interlaced else ''}.png"
            expect(name, v)
            data = png(a, 3, bits, interlaced, palette)
            put(name, data)
            check(name, data)
        trns = rng.integers(0, 256, (n + 1) // 2)  # entries beyond it are opaque
        full = np.concatenate([trns, np.full(n - len(trns), 255)])
        name = f"palette{bits}-trns.png"
        expect(name, v, full[a[:, :, 0]] / 255)
        put(name, png(a, 3, bits, palette=palette, trns=trns.astype(np.uint8).tobytes()))


def other_pngs():
    a = samples(9, 13, 3, 8)
    extra = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"sRGB", b"\0")
    extra += chunk(b"iCCP", b"nothing\0\0" + zlib.compress(b"no profile at all"))
    extra += chunk(b"pHYs", b"bad", good=False) + chunk(b"zzZz", b"unknown")
    extra += chunk(b"bKGD", struct.pack(">HHH", 255, 0, 0))
    expect("ancillary.png", a / 255)
    put("ancillary.png", png(a, 2, 8, extra=extra, tail=chunk(b"tEXt", b"a\0b", good=False)))
    im = Image.fromarray(a.astype(np.uint8))
    for name, zipped in ("text.png", False), ("text-zip.png", True):
        info = PngImagePlugin.PngInfo()
        info.add_text("Software", "Pillow")
        info.add_itxt("kiln", TEXT, "en", "ofen", zip=zipped)
        im.save(os.path.join(OUT, name), pnginfo=info)
        expect(name, a / 255)
    ramp = np.arange(48, dtype=np.int64).reshape(6, 8)
    for mode in "1", "L", "LA", "P", "I;16", "RGBA":
        name = f"pillow-{mode.lower().replace(';', '')}.png"
        if mode == "I;16":
            Image.fromarray((ramp * 1394).astype(np.uint16)).save(os.path.join(OUT, name))
            expect(name, (ramp * 1394 / 65535)[:, :, None])
            continue
        im = Image.fromarray((ramp * 5).astype(np.uint8)).convert("RGBA" if mode in "LARGBA" else "L")
        if mode in ("LA", "RGBA"):
            im.putalpha(Image.fromarray((255 - ramp * 3).astype(np.uint8)))
        im = im.convert(mode)
        im.save(os.path.join(OUT, name), optimize=True)
        rgba = np.asarray(im.convert("RGBA"), np.float64) / 255
        c = 3 if mode in ("P", "RGBA") else 1
        expect(name, rgba[:, :, :c], rgba[:, :, 3] if mode in ("LA", "RGBA") else None)


def photo(h, w):
    """Smooth, with edges, colours apart."""
    y, x = np.mgrid[0:h, 0:w]
    v = np.stack([255 * x / (w - 1), 255 * y / (h - 1), 127 + 127 * np.sin(x / 3 + y / 5)], 2)
    v[h // 3:h // 2, w // 4:w // 2] = 255, 255, 0
    return v.astype(np.uint8)


def jpeg(im, **options):
    f = io.BytesIO()
    im.save(f, "JPEG", **options)
    return f.getvalue()


def decoded(data):
    im = Image.open(io.BytesIO(data))
    a = np.asarray(im, np.float64) / 255
    return a if a.ndim == 3 else a[:, :, None]


def plain_jpegs():
    im = Image.fromarray(photo(21, 37))
    files = {
        "gray.jpg": jpeg(im.convert("L"), quality=85),
        "420.jpg": jpeg(im, quality=85, subsampling="4:2:0"),
        "422.jpg": jpeg(im, quality=85, subsampling="4:2:2"),
        "444.jpg": jpeg(im, quality=95, subsampling="4:4:4"),
        "progressive.jpg": jpeg(im, quality=85, progressive=True),
        "gray-progressive.jpg": jpeg(im.convert("L"), quality=60, progressive=True),
        "restart.jpg": jpeg(im, quality=85, restart_marker_blocks=1),
        "rgb.jpg": jpeg(im, quality=90, keep_rgb=True),
        "comment.jpg": jpeg(im, quality=50, comment=("kiln: " + TEXT).encode()),
        "1x1.jpg": jpeg(im.crop((0, 0, 1, 1)), quality=85),
    }
    for name, data in files.items():
        put(name, data)
        expect(name, decoded(data))


def ink_jpegs():
    """CMYK: Adobe stores 255 - ink, and Pillow undoes that; with transform 2 it is YCCK."""
    v = photo(21, 37)
    ink = np.dstack([255 - v, (v[:, :, 0] // 3)[:, :, None]]).astype(np.uint8)
    data = jpeg(Image.fromarray(ink, "CMYK"), quality=90)
    at = data.index(b"Adobe")
    assert data[at + 11] == 0
    ycck = data[:at + 11] + b"\x02" + data[at + 12:]
    bare = data[:at - 4] + data[at + 12:]  # no Adobe marker: stored values are ink
    for name, d in ("cmyk.jpg", data), ("ycck.jpg", ycck), ("cmyk-bare.jpg", bare):
        a = decoded(d)  # Pillow takes every file for Adobe's
        if name == "cmyk-bare.jpg":
            a = 1 - a
        put(name, d)
        expect(name, (1 - a[:, :, :3]) * (1 - a[:, :, 3:]))


def turned_jpegs():
    im = Image.fromarray(photo(16, 24))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x010F] = "maker"  # another tag before
        exif[0x0112] = orientation
        data = jpeg(im, quality=80, exif=exif)
        put(f"turned{orientation}.jpg", data)
        expect(f"turned{orientation}.jpg",
               np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))), np.float64) / 255)
    big = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    data = jpeg(im, quality=80, exif=big)
    put("turned-big-endian.jpg", data)
    expect("turned-big-endian.jpg",
           np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))), np.float64) / 255)


os.makedirs(OUT, exist_ok=True)
plain_pngs()
transparent_pngs()
palette_pngs()
other_pngs()
plain_jpegs()
ink_jpegs()
turned_jpegs()
save_file(expected, os.path.join(OUT, "expected.safetensors"))
