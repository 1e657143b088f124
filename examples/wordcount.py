#!/usr/bin/env python3
"""Counts words with several processes, each word exactly once, whatever is killed meanwhile.

This is the tutorial of ckptd's task protocol (docs/tasks.md). Worker I of N counts the files whose position modulo
N is I. Its state is how far it has read each file and what it has counted up to there: stored together, restored
together. A thread answers heartbeats (`listen`); the main one counts, and takes orders between chunks (`serve`).
"""
import argparse, collections, http.client, itertools, json, os, queue, re, signal, sys, threading, time  # noqa: E401
from pathlib import Path
from urllib.parse import quote, urlsplit

# The connection breaks, nobody is there, or who answers is no ckptd: in each case, try again.
BROKEN = (OSError, http.client.HTTPException, ValueError)
parser, env = argparse.ArgumentParser(description=__doc__.split("\n")[0]), os.environ.get
parser.add_argument("--server", default=env("CKPTCTL_SERVER") or "http://127.0.0.1:8571")
parser.add_argument("--token-file", default=env("CKPTCTL_TOKEN_FILE"), required=not env("CKPTCTL_TOKEN_FILE"))
parser.add_argument("--job", default="wordcount")
parser.add_argument("--index", type=int, required=True, metavar="I", help="which worker this is, from 0")
parser.add_argument("--of", type=int, required=True, metavar="N", help="how many there are")
parser.add_argument("--output", required=True, metavar="DIR", help="where the counts go")
parser.add_argument("--pause", type=int, default=0, metavar="MS", help="between chunks, so that it takes longer")
parser.add_argument("files", nargs="*", metavar="FILE")
args = parser.parse_args()
token = Path(args.token_file).read_text().strip()


class Gone(Exception): """404: there is no such session any more, or no such job."""
class Ended(Exception): """410: the job has ended."""


def request(method, path, body=None, headers={}, timeout=30):
    """Each request has a connection of its own: a task sends few."""
    connection = http.client.HTTPConnection(urlsplit(args.server).netloc, timeout=timeout)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
    connection.request(method, f"/jobs/{quote(args.job, safe='')}/tasks{path}", body, headers)
    answer = connection.getresponse()
    if answer.status >= 400:
        why = json.loads(answer.read())["errors"][0]
        raise {404: Gone, 410: Ended}.get(answer.status, OSError if answer.status >= 500 else RuntimeError)(why)
    return answer


def ask(method, path, body=None):
    with request(method, path, json.dumps(body)) as answer:
        return json.loads(answer.read() or "null")


def insist(on, despite=BROKEN):
    """Until it is answered: ckptd may be about to start. If only the answer got lost it is told twice, and notices."""
    for tries in itertools.count():
        try:
            return on()
        except despite as error:
            if tries == 3:
                print(f"still tries: {error}")
        time.sleep(min(0.05 * 1.5 ** min(tries, 9), 0.5))


def events(stream):
    """Lines `field: value`, ended by an empty one. What breaks off before that comes again after Last-Event-ID."""
    event = {}
    for line in iter(stream.readline, b""):
        field, _, value = line.decode().strip().partition(":")
        event[field] = value.strip()
        if line.isspace() and "data" in event:
            yield event.get("id"), event["event"], json.loads(event["data"])
            event = {}


def listen(session, orders, timeout):
    """The second thread: answers heartbeats, also while the main thread is at work, and hands it everything else."""
    last = {}
    def read():
        # Four heartbeats come in `timeout`: a stream without two is dead, and the others can come on the next one.
        with request("GET", f"/{session}/events", None, last, timeout / 2) as stream:
            for number, name, data in events(stream):
                if name == "heartbeat":
                    ask("POST", f"/{session}", [])
                else:
                    last["Last-Event-ID"] = number
                    orders.put((name, data))
        raise OSError("the stream of events broke off")
    try:
        insist(read)
    except Exception as why:  # The main thread must not wait for a listener that is no more.
        orders.put(("revoked", {"why": str(why)}))


