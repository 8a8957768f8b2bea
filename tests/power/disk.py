# An nbdkit disk with a cache that forgets: what was not flushed is lost, in part or as a whole, when the power is cut.
#
# nbdkit python disk.py image=FILE size=BYTES [lying=1]
#
# Whoever wants a cut writes `FILE.cut` with a share (0 to 100) and a seed in it. Before its next request the disk
# makes `FILE.after`: what is in the image, and that share of the blocks in the cache, chosen by the seed. A lying
# disk never writes its cache back, though it says so: nothing can survive on it, which shows that the rig works.
import builtins
import errno
import os
import random

import nbdkit

API_VERSION = 2
BLOCK = 4096

parameters = {}
cache = {}
image = -1


def config(key, value):
    parameters[key] = value


def thread_model():
    return nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS


def get_ready():
    global image
    image = os.open(parameters["image"], os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(image, int(parameters["size"]))


def open(readonly):
    return 1


def get_size(handle):
    return int(parameters["size"])


def can_flush(handle):
    return True


def can_fua(handle):
    return nbdkit.FUA_EMULATE


def block(number):
    return cache.get(number) or os.pread(image, BLOCK, number * BLOCK)


def pread(handle, buffer, offset, flags):
    cut_if_asked()
    done = 0
    while done < len(buffer):
        number, start = divmod(offset + done, BLOCK)
        count = min(BLOCK - start, len(buffer) - done)
        buffer[done : done + count] = block(number)[start : start + count]
        done += count


def pwrite(handle, buffer, offset, flags):
    cut_if_asked()
    done = 0
    while done < len(buffer):
        number, start = divmod(offset + done, BLOCK)
        count = min(BLOCK - start, len(buffer) - done)
        old = block(number) if count < BLOCK else bytes(BLOCK)
        cache[number] = old[:start] + bytes(buffer[done : done + count]) + old[start + count :]
        done += count


def flush(handle, flags):
    cut_if_asked()
    if "lying" in parameters:
        return
    write_back(image, cache)
    cache.clear()


def write_back(file, blocks):
    for number, content in blocks.items():
        os.pwrite(file, content, number * BLOCK)


def cut_if_asked():
    request = parameters["image"] + ".cut"
    try:
        with builtins.open(request) as file:
            share, seed = (int(word) for word in file.read().split())
    except OSError as error:
        if error.errno == errno.ENOENT:
            return
        raise
    os.unlink(request)
    after = parameters["image"] + ".after"
    if os.system(f"cp --sparse=always '{parameters['image']}' '{after}.part'") != 0:
        raise RuntimeError("the image cannot be copied")
    choice = random.Random(seed)
    survivors = {number: content for number, content in sorted(cache.items()) if choice.randrange(100) < share}
    file = os.open(after + ".part", os.O_RDWR)
    write_back(file, survivors)
    os.close(file)
    os.rename(after + ".part", after)
