"""Several processes share out the tests of one run, and what each tells is told whole, in one place."""
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import resource

_processes = multiprocessing.get_context("fork")  # So that tasks may be any functions.
_TICKS = os.sysconf("SC_CLK_TCK")


def share_out(count, tasks, work):
    """Calls work(mine, tell) in so many processes: `mine` goes over those of `tasks` that fall to it, in their order, and
    what it says by tell(value) is yielded here. A process that does not come to its end yields a Died."""
    lanes = {}
    for _ in range(min(count, len(tasks))):
        ours, theirs = _processes.Pipe()
        process = _processes.Process(target=_lane, args=(theirs, [*lanes, ours], tasks, work))
        process.start()
        theirs.close()
        lanes[ours] = process
    left = iter(range(len(tasks)))
    try:
        while lanes:
            for ours in multiprocessing.connection.wait(list(lanes)):
                try:
                    value = ours.recv()
                except EOFError:
                    process = lanes.pop(ours)
                    process.join()
                    if process.exitcode != 0:
                        yield Died(process.exitcode)
                    continue
                if value is _Next:
                    ours.send(next(left, None))
                else:
                    yield value
    finally:  # Where whoever asks goes away before the end, no lane outlives the folders that it uses.
        for ours, process in lanes.items():
            ours.close()
            process.join()


class Died:
    def __init__(self, status):
        self.status = status

    def __str__(self):
        return f"a process that ran tests ended with {self.status}, with what it ran"


class _Next:
    """What a lane says when it has room for another task."""


def _lane(theirs, others, tasks, work):
    for pipe in others:  # Else none would see the end of the process that started it.
        pipe.close()

    def mine():
        while True:
            theirs.send(_Next)
            at = theirs.recv()
            if at is None:
                return
            yield tasks[at]

    work(mine(), theirs.send)


def processor_seconds(processes=()):
    """What this process, those that it has waited for, and `processes` and theirs, have had of the processors: it only
    grows while `processes` are all children that live."""
    sums = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in sums) + sum(map(_of_process, processes))


def _of_process(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return sum(map(int, words[11:15])) / _TICKS
