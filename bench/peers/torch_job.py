"""What the PyTorch scripts share: the job, the arrays, Adam, timing, the answer.

A process does one job, see ../measure.ts: its argument is the job as JSON, its
last line on standard output the answer. One thread.
"""

import json
import math
import os
import resource
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import numpy
import torch

torch.set_num_threads(1)

JOB = json.loads(sys.argv[1])
VARIANT = JOB["variant"]
LEARNING_RATE = 1e-3
COMPARED_LOSSES = 5
LONGEST = 10.0
WARM_LEAST, WARM_MOST = 10, 30
STEADY_CHUNKS = 3
UNDISTURBED = 0.95


def read_bundle():
    """Sizes and tensors, as ../bundle.ts writes them."""
    with open(JOB["data"] + ".json") as file:
        manifest = json.load(file)
    raw = numpy.fromfile(JOB["data"] + ".bin", dtype=numpy.uint8)
    tensors = {}
    for name, entry in manifest["arrays"].items():
        size = 4 * math.prod(entry["shape"])
        own = raw[entry["offset"] : entry["offset"] + size]
        array = own.view("<f4" if entry["dtype"] == "float32" else "<i4")
        tensor = torch.from_numpy(array.reshape(entry["shape"]).copy())
        # PyTorch wants its indices wide.
        tensors[name] = tensor if tensor.is_floating_point() else tensor.long()
    return manifest["sizes"], tensors


def make_step(loss_of, parameters, full):
    """A training step of `loss_of(parameters)`, which returns the loss.

    Compiled step by step of the training, or `full`: forward, backward and
    Adam are one graph for the compiler.
    """
    if full:
        return make_full_step(loss_of, parameters)
    parameters = {
        name: torch.nn.Parameter(value) for name, value in parameters.items()
    }
    optimizer = torch.optim.Adam(
        parameters.values(), lr=LEARNING_RATE, fused=True
    )

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(parameters)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def make_full_step(loss_of, parameters):
    first = {name: torch.zeros_like(p) for name, p in parameters.items()}
    second = {name: torch.zeros_like(p) for name, p in parameters.items()}
    count = torch.zeros(())

    @torch.compile
    def run(parameters, first, second, count):
        gradients, loss = torch.func.grad_and_value(loss_of)(parameters)
        count.add_(1)
        correction1 = 1 - 0.9**count
        correction2 = 1 - 0.999**count
        for name, gradient in gradients.items():
            m = first[name] * 0.9 + gradient * 0.1
            v = second[name] * 0.999 + gradient * gradient * 0.001
            first[name].copy_(m)
            second[name].copy_(v)
            scale = torch.sqrt(v / correction2) + 1e-8
            parameters[name].sub_(LEARNING_RATE * (m / correction1) / scale)
        return loss

    def step():
        with torch.no_grad():
            return run(parameters, first, second, count).item()

    return step


def timed(action, count):
    """The mean time of an action, in s."""
    start = time.perf_counter()
    for _ in range(count):
        action()
    return (time.perf_counter() - start) / count


def warm_up(action, length):
    start = time.perf_counter()
    each = timed(action, 1)
    chunks = [each]
    while each < length:
        each = timed(action, math.ceil(length / STEADY_CHUNKS / each))
        chunks.append(each)
        last = chunks[-STEADY_CHUNKS:]
        steady = max(last) < 1.03 * min(last)
        spent = (time.perf_counter() - start) / length
        if spent > (WARM_LEAST if steady else WARM_MOST):
            break
    return each


def measure(action):
    """The timing of an action that is not done for the first time, in ms.

    As ../measure.ts has it: interrupted repeats do not count.
    """
    length, repeats = JOB["seconds"], JOB["repeats"]
    count = math.ceil(length / warm_up(action, length))

    def repeat():
        before = time.process_time()
        each = timed(action, count)
        share = (time.process_time() - before) / (count * each)
        return min(share, UNDISTURBED), each

    asked = JOB.get("inTurns")
    found = when_asked(repeat) if asked else as_needed(repeat, repeats)
    found.sort(key=lambda slice: -slice[0])
    times = sorted(1e3 * each for _, each in found[: max(1, repeats)])
    return {"median": times[(len(times) - 1) // 2], "min": times[0]}


def as_needed(repeat, repeats):
    found = []
    undisturbed = 0
    deadline = time.perf_counter() + LONGEST
    while undisturbed < repeats:
        found.append(repeat())
        undisturbed += found[-1][0] == UNDISTURBED
        if time.perf_counter() > deadline:
            break
    return found


def when_asked(repeat):
    found = []
    print("{}", flush=True)
    for _ in sys.stdin:
        share, each = repeat()
        found.append((share, each))
        print(json.dumps({"each": 1e3 * each, "share": share}), flush=True)
    return found


def train(step):
    """Answers with the first losses and the timing of a step."""
    if JOB["task"] == "cold":
        return answer(losses=[step()])
    losses = [step() for _ in range(COMPARED_LOSSES)]
    answer(losses=losses, timing=measure(step))


def answer(**values):
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**values, "peakBytes": peak}), flush=True)
