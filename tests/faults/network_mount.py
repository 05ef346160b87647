"""A network mount to test with: a folder shown through FUSE, whose client remembers all it is told, for an hour.

Started as a program: `network_mount.py SOURCE TARGET`; says "ready", then serves until its standard input ends.  Names,
sizes and times are cached by the kernel, as by a client of NFS; what is done in SOURCE is what another host does.  Files
below SOURCE/.server change the server: `clock` holds seconds by which its clock is ahead, `tick` those of which its
times are multiples, `broken` the error with which every read fails.  Needs Linux and root.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import sys
from typing import Any

HOUR = 3600
_IN = struct.Struct("<IIQQIIII")
_ATTR = struct.Struct("<6Q10I")
LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE, FLUSH = 1, 2, 3, 5, 14, 15, 17, 18, 25
INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, DESTROY, FORGETS = 26, 27, 28, 29, 36, 38, 42


class Server:
    """Answers the kernel; a node is a path, whatever file has it now."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.paths: dict[int, str] = {1: source}
        self.nodes: dict[str, int] = {source: 1}

    def setting(self, name: str) -> int:
        try:
            with open(os.path.join(self.source, ".server", name)) as file:
                return int(file.read())
        except OSError:
            return 0

    def attr(self, path: str) -> bytes:
        st = os.lstat(path)
        times = [t + self.setting("clock") * 10**9 for t in (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns)]
        tick = self.setting("tick") * 10**9
        times = [t - t % tick if tick else t for t in times]
        seconds, parts = [t // 10**9 % (1 << 64) for t in times], [t % 10**9 for t in times]
        owner = st.st_mode, st.st_nlink, st.st_uid, st.st_gid, 0, 4096, 0
        return _ATTR.pack(st.st_ino, st.st_size, st.st_blocks, *seconds, *parts, *owner)

    def answer(self, opcode: int, node: int, body: bytes) -> bytes:
        path = self.paths.get(node, "")
        if opcode == INIT:
            flags = struct.unpack_from("<IIII", body)[3] & (1 << 3)  # FUSE_ATOMIC_O_TRUNC and no more
            return struct.pack("<IIIIHHIIHHI7I", 7, 31, 1 << 16, flags, 16, 12, 1 << 16, 1, 16, 0, 0, *[0] * 7)
        if opcode == LOOKUP:
            return self.look_up(os.path.join(path, os.fsdecode(body.rstrip(b"\0"))))
        if opcode == GETATTR:
            return struct.pack("<QII", HOUR, 0, 0) + self.attr(path)
        if opcode == READLINK:
            return os.fsencode(os.readlink(path))
        if opcode in (OPEN, OPENDIR):
            os.lstat(path)
            return struct.pack("<QII", 0, 0, 0)
        if opcode == READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            if broken := self.setting("broken"):
                raise OSError(broken, os.strerror(broken))
            with open(path, "rb") as file:
                file.seek(offset)
                return file.read(size)
        if opcode == READDIR:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self.names(path, offset, size)
        if opcode == STATFS:
            return struct.pack("<5Q10I", 0, 0, 0, 0, 0, 4096, 255, 4096, *[0] * 7)
        if opcode in (RELEASE, RELEASEDIR, FLUSH):
            return b""
        raise OSError(errno.ENOSYS, "not served")

    def look_up(self, path: str) -> bytes:
        attr = self.attr(path)
        node = self.nodes.setdefault(path, len(self.nodes) + 1)
        self.paths[node] = path
        return struct.pack("<QQQQII", node, 0, HOUR, HOUR, 0, 0) + attr

    def names(self, path: str, offset: int, size: int) -> bytes:
        found = b""
        for at, name in list(enumerate(sorted(os.listdir(path)), 1))[offset:]:
            raw = os.fsencode(name)
            row = struct.pack("<QQII", 0xFFFFFFFF, at, len(raw), 0) + raw
            row += b"\0" * (-len(row) % 8)
            if len(found) + len(row) > size:
                break
            found += row
        return found


def serve(device: int, server: Server) -> None:
    while True:
        ready = select.select([device, 0], [], [])[0]
        if 0 in ready:
            return
        try:
            request = os.read(device, 1 << 18)
        except OSError as error:
            if error.errno in (errno.EINTR, errno.ENOENT):
                continue
            return
        _, opcode, unique, node, *_ = _IN.unpack_from(request)
        if opcode in (FORGET, FORGETS, INTERRUPT):
            continue
        try:
            code, body = 0, server.answer(opcode, node, request[_IN.size :])
        except OSError as error:
            code, body = -(error.errno or errno.EIO), b""
        os.write(device, struct.pack("<IiQ", 16 + len(body), code, unique) + body)


def main(source: str, target: str) -> None:
    libc: Any = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    if libc.mount(b"host:/export", target.encode(), b"fuse.network", 0, options.encode()):
        sys.exit(f"cannot mount: {os.strerror(ctypes.get_errno())}")
    try:
        print("ready", flush=True)
        serve(device, Server(source))
    finally:
        libc.umount2(target.encode(), 2)


if __name__ == "__main__":
    main(*sys.argv[1:])
