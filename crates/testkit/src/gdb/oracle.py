# Run inside gdb: writes the stacks of all threads, as gdb sees them, to $EPITAPH_ORACLE_OUT as JSON.
import json
import os

import gdb

MAX_FRAMES = int(os.environ["EPITAPH_ORACLE_FRAMES"])
CALLEE_SAVED = ("rbx", "rbp", "r12", "r13", "r14", "r15", "rsp")


def register(frame, name):
    """The register's value in this frame; None where gdb doesn't know it."""
    try:
        return int(frame.read_register(name)) & (1 << 64) - 1
    except (gdb.error, ValueError):
        return None


def is_tail_call(frame):
    """Whether gdb made this frame, or the one that it is inlined into, out of call site information."""
    while frame is not None and frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
    return frame is not None and frame.type() == gdb.TAILCALL_FRAME


def describe(frame):
    sal = frame.find_sal()
    known = sal is not None and sal.symtab is not None
    return {
        "function": frame.name(),
        "file": sal.symtab.filename if known else None,
        "line": sal.line if known and sal.line > 0 else None,
        "inlined": frame.type() == gdb.INLINE_FRAME,
        "signal_trampoline": frame.type() == gdb.SIGTRAMP_FRAME,
        "tail_call": is_tail_call(frame),
        "pc": frame.pc(),
        "registers": {name: register(frame, name) for name in CALLEE_SAVED},
    }


def stack():
    frames, cut, why = [], False, ""
    try:
        frame = gdb.newest_frame()
        while frame is not None:
            if len(frames) == MAX_FRAMES:
                cut = True
                break
            frames.append(describe(frame))
            why = gdb.frame_stop_reason_string(frame.unwind_stop_reason())
            frame = frame.older()
    except gdb.error as error:
        why = str(error)
    return {"frames": frames, "cut": cut, "stop": why}


def main():
    gdb.execute("set backtrace past-main on")
    gdb.execute("set backtrace past-entry off")
    gdb.execute("set backtrace limit unlimited")
    selected = gdb.selected_thread()
    threads = []
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        # A core of one thread may name it by its process id alone.
        threads.append({"tid": thread.ptid[1] or thread.ptid[0], "stack": stack()})
    crashed = selected.ptid[1] or selected.ptid[0] if selected else None
    threads.sort(key=lambda thread: (thread["tid"] != crashed, thread["tid"]))
    with open(os.environ["EPITAPH_ORACLE_OUT"], "w") as out:
        json.dump({"version": gdb.VERSION, "crashed": crashed, "threads": threads}, out)


main()
