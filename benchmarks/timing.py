"""Turns and samples: how every figure of the benchmarks is taken.

A contestant is one tool that does one piece of work. All contestants of a row take turns (A B C A B C), so that
whatever else the machine does falls on all alike. What is measured is processor time: of this process with all its
threads, or of a child process from its start to its end.
"""

from __future__ import annotations

import os
import pickle
import statistics
import subprocess
import sys
import time

SAMPLE = 0.004  # s; a sample of quick work is repeated for this long
LEAST = 3  # samples of a contestant, however slow it is
SLOW = 0.3  # s; of work that takes longer, the first call counts as a sample


class Contestant:
    """Work that is repeated until a sample is long enough to be measured; `work` does `per` calls."""

    def __init__(self, work, per=1, prepare=None):
        self.work = work
        self.per = per
        self.prepare = prepare  # done before each call, outside the measurement
        self.number = 1

    def calibrate(self):
        """Choose the repetitions of a sample; the first call warms up, and is a sample if it took long."""
        self.number = 1
        first = self()
        spent = (first if first > SLOW else self()) * self.per
        if self.prepare is None:
            self.number = max(1, round(SAMPLE / max(spent, 1e-7)))
        return [first] if first > SLOW else []

    def __call__(self):
        """One sample: processor seconds per call."""
        if self.prepare is not None:
            self.prepare()
        work, again = self.work, range(self.number)
        began = time.process_time()
        for _ in again:
            work()
        return (time.process_time() - began) / self.number / self.per


class Reading:
    """Something that measures itself: seconds of a child process, bytes of memory, the time of a whole cluster."""

    def __init__(self, read, *, warm=True):
        self.read = read
        self.warm = warm  # whether the first reading is for warming up only

    def calibrate(self):
        if self.warm:
            self.read()
        return []

    def __call__(self):
        return self.read()


class Child(Reading):
    """A child process, from start to end; its own errors are shown and end the row."""

    def __init__(self, *command, env=None):
        super().__init__(lambda: child_time(command, env))


def child_time(command, env=None):
    """Processor seconds of a child process and of what it waited for."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime


def child_says(*command):
    """What a child process prints: a number, such as its use of memory."""
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


class Forked:
    """A contestant in a process of its own, for work whose cost depends on what the process did before.

    `make` builds the contestant over there; each sample is asked for and answered through pipes.
    """

    def __init__(self, make):
        self.asks, asked = os.pipe()
        answers, self.answers = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            os.close(asked)
            self._serve(make)
        os.close(self.asks)
        os.close(self.answers)
        self._ask, self._heard = os.fdopen(asked, "wb", 0), os.fdopen(answers, "rb")

    def _serve(self, make):
        try:
            with os.fdopen(self.asks, "rb", 0) as asks, os.fdopen(self.answers, "wb", 0) as answers:
                try:
                    contestant = make()
                    while (name := asks.read(1)) in (b"c", b"s"):  # not until the end: siblings hold the pipe too
                        answers.write(pickle.dumps(contestant.calibrate() if name == b"c" else contestant()))
                except Exception as error:
                    answers.write(pickle.dumps(f"{type(error).__name__}: {error}"))
        finally:
            os._exit(0)

    def _answer(self, question):
        self._ask.write(question)
        answer = pickle.load(self._heard)
        if isinstance(answer, str):
            raise RuntimeError(answer)  # noqa: TRY004 - the text of an error over there
        return answer

    def calibrate(self):
        return self._answer(b"c")

    def __call__(self):
        return self._answer(b"s")

    def close(self):
        self._ask.write(b"q")
        os.waitpid(self.pid, 0)


def turns(contestants, seconds, rounds=10_000):
    """Samples of each contestant: name -> list.

    `seconds` of wall time are shared. A slow contestant that has used up its share misses later turns, but never its
    first ones; the others go on in turns until the end.
    """
    samples = {name: contestant.calibrate() for name, contestant in contestants.items()}
    spent = dict.fromkeys(contestants, 0.0)
    share = seconds / len(contestants)
    began = time.perf_counter()
    for done in range(rounds):
        if done >= LEAST and time.perf_counter() - began > seconds:
            break
        for name, contestant in contestants.items():
            if len(samples[name]) >= LEAST and spent[name] > share:
                continue
            start = time.perf_counter()
            samples[name].append(contestant())
            spent[name] += time.perf_counter() - start
    return samples


def summary(samples):
    """What is kept of the samples of one contestant."""
    return {"least": min(samples), "median": statistics.median(samples), "samples": len(samples)}
