"""Runs a command on a terminal of its own of 80 columns; sends signals when a pattern has been seen. Prints what came of it as JSON."""
import fcntl, json, os, pty, re, select, signal, struct, sys, termios, time

spec = json.loads(sys.argv[1])
parent, child = pty.openpty()
fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(child)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(child, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(child, fd)
    os.execvpe(spec["args"][0], spec["args"], spec["env"])

text, sends, status, deadline = "", list(spec["send"]), None, time.time() + 60
while status is None and time.time() < deadline:
    ready, _, _ = select.select([parent], [], [], 0.05)
    if ready:
        text += os.read(parent, 65536).decode("utf8", "replace")
    if sends and re.search(spec["when"], text):
        what = sends.pop(0)
        os.write(parent, b"\x03") if what == "^C" else os.kill(pid, getattr(signal, what))
    done, code = os.waitpid(pid, os.WNOHANG)
    status = code if done else None
if status is None:
    os.kill(pid, signal.SIGKILL)
while select.select([parent], [], [], 0.05)[0]:
    text += os.read(parent, 65536).decode("utf8", "replace")
after = termios.tcgetattr(child)
exit_code = os.waitstatus_to_exitcode(status) if status is not None else None
print(json.dumps({"exit": exit_code, "text": text, "same": before == after}))
