#!/usr/bin/python3
"""A folder of pictures as the IDX files that annulus reads.

    images_to_idx.py FOLDER IMAGES LABELS

FOLDER has a folder for each class with pictures of one size (JPEG, PNG or whatever Pillow reads), grey or in colour. Written are IMAGES,
unsigned bytes (count, height, width) or (count, 3, height, width), and LABELS, both gzip if their names end in .gz; class i is the i-th
folder by name. The first picture of every class, by name, then the second of each, and so on: any first part has all classes. The names of
the classes go to standard output, as --class-names takes them.
"""
import gzip
import itertools
import pathlib
import struct
import sys

from PIL import Image


def idx(path, dims, data):
    # no time stamp, so that the same pictures give the same bytes
    with open(path, "wb") as raw:
        out = gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.endswith(".gz") else raw
        out.write(struct.pack(">HBB", 0, 8, len(dims)) + struct.pack(">%dI" % len(dims), *dims))
        for part in data:
            out.write(part)
        if out is not raw:
            out.close()


def planes(path, mode, size):
    with Image.open(path) as picture:
        if picture.size != size:
            sys.exit("%s: %d x %d pixels, those before have %d x %d" % ((path,) + picture.size + size))
        if picture.mode[0] in "IF":
            sys.exit("%s: more than 8 bits a pixel: scale it to 0..255 first" % path)
        bands = picture.convert(mode).split()
    return b"".join(band.tobytes() for band in bands)


def main(folder, images, labels):
    if not pathlib.Path(folder).is_dir():
        sys.exit("%s: no folder" % folder)
    classes = sorted(d for d in pathlib.Path(folder).iterdir() if d.is_dir())
    each = [sorted(f for f in d.iterdir() if f.is_file()) for d in classes]
    if not any(each):
        sys.exit("%s: no folders of pictures" % folder)
    if len(classes) > 256:
        sys.exit("%s: %d folders, where labels tell 256 classes apart" % (folder, len(classes)))
    rounds = itertools.zip_longest(*each)
    order = [(c, path) for turn in rounds for c, path in enumerate(turn) if path is not None]
    with Image.open(order[0][1]) as first:
        size, mode = first.size, "L" if first.mode in ("1", "L", "LA") else "RGB"
    dims = [len(order)] + ([3] if mode == "RGB" else []) + [size[1], size[0]]
    idx(images, dims, (planes(path, mode, size) for _, path in order))
    idx(labels, [len(order)], [bytes(c for c, _ in order)])
    print(",".join(d.name for d in classes))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