class Worker:
    # The newer of two processes for a subtask wins. Attempts count from the start of the process: one that stood still
    # must not come back as the newest. Each is one more: what is in the way may be its own, if an answer was lost.
    attempts, subtask = itertools.count(int(time.time() * 1000)), {"vertex": "count", "index": args.index}

    def run(self):
        while True:
            claim = {"name": f"pid {os.getpid()}", "subtasks": [self.subtask]}
            claimed = insist(lambda: ask("POST", "", {"attempt": next(self.attempts), **claim}), (*BROKEN, Gone))
            self.session, self.orders, timeout = claimed["sessionId"], queue.Queue(), claimed["heartbeatTimeout"] / 1000
            threading.Thread(target=listen, args=(self.session, self.orders, timeout), daemon=True).start()
            try:
                return self.serve()
            except Gone as why:
                print(f"claims again: {why}")
            except KeyboardInterrupt:
                ask("DELETE", f"/{self.session}")  # else ckptd waits for the heartbeat timeout
                sys.exit(130)

    def serve(self):
        """Orders first; without one, and when the pause is over, the next chunk."""
        self.phase, self.final, due = "waiting", set(), 0
        while True:
            try:
                pause = max(0, due - time.monotonic()) if self.phase == "counting" else None
                event, data = self.orders.get(timeout=pause)
            except queue.Empty:
                event, data, due = "count", {}, time.monotonic() + args.pause / 1000
            if event == "end":
                return print(f"the job is {data['state']}")
            if event == "revoked":
                raise Gone(data["why"])
            try:
                # What has no handler is ignored; `abort`, since what it is about has been stored already.
                getattr(self, f"on_{event}", lambda **_: None)(**data)
            except (OSError, ValueError) as error:  # input or state cannot be read, the result not be written
                self.phase = "waiting"
                self.report("failed", execution=self.execution, message=str(error))

    def report(self, report, **fields):
        insist(lambda: ask("POST", f"/{self.session}", {"report": report, **fields}))

    def on_restore(self, execution, checkpoint, **_):
        """What came after that checkpoint never happened, also for a process that was never away."""
        self.execution, self.final, state, start = execution, set(), {"offsets": {}, "counts": {}}, "nothing"
        if checkpoint:
            for snapshot in checkpoint["snapshots"]:  # One for one subtask; none if a savepoint does not know it.
                state = json.loads(Path(checkpoint["directory"], snapshot["location"]).read_text())
            start = f"checkpoint {checkpoint['checkpointId']}"
        self.offsets, self.counts = state["offsets"], collections.Counter(state["counts"])
        print(f"execution {execution} starts from {start}: {sum(self.counts.values())} words")
        self.phase = "counting"
        self.report("running", execution=execution)

    def on_count(self):
        """One chunk. It ends with a line, so that no word is cut in two."""
        for name in args.files[args.index :: args.of]:
            with open(name, "rb") as file:
                file.seek(self.offsets.get(name, 0))
                if chunk := file.read(64 * 1024) + file.readline():
                    self.counts.update(re.findall("[a-z]+", chunk.lower().decode("latin-1")))
                    self.offsets[name] = file.tell()
                    return
        print(f"all is read: {sum(self.counts.values())} words")
        self.phase = "at the end"

    def on_trigger(self, checkpointId, directory, **_):
        """Nothing is counted meanwhile; the state is small, so standing still is cheap."""
        subtask, location = {"checkpointId": checkpointId, **self.subtask}, f"count-{args.index}.json"
        try:
            began = time.monotonic()
            size = write(Path(directory, location), {"offsets": self.offsets, "counts": self.counts})
            stood = int((time.monotonic() - began) * 1000)
            self.report("acknowledge", **subtask, location=location, bytes=size, syncMillis=stood)
        except (OSError, RuntimeError) as error:
            self.report("decline", **subtask, message=str(error), reason="CHECKPOINT_ASYNC_EXCEPTION")
        if self.phase == "at the end":
            self.final.add(checkpointId)

    def on_complete(self, checkpointId, **_):
        """Once a complete checkpoint holds everything the result may leave: nothing is counted again. Doing this twice
        changes nothing. The process stays: if another worker is lost, all start from a checkpoint again."""
        if checkpointId in self.final:
            # A process that stood still may be here just when its replacement is: each has a draft of its own.
            draft = Path(args.output, f"counts-{args.index}.json.{os.getpid()}")
            write(draft, self.counts)
            draft.replace(draft.with_suffix(""))
            place = os.open(args.output, os.O_RDONLY)
            os.fsync(place)  # else the machine may forget the new name
            os.close(place)
            self.phase, self.final = "finished", set()
            self.report("finished", execution=self.execution)


def write(path, value):
    """Durable when it returns, so that it survives what kills the machine. Says how many bytes it is."""
    with open(path, "w") as file:
        print(json.dumps(value, sort_keys=True), file=file, flush=True)
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


sys.stdout.reconfigure(line_buffering=True)
Path(args.output).mkdir(parents=True, exist_ok=True)
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    Worker().run()
except Ended as why:
    print(why)
except RuntimeError as why:  # 409, a newer process took over; or the token is wrong
    sys.exit(f"worker {args.index} gives up: {why}")
