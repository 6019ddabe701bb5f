"""Holds the kernel's lock of all network configuration (RTNL), of the whole machine, as a driver does that resets its card.

An ethtool(8) request is carried out under the lock, and its answer is written to memory of ours while it is held: memory that is
not there before we say so (userfaultfd(2)). Needs root.
"""

import contextlib
import ctypes
import fcntl
import mmap
import os
import select
import socket
import struct
import threading

AT_MOST = 10  # s
SYS_USERFAULTFD = {"x86_64": 323, "aarch64": 282}[os.uname().machine]
UFFD_API = 0xAA
# linux/userfaultfd.h, linux/sockios.h, linux/ethtool.h
UFFDIO_API, UFFDIO_REGISTER, UFFDIO_ZEROPAGE = 0xC018AA3F, 0xC020AA00, 0xC020AA04
UFFDIO_REGISTER_MODE_MISSING = 1
SIOCETHTOOL, ETHTOOL_GLINK = 0x8946, 0x0A
PAGE = mmap.PAGESIZE

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result, what):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def _userfaultfd():
    return _checked(_libc.syscall(SYS_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK), "userfaultfd")


def missing():
    """Why it can't be held here, or ""."""
    try:
        os.close(_userfaultfd())
    except OSError as error:
        return str(error)
    return ""


@contextlib.contextmanager
def held():
    """The lock is taken when the body begins, and free when it has ended, or after AT_MOST: nobody on this machine, and not the test
    either, can change or list interfaces meanwhile."""
    memory = mmap.mmap(-1, 2 * PAGE)
    memory[:PAGE] = bytes(PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    # The request's number lies at the end of a page that is there, its answer on the next one, which isn't.
    request = start + PAGE - 4
    ctypes.c_uint32.from_address(request).value = ETHTOOL_GLINK
    faults = _userfaultfd()
    try:
        fcntl.ioctl(faults, UFFDIO_API, struct.pack("QQQ", UFFD_API, 0, 0))
        fcntl.ioctl(faults, UFFDIO_REGISTER, struct.pack("QQQQ", start + PAGE, PAGE, UFFDIO_REGISTER_MODE_MISSING, 0))
        errors = []

        def ask():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
                parameter = ctypes.create_string_buffer(struct.pack("16sP16x", b"lo", request))
                if _libc.ioctl(connection.fileno(), SIOCETHTOOL, parameter) < 0:
                    errors.append(os.strerror(ctypes.get_errno()))

        def release():
            with contextlib.suppress(FileExistsError):  # done before
                fcntl.ioctl(faults, UFFDIO_ZEROPAGE, struct.pack("QQQq", start + PAGE, PAGE, 0, 0))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        limit = threading.Timer(AT_MOST, release)
        limit.start()
        try:
            if not select.select([faults], [], [], 5)[0]:
                raise RuntimeError(f"the kernel doesn't write its answer: {errors}")
            yield
        finally:
            limit.cancel()
            limit.join()
            release()
            asking.join(5)
        assert not asking.is_alive() and not errors, errors
    finally:
        os.close(faults)
