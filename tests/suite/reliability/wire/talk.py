"""One conversation over the wire of `wire.py`, as the case in argv[2] has it; what became of it is printed as JSON."""
import hashlib, json, socket, subprocess, sys, threading

FINCAT, CASE = sys.argv[1], json.loads(sys.argv[2])
PORT, TAIL, PATIENCE = 2000, 64 << 10, CASE.get('patience', 60)

def pattern(seed, count): return random.Random(seed).randbytes(count)

def digest(data): return hashlib.sha256(data).hexdigest()

class Socket:
    """A talker: what it says, that it has finished, what it hears."""
    def __init__(self, socket): self.socket = socket
    def say(self, piece): self.socket.sendall(piece)
    def finish(self): self.socket.shutdown(socket.SHUT_WR)
    def hear(self): return self.socket.recv(1 << 18)
    def end(self): self.socket.close()

class Tool:
    """fincat as a talker: its standard input and output."""
    def __init__(self, *words):
        self.ready, told = os.pipe()
        if words[0] == 'listen': words = words[:3] + ('--ready-fd', str(told)) + words[3:]
        self.process = subprocess.Popen((FINCAT,) + words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, bufsize=0, pass_fds=(told,))
        os.close(told)
    def say(self, piece):
        while piece: piece = piece[self.process.stdin.write(piece):]
    def finish(self): self.process.stdin.close()
    def hear(self): return self.process.stdout.read(1 << 18)
    def announced(self): os.read(self.ready, 100)
    def end(self):
        status = self.process.wait(PATIENCE)
        return status, self.process.stderr.read().decode()

def listen():
    return socket.create_server((FAR, PORT))

def reach():
    end = time.monotonic() + 20
    while True:
        try: return socket.create_connection((NEAR, PORT), 20)
        except ConnectionRefusedError:
            assert time.monotonic() < end, 'nobody listens'
            time.sleep(0.01)

class Both:
    """Both ways at once: all of `ours` is said, all that comes is heard. Who is not `first` to end keeps the last of
    what it has to say back until it has heard the other's end: that is the order kept."""
    def __init__(self, talker, ours, first, half=None):
        self.talker, self.heard, self.half = talker, 0, half
        self.hash, self.over, self.why = hashlib.sha256(), threading.Event(), None
        self.reached, self.said, self.may_end = threading.Event(), threading.Event(), threading.Event()
        if not (half and CASE.get('cut_end')): self.may_end.set()
        self.hearing = threading.Thread(target=self.listen, daemon=True)
        self.saying = threading.Thread(target=self.speak, args=(ours, first), daemon=True)
        self.hearing.start()
        self.saying.start()
    def listen(self):
        try:
            while piece := self.talker.hear():
                self.hash.update(piece)
                self.heard += len(piece)
                if self.half and self.heard >= self.half: self.reached.set()
        except OSError as why: self.why = repr(why)
        self.over.set()
    def speak(self, ours, first):
        try:
            keep = 0 if first else min(TAIL, len(ours))
            view = memoryview(ours)
            for at in range(0, len(ours) - keep, 1 << 18): self.talker.say(view[at:min(at + (1 << 18), len(ours) - keep)])
            if not first:
                self.over.wait(PATIENCE)
                self.talker.say(view[len(ours) - keep:])
            self.said.set()
            self.may_end.wait(PATIENCE)
            self.talker.finish()
        except OSError as why: self.why = repr(why)
    def account(self):
        self.saying.join(PATIENCE)
        self.over.wait(PATIENCE)
        return dict(heard=self.heard, digest=self.hash.hexdigest(), ended=self.over.is_set(), why=self.why)

COUNT = CASE['bytes']
OURS, THEIRS = pattern(1, COUNT), pattern(2, CASE.get('back', COUNT))
WE_FIRST = CASE.get('first') == 'we'
SAID, HEARD = os.pipe(), os.pipe()  # from the far end, and to it

def report(what): os.write(SAID[1], json.dumps(what).encode() + b'\n')

def far_socket():
    """The far end's socket, whichever way it comes to be."""
    if not CASE['role'] == 'connect': return Socket(reach())
    with listen() as server:
        report('listens')
        return Socket(server.accept()[0])

