# Run inside gdb: writes the arguments and locals of the selected thread's frames, as gdb spells them, to
# $EPITAPH_ORACLE_OUT as JSON: for each logical frame its function and a list of names and values.
import glob
import json
import os

import gdb

MAX_FRAMES = int(os.environ["EPITAPH_ORACLE_FRAMES"])


def lists(command):
    """The variables that a command lists, one a line; what the command says where there are none has no ` = `."""
    try:
        text = gdb.execute(command, to_string=True)
    except gdb.error:
        return []
    pairs = [line.split(" = ", 1) for line in text.splitlines()]
    return [{"name": pair[0], "value": pair[1]} for pair in pairs if len(pair) == 2]


def with_library_printers():
    """gdb's printers of the C++ library, which come with the compiler."""
    for folder in sorted(glob.glob("/usr/share/gcc*/python")):
        import sys

        sys.path.insert(0, folder)
        from libstdcxx.v6.printers import register_libstdcxx_printers

        register_libstdcxx_printers(None)
        return


def main():
    gdb.execute("set width 0")
    gdb.execute("set print entry-values no")
    gdb.execute("set print static-members off")
    gdb.execute("set print max-depth 5")
    with_library_printers()
    frames = []
    frame = gdb.newest_frame()
    while frame is not None and len(frames) < MAX_FRAMES:
        frame.select()
        sal = frame.find_sal()
        # gdb 13 dies of some locals of Rust's own library.
        if sal.symtab is not None and sal.symtab.filename.startswith("/rustc/"):
            frame = frame.older()
            continue
        frames.append(
            {
                "function": frame.name(),
                "pc": frame.pc(),
                "arguments": lists("info args"),
                "locals": lists("info locals"),
            }
        )
        try:
            frame = frame.older()
        except gdb.error:
            break
    with open(os.environ["EPITAPH_ORACLE_OUT"], "w") as out:
        json.dump(frames, out)


main()
