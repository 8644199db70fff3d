"""What a program shows on a terminal; its standard input is a pipe with the answers."""
import os
import pty

# one character of each length that is cut; each is tried at each of its bytes
CHARACTERS = ('é', '€', '𝄞')


def shown(argv, answers=b''):
    """The bytes that come to the screen, and the exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        reading, writing = os.pipe()
        os.write(writing, answers)
        os.close(writing)
        os.dup2(reading, 0)
        os.close(reading)
        os.execvp(argv[0], argv)
    got = bytearray()
    try:
        while piece := os.read(fd, 65536):
            got += piece
    except OSError:
        pass  # the other end is closed
    os.close(fd)
    return bytes(got).replace(b'\r\n', b'\n'), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def texts(length):
    """Texts of about so many bytes, which begin such a character at each byte between them."""
    for character in CHARACTERS:
        one = character.encode()
        for ahead in range(len(one)):
            yield f'{character} behind {ahead} bytes', b'a' * ahead + one * (length // len(one))