def far():
    """The other end of the conversation: a socket of Python's, or another fincat."""
    if CASE.get('far') == 'fincat':
        if CASE['role'] == 'connect':
            talker = Tool('listen', FAR, str(PORT))
            talker.announced()
            report('listens')
        else: talker = Tool('connect', NEAR, str(PORT), '--retry-for', '20s')
    else: talker = far_socket()
    if CASE['what'] == 'both':
        account = Both(talker, THEIRS, not WE_FIRST).account()
        ending = talker.end()
        if ending: account['status'], account['stderr'] = ending
    else: account = globals()['far_' + CASE['what']](talker.socket)
    report(account)
    signal.pause()

def far_echo(peer):
    """It says everything and ends, and hears it all again."""
    return Both(Socket(peer), OURS, True).account()

far_to = far_echo

def far_lost(peer):
    """It takes what comes, sends what the case asks for, and is never heard of again."""
    peer.sendall(THEIRS)
    if CASE.get('ends'): peer.shutdown(socket.SHUT_WR)
    got = 0
    while got < CASE.get('takes', 0): got += len(peer.recv(1 << 16))
    report('taken')
    if CASE.get('reset'):
        os.read(HEARD[0], 1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        peer.close()
        report('reset')
    signal.pause()

def told():
    ready, _, _ = select.select([SAID[0]], [], [], PATIENCE)
    assert ready, 'the far end says nothing'
    if not hasattr(told, 'lines'): told.lines = os.fdopen(SAID[0], 'rb')
    return json.loads(told.lines.readline())

def start():
    """The near end: fincat, with what the case gives it."""
    if CASE['role'] == 'connect':
        assert told() == 'listens'
        return Tool('connect', FAR, str(PORT), *CASE['args'])
    tool = Tool('listen', NEAR, str(PORT), *CASE['args'])
    return tool

def near_both(wire):
    tool = start()
    both = Both(tool, OURS, WE_FIRST, COUNT // 2)
    if cut := CASE.get('cut'):
        assert both.reached.wait(PATIENCE), 'half of it never came'
        wire.cut()
        time.sleep(cut)
        wire.mend()
    if cut := CASE.get('cut_end'):
        assert both.said.wait(PATIENCE), 'not everything could be said'
        wire.cut()
        both.may_end.set()
        time.sleep(cut)
        wire.mend()
    there, here = told(), both.account()
    status, stderr = tool.end()
    return dict(status=status, stderr=stderr, there=there, here=here)

def near_echo(wire):
    tool = start()
    there = told()
    status, stderr = tool.end()
    return dict(status=status, stderr=stderr, there=there)

def near_to(wire):
    upstream = socket.create_server(('127.0.0.1', 2001))
    def echo():
        peer, _ = upstream.accept()
        while piece := peer.recv(1 << 18): peer.sendall(piece)
        peer.close()
    threading.Thread(target=echo, daemon=True).start()
    return near_echo(wire)

def near_lost(wire):
    tool = start()
    threading.Thread(target=lambda: feed(tool), daemon=True).start()
    assert told() == 'taken'
    out = b''
    while CASE.get('out', True) and len(out) < COUNT: out += tool.hear()
    wire.cut()
    began = time.monotonic()
    if says := CASE.get('says_when_cut'): tool.say(bytes(says))
    if CASE.get('ends_when_cut'): tool.finish()
    if CASE.get('reset'):
        os.write(HEARD[1], b'.')
        assert told() == 'reset'
        time.sleep(0.3)
        wire.mend()
    while piece := tool.hear(): out += piece
    status, stderr = tool.end()
    return dict(status=status, stderr=stderr, out=digest(out), took=time.monotonic() - began)

def feed(tool):
    """Standard input: so many bytes, then silence or an end."""
    try:
        piece, left = bytes(1 << 16), CASE.get('feed', 0)
        while left > 0:
            tool.say(piece[:left])
            left -= len(piece)
        if CASE.get('feed_ends'): tool.finish()
    except OSError: pass

def main():
    try: wire = Wire(CASE['faults'], far)
    except Exception as why:
        print(json.dumps(dict(skipped=str(getattr(why, 'stderr', None) or why).strip())))
        return
    try:
        began = time.monotonic()
        result = globals()['near_' + CASE['what']](wire)
        result.update(took=time.monotonic() - began, wire=wire.counters(), ours=digest(OURS), theirs=digest(THEIRS))
        print(json.dumps(result))
    finally: wire.end()

main()
