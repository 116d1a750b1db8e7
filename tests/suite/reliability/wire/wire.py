"""Two network namespaces, and a wire between them that loses, repeats, reorders, delays and throttles packets, or is
cut; what is said over it is the business of `talk.py`. The wire is this script: each namespace has a TUN device, and a
process carries IP packets from one to the other, so that every kernel has it, with sch_netem or without."""
import ctypes, fcntl, heapq, mmap, os, random, select, signal, struct, subprocess, time

NEAR, FAR = '192.0.2.1', '192.0.2.2'
CUT, COUNTERS = 0, 8
# More than this is not waited for at a throttled wire: a queue that overflows.
QUEUE = 0.2

def run(line): subprocess.run(line.split(), check=True, capture_output=True, text=True)

def tun(name):
    end = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(end, 0x400454ca, struct.pack('16sH22x', name.encode(), 0x1001))  # TUNSETIFF: IFF_TUN, IFF_NO_PI
    return end

def bring_up(device, own, other, mtu):
    run(f'ip addr add {own} peer {other} dev {device}')
    run(f'ip link set {device} mtu {mtu} txqueuelen 10000 up')
    run('ip link set lo up')

class Wire:
    """Both namespaces, joined; `far` is called in the other one, in a process of its own, which ends with it."""

    def __init__(self, faults, far):
        self.board = mmap.mmap(-1, 64)
        ends = [tun('w0'), tun('w1')]
        mtu = faults.get('mtu', 1500)
        there, here = os.pipe(), os.pipe()
        self.peer = self.fork(lambda: self.be_far(far, mtu, there[1], here[0]))
        assert os.read(there[0], 1) == b'.', 'the far namespace cannot be made'
        run(f'ip link set w1 netns {self.peer}')
        os.write(here[1], b'.')
        assert os.read(there[0], 1) == b'.', 'the far namespace cannot be set up'
        bring_up('w0', NEAR, FAR, mtu)
        self.carrier = self.fork(lambda: self.carry(ends, faults))
        for end in ends: os.close(end)

    def fork(self, work):
        child = os.fork()
        if child: return child
        try: work()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def be_far(self, far, mtu, say, hear):
        if ctypes.CDLL(None, use_errno=True).unshare(0x40000000): raise OSError(ctypes.get_errno(), 'unshare')
        os.write(say, b'.')
        os.read(hear, 1)
        bring_up('w1', FAR, NEAR, mtu)
        os.write(say, b'.')
        far()

    def cut(self): self.board[CUT] = 1

    def mend(self): self.board[CUT] = 0

    def counters(self):
        names = ('carried', 'lost', 'repeated', 'late')
        return dict(zip(names, struct.unpack_from('<4Q', self.board, COUNTERS)))

    def carry(self, ends, faults):
        """Every packet that comes in at one end goes out at the other, or what the faults make of it."""
        loss, twice, late = (faults.get(name, 0) for name in ('loss', 'repeat', 'late'))
        delay, rate, lag = faults.get('delay', 0), faults.get('rate'), faults.get('lag', 0.005)
        chance, free, counters, serial, waiting = random.Random(faults['seed']).random, [0, 0], [0] * 4, 0, []
        poll = select.poll()
        for end in ends: poll.register(end, select.POLLIN)
        while True:
            wait = None if not waiting else max(0, (waiting[0][0] - time.monotonic()) * 1000 + 0.5)
            ready = poll.poll(wait)
            now = time.monotonic()
            for end, _ in ready:
                side = ends.index(end)
                for _ in range(256):
                    try: packet = os.read(end, 65536)
                    except BlockingIOError: break
                    if self.board[CUT] or loss and chance() < loss:
                        counters[1] += 1
                        continue
                    at = now + delay
                    if rate:
                        if free[side] - now > QUEUE:
                            counters[1] += 1
                            continue
                        free[side] = max(now, free[side]) + len(packet) / rate
                        at = free[side] + delay
                    if late and chance() < late:
                        counters[3] += 1
                        at += lag
                    copies = 1
                    if twice and chance() < twice:
                        counters[2] += 1
                        copies = 2
                    for _ in range(copies):
                        serial += 1
                        heapq.heappush(waiting, (at, serial, ends[1 - side], packet))
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, end, packet = heapq.heappop(waiting)
                counters[0] += 1
                if not self.board[CUT]: os.write(end, packet)
            struct.pack_into('<4Q', self.board, COUNTERS, *counters)

    def end(self):
        for child in (self.carrier, self.peer):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
