//! Summaries to render in tests: one per shape of crash that people meet, made up but true to life.

use epitaph_summary::{
    Access, AccessKind, Assertion, Basis, Cause, Collection, Completeness, Confidence, Core, CrashSummary,
    Exception, FileOrigin, FileState, Frame, FrameRule, Hex, Instruction, MessageSource, Module, Panic,
    Process, Region, RegionKind, Repeat, Signal, Signature, SourceLine, Stop, Syscall, System, TestCase,
    Thread, Trust, WaitsOn, Warning,
};

/// Every fixture, with the name of its expected output in `tests/data`.
pub(crate) fn all() -> Vec<(&'static str, CrashSummary)> {
    vec![
        ("null_deref", null_deref()),
        ("abort", abort()),
        ("no_debug_info", no_debug_info()),
        ("cpp_exception", cpp_exception()),
        ("many_threads", many_threads()),
        ("stack_overflow", stack_overflow()),
        ("missing_modules", missing_modules()),
        ("truncated", truncated()),
        ("signal_handler", signal_handler()),
        ("assertion", assertion()),
        ("wild_write", wild_write()),
        ("deadlock", deadlock()),
        ("hostile", hostile()),
        ("nothing_known", CrashSummary::new("0.1.0")),
    ]
}

const PROGRAM: u32 = 0;
const LIBC: u32 = 1;

/// A frame of the program's own, with its source.
fn own(function: &str, file: &str, line: u32) -> Frame {
    Frame {
        function: Some(function.into()),
        file: Some(file.into()),
        line: Some(line),
        pc: Some(Hex(0x5555_5555_0000 + u64::from(line))),
        offset: Some(Hex(0x1000 + u64::from(line))),
        module: Some(PROGRAM),
        trust: Some(Trust::Cfi),
        in_app: Some(true),
        ..Frame::default()
    }
}

/// A frame of libc, of which only the symbol is known.
fn libc(function: &str, offset: u64) -> Frame {
    Frame {
        function: Some(function.into()),
        function_offset: Some(Hex(offset)),
        pc: Some(Hex(0x7fff_f7c0_0000 + offset)),
        offset: Some(Hex(0x29000 + offset)),
        module: Some(LIBC),
        trust: Some(Trust::Cfi),
        in_app: Some(false),
        ..Frame::default()
    }
}

fn started() -> [Frame; 3] {
    [libc("__libc_start_call_main", 0x80), libc("__libc_start_main", 0x85), {
        Frame {
            in_app: Some(false),
            function_offset: Some(Hex(0x25)),
            file: None,
            line: None,
            ..own("_start", "", 0)
        }
    }]
}

/// A summary of `program` with its facts, its modules and one thread of `frames`.
fn crash(program: &str, signal: Signal, frames: Vec<Frame>) -> CrashSummary {
    let mut summary = CrashSummary::new("0.1.0");
    summary.id = Some(format!("20261122T101501Z-{program}-1f2e3d4c5b6a7988"));
    summary.time = Some("2026-11-22T10:15:01Z".into());
    summary.core = Some(Core {
        path: Some(format!("/tmp/cores/core.4711.{program}")),
        size: Some(1_310_720),
        size_on_disk: Some(348_160),
        completeness: Some(Completeness::Complete),
        ..Core::default()
    });
    summary.system = Some(System { arch: Some("x86_64".into()), bits: Some(64), page_size: Some(4096) });
    summary.process = Some(Process {
        pid: Some(4711),
        name: Some(program.chars().take(15).collect()),
        command_line: Some(format!("./{program} --fast input.json")),
        executable: Some(format!("/ci/build/{program}")),
        ..Process::default()
    });
    summary.signal = Some(signal);
    summary.thread_count = Some(1);
    summary.threads = vec![Thread {
        tid: Some(4711),
        name: Some(program.chars().take(15).collect()),
        crashed: true,
        stop: Some(Stop::End),
        frames,
        ..Thread::default()
    }];
    summary.modules = vec![
        Module {
            main: true,
            has_debug_info: Some(true),
            ..module(&format!("/ci/build/{program}"), "1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c")
        },
        module("/usr/lib/x86_64-linux-gnu/libc.so.6", "6196744a316dbd57c0fd8968df1680aac482cec4"),
    ];
    summary
}

fn module(path: &str, build_id: &str) -> Module {
    Module {
        name: path.rsplit('/').next().map(str::to_owned),
        path: Some(path.into()),
        build_id: Some(build_id.into()),
        file_state: Some(FileState::Verified),
        file_found: Some(path.into()),
        file_origin: Some(FileOrigin::RecordedPath),
        has_debug_info: Some(false),
        ..Module::default()
    }
}

fn segv(description: &str, address: u64) -> Signal {
    Signal {
        number: Some(11),
        name: Some("SIGSEGV".into()),
        code: Some(1),
        code_name: Some("SEGV_MAPERR".into()),
        fault_address: Some(Hex(address)),
        description: Some(description.into()),
        ..Signal::default()
    }
}

fn aborted() -> Signal {
    Signal {
        number: Some(6),
        name: Some("SIGABRT".into()),
        sender_pid: Some(4711),
        sender_uid: Some(1000),
        description: Some("the process aborted itself".into()),
        ..Signal::default()
    }
}

/// A null dereference in C, in an inlined function.
pub(crate) fn null_deref() -> CrashSummary {
    let mut frames = vec![
        Frame { inlined: true, column: Some(17), ..own("token_peek", "src/lexer.h", 31) },
        Frame { column: Some(12), ..own("lexer_next", "src/lexer.c", 88) },
        own("parse_value", "src/parse.c", 140),
        own("parse_document", "src/parse.c", 212),
        own("main", "src/main.c", 24),
    ];
    frames.extend(started());
    crash("parser", segv("write to unmapped address 0x10", 0x10), frames)
}

/// `abort` through libc's frames.
pub(crate) fn abort() -> CrashSummary {
    let mut frames = vec![
        libc("__pthread_kill_implementation", 0x11c),
        libc("raise", 0x16),
        libc("abort", 0xd7),
        libc("__assert_fail_base.cold", 0x5),
        libc("__assert_fail", 0x96),
        own("queue_pop", "src/queue.c", 57),
        own("main", "src/main.c", 31),
    ];
    frames.extend(started());
    let mut summary = crash("worker", aborted(), frames);
    summary.core.as_mut().unwrap().file = Some("crashes/20261122T101501Z-worker/core.zst".into());
    summary.core.as_mut().unwrap().stored_size = Some(40_960);
    summary
}

/// A program that was built without `-g` and aborts.
pub(crate) fn no_debug_info() -> CrashSummary {
    let mut summary = abort();
    for frame in &mut summary.threads[0].frames {
        if frame.in_app == Some(true) {
            (frame.file, frame.line, frame.function_offset) = (None, None, Some(Hex(0x1c)));
        }
    }
    summary.modules[0].has_debug_info = Some(false);
    summary
}

/// An uncaught C++ exception beneath long templates.
pub(crate) fn cpp_exception() -> CrashSummary {
    let pair = "std::pair<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > const, int>";
    let map = format!("std::map<std::string, int, std::less<void>, std::allocator<{pair} > >");
    let mut frames = vec![
        libc("__pthread_kill_implementation", 0x11c),
        libc("raise", 0x16),
        libc("abort", 0xd7),
        Frame { module: Some(2), ..libc("__gnu_cxx::__verbose_terminate_handler()", 0xbc) },
        Frame { module: Some(2), ..libc("std::terminate()", 0x57) },
        Frame { module: Some(2), ..libc("__cxa_throw", 0x98) },
        Frame { module: Some(2), ..libc("std::__throw_out_of_range(char const*)", 0x41) },
        Frame {
            inlined: true,
            ..own(&format!("{map}::at(std::string const&)"), "/usr/include/c++/14/bits/stl_map.h", 551)
        },
        own(&format!("config::lookup<{map}>({map} const&, std::string_view)"), "src/config.cpp", 77),
        own("main", "src/main.cpp", 12),
    ];
    frames.extend(started());
    let mut summary = crash("server", aborted(), frames);
    summary
        .modules
        .push(module("/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.33", "e37fe1a879783838de78cbc8c80621fa"));
    summary
}

/// One of 64 threads crashes; most of the others wait for work.
pub(crate) fn many_threads() -> CrashSummary {
    let start = || [libc("start_thread", 0x2f4), libc("clone3", 0x2c)];
    let mut frames = vec![own("render_tile", "src/tile.c", 402), own("worker_main", "src/pool.c", 66)];
    frames.extend(start());
    let mut summary = crash("renderer", segv("read of unmapped address 0x7f31a0", 0x7f31a0), frames);
    summary.thread_count = Some(64);
    summary.threads[0].name = None;
    for number in 1..64u32 {
        let (frames, name) = match number {
            1 => (vec![libc("poll", 0x4f), own("main", "src/main.c", 90)], "renderer"),
            9 => (vec![Frame { trust: Some(Trust::Scan), ..libc("write", 0x17) }], "logger"),
            _ => {
                let wait = [libc("__futex_abstimed_wait_common", 0xe2), libc("pthread_cond_wait", 0x208)];
                let work = [own("pool_take", "src/pool.c", 41), own("worker_main", "src/pool.c", 60)];
                (wait.into_iter().chain(work).chain(start()).collect(), "worker")
            }
        };
        summary.threads.push(Thread {
            tid: Some(4711 + number),
            name: Some(name.into()),
            stop: Some(if number == 9 { Stop::NoCfi } else { Stop::End }),
            stop_detail: (number == 9).then(|| "no unwind information at 0x7ffff7d14b17".into()),
            frames,
            ..Thread::default()
        });
    }
    summary
}

/// Endless recursion, of which the middle is left out.
pub(crate) fn stack_overflow() -> CrashSummary {
    let mut frames = vec![own("visit", "src/tree.c", 19); 6];
    frames.extend([own("walk", "src/tree.c", 40), own("main", "src/main.c", 8)]);
    frames.extend(started());
    let mut summary = crash(
        "walker",
        segv("stack overflow: write below the stack, to 0x7ffc1a2feff8", 0x7ffc_1a2f_eff8),
        frames,
    );
    summary.threads[0].frames_total = Some(87_211);
    summary.threads[0].omitted_after = Some(3);
    summary.threads[0].repeats = vec![Repeat { first: 0, period: 1, count: 87_206, exact: true }];
    summary
}

/// Libraries that are gone, replaced or without a build ID, on a stack that had to be guessed.
pub(crate) fn missing_modules() -> CrashSummary {
    let unnamed = |module: u32, offset: u64, trust| Frame {
        pc: Some(Hex(0x7f00_0000_0000 + offset)),
        module: Some(module),
        offset: Some(Hex(offset)),
        trust: Some(trust),
        ..Frame::default()
    };
    let frames = vec![
        unnamed(2, 0x1a40, Trust::Context),
        unnamed(2, 0x2b11, Trust::FramePointer),
        Frame { trust: Some(Trust::FramePointer), ..own("plugin_call", "src/plugin.c", 18) },
        Frame { pc: Some(Hex(0x7fab_cdef_0123)), trust: Some(Trust::Scan), ..Frame::default() },
    ];
    let mut summary = crash("host", segv("jump to unmapped address 0x0", 0), frames);
    summary.threads[0].stop = Some(Stop::NoCfi);
    summary.threads[0].stop_detail = Some("no unwind information at 0x7fabcdef0123".into());
    let gone = Module {
        file_state: Some(FileState::Missing),
        file_found: None,
        has_debug_info: None,
        ..module("/opt/plugins/libcodec.so", "00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff")
    };
    summary.modules.push(gone.clone());
    summary.modules.push(Module { path: Some("/opt/plugins/libidle.so".into()), ..gone });
    summary.modules[0].build_id = None;
    summary.modules[0].file_state = Some(FileState::Unverified);
    summary.warnings = vec![Warning::new(
        "file_unverified",
        "/ci/build/host has no build ID: names and lines are right only if it was not rebuilt since",
    )];
    summary
}

/// A core that its file system had no room for.
pub(crate) fn truncated() -> CrashSummary {
    let mut summary = null_deref();
    let core = summary.core.as_mut().unwrap();
    core.completeness = Some(Completeness::CrashingStack);
    core.missing_bytes = Some(917_504);
    summary.process.as_mut().unwrap().command_line_truncated = Some(true);
    summary.thread_count = Some(3);
    let frames = vec![libc("read", 0x11)];
    let lost = Thread { tid: Some(4712), stop: Some(Stop::Truncated), frames, ..Thread::default() };
    summary.threads.push(lost);
    summary.warnings = vec![Warning::new("core_truncated", "the core ends after 393216 of 1310720 bytes")];
    summary
}

/// A crash in a signal handler, on top of the code that it interrupted.
pub(crate) fn signal_handler() -> CrashSummary {
    let mut frames = vec![
        own("on_alarm", "src/timer.c", 22),
        Frame { raw_name: Some("__restore_rt".into()), ..libc("<signal handler called>", 0) },
        Frame { trust: Some(Trust::Signal), ..own("compute", "src/compute.c", 310) },
        own("main", "src/main.c", 15),
    ];
    frames.extend(started());
    crash("ticker", segv("read of unmapped address 0x0", 0), frames)
}

/// A failed assertion in a test, with all that is known of one.
pub(crate) fn assertion() -> CrashSummary {
    let mut summary = abort();
    let message = "worker: src/queue.c:57: queue_pop: Assertion `queue->count > 0' failed.";
    summary.cause = Some(Cause {
        message: Some(message.into()),
        message_source: Some(MessageSource::AbortMsg),
        assertion: Some(Assertion {
            expression: Some("queue->count > 0".into()),
            file: Some("src/queue.c".into()),
            line: Some(57),
            function: Some("queue_pop".into()),
        }),
        evidence: vec!["glibc kept the message in __abort_msg".into()],
        ..Cause::new("assertion", Confidence::High, "assertion `queue->count > 0` failed")
    });
    summary.test = Some(TestCase {
        name: "QueueTest.PopEmpty".into(),
        framework: Some("gtest".into()),
        source: Some("arguments".into()),
    });
    summary.signature = Some(Signature {
        version: 1,
        strict: Some("3f2a9c0d11223344".into()),
        basis: Some(Basis::Dwarf),
        subject: Some("worker".into()),
        ..Signature::default()
    });
    let frames = &mut summary.threads[0].frames;
    frames[..5].iter_mut().for_each(|frame| frame.rule = Some(FrameRule::Cut));
    frames[6..].iter_mut().for_each(|frame| frame.rule = Some(FrameRule::End));
    let line = |line, text: &str| SourceLine { line, text: text.into() };
    frames[5].source = vec![
        line(55, "int queue_pop(struct queue *queue)"),
        line(56, "{"),
        line(57, "\tassert(queue->count > 0);"),
        line(58, "\treturn queue->items[--queue->count];"),
        line(59, "}"),
    ];
    frames[6].source = vec![line(30, "\twhile (more)"), line(31, "\t\tqueue_pop(&queue);")];
    summary
}

/// A write through a bad pointer whose handler aborts, and all that can be told of such an access.
pub(crate) fn wild_write() -> CrashSummary {
    let mut summary = signal_handler();
    let first = segv("write to unmapped address 0x7f31a0041010", 0x7f31_a004_1010);
    summary.signal = Some(Signal { after: Some(Box::new(first)), ..aborted() });
    let region = |start, end, permissions: &str, kind, name: Option<&str>| Region {
        start: Some(Hex(start)),
        end: Some(Hex(end)),
        permissions: Some(permissions.into()),
        kind: Some(kind),
        name: name.map(str::to_owned),
        ..Region::default()
    };
    summary.regions = vec![
        region(0x7f31_a000_0000, 0x7f31_a004_1000, "rw-", RegionKind::Anonymous, None),
        region(0x7f31_a0c0_0000, 0x7f31_a0c2_6000, "r--", RegionKind::File, Some("/usr/lib/libc.so.6")),
    ];
    summary.cause = Some(Cause {
        access: Some(Access {
            kind: Some(AccessKind::Write),
            address: Some(Hex(0x7f31_a004_1010)),
            size: Some(8),
            base_register: Some("rdi".into()),
            base_value: Some(Hex(0x7f31_a004_1000)),
            offset: Some(0x10),
            nearest_region: Some(0),
            distance: Some(16),
            ..Access::default()
        }),
        instruction: Some(Instruction {
            address: Some(Hex(0x5555_5555_0136)),
            bytes: Some("48894710".into()),
            text: Some("mov [rdi+0x10],rax".into()),
            registers: vec!["rax".into(), "rdi".into()],
        }),
        evidence: vec!["the address lies 16 bytes after a mapping of 260 KiB".into()],
        ..Cause::new("wild_pointer", Confidence::Medium, "write past the end of a mapping")
    });
    summary.other_causes = vec![Cause {
        message: Some("arena exhausted".into()),
        message_source: Some(MessageSource::Remnant),
        ..Cause::new("abort_call", Confidence::Low, "the handler called abort() with a message")
    }];
    summary.threads[0].registers = [("rax".to_owned(), Hex(7)), ("rdi".to_owned(), Hex(9))].into();
    summary
}

/// A watchdog that ends a process of which two threads hold each other's locks.
pub(crate) fn deadlock() -> CrashSummary {
    let mut summary = many_threads();
    summary.signal = Some(Signal { sender_pid: Some(812), sender_uid: Some(0), ..aborted() });
    summary.cause = Some(Cause::new(
        "watchdog",
        Confidence::High,
        "killed from outside (pid 812) while two threads held each other's locks",
    ));
    let waits = |kind: &str, address, owner_tid| {
        Some(WaitsOn { kind: kind.into(), address: Some(Hex(address)), owner_tid, ..WaitsOn::default() })
    };
    for thread in &mut summary.threads {
        thread.waits_on = waits("condition", 0x5555_0000_4100, None);
    }
    summary.threads[0].waits_on = waits("thread", 0, Some(4712));
    summary.threads[1].waits_on = waits("mutex", 0x5555_0000_4040, Some(4720));
    summary.threads[9].waits_on = waits("mutex", 0x5555_0000_4080, Some(4712));
    summary.deadlocks = vec![vec![4712, 4720]];
    summary
}

/// A process that chose all of its names to do harm wherever they are shown.
pub(crate) fn hostile() -> CrashSummary {
    let evil = "::error file=x::pwned\n::error::two\n  ##vso[task.complete]##[error]\u{1b}]0;t\u{7}\u{9b}2J\r]]>\
        <script>alert(1)</script>```\n~~~\n</details>@octocat #1 ![x](https://evil.example/x) \u{202e}gpj.exe\u{2066}\
        [[ATTACHMENT|/etc/passwd]] |a|b| www.evil.example &amp; \u{fffd}\u{ffff}\u{0}";
    let text = || Some(evil.to_owned());
    let frame = Frame { function: text(), raw_name: text(), file: text(), line: Some(1), ..own("", "", 1) };
    let nameless = Frame { module: Some(0), offset: Some(Hex(1)), ..Frame::default() };
    let signal = Signal { name: text(), code_name: text(), description: text(), ..Signal::default() };
    let mut summary = crash("x", signal, vec![frame.clone(), nameless, frame]);
    summary.schema = evil.to_owned();
    summary.id = text();
    summary.time = text();
    let process = summary.process.as_mut().unwrap();
    process.name = text();
    process.command_line = text();
    process.executable = text().map(|text| text.replace('/', ""));
    let core = summary.core.as_mut().unwrap();
    (core.path, core.file, core.producer) = (text(), text(), text());
    summary.system.as_mut().unwrap().arch = text();
    for module in &mut summary.modules {
        (module.name, module.path, module.build_id, module.file_found) = (text(), text(), text(), text());
        module.file_state = Some(FileState::Mismatch);
    }
    let thread = &mut summary.threads[0];
    (thread.name, thread.stop, thread.stop_detail) = (text(), Some(Stop::Loop), text());
    let other = Thread { crashed: false, ..thread.clone() };
    summary.threads.push(other);
    summary.warnings = vec![Warning::new(evil, evil)];
    explained(&mut summary);
    let cause = summary.cause.as_mut().unwrap();
    cause.class = evil.to_owned();
    (cause.summary, cause.message) = (text(), text());
    cause.evidence = vec![evil.to_owned(); 9];
    cause.instruction =
        Some(Instruction { text: text(), registers: vec![evil.to_owned()], ..Instruction::default() });
    summary.other_causes = vec![cause.clone()];
    summary.test = Some(TestCase { name: evil.to_owned(), framework: text(), source: text() });
    summary.signature = Some(Signature { strict: text(), subject: text(), ..Signature::default() });
    for region in &mut summary.regions {
        (region.name, region.permissions) = (text(), text());
    }
    for thread in &mut summary.threads {
        thread.waits_on =
            Some(WaitsOn { kind: evil.to_owned(), owner_tid: Some(4711), ..WaitsOn::default() });
        thread.frames[0].source = vec![SourceLine { line: 1, text: evil.to_owned() }];
    }
    summary
}

/// Gives a summary each thing that an explanation may hold.
fn explained(summary: &mut CrashSummary) {
    let (assertion, wild, deadlock) = (assertion(), wild_write(), deadlock());
    let (asserted, accessed) = (assertion.cause.unwrap(), wild.cause.unwrap());
    summary.cause = Some(Cause {
        message: Some(format!("{}\nand a second line", asserted.message.unwrap())),
        exception: Some(Exception {
            type_name: Some("std::out_of_range".into()),
            what: Some("vector::at".into()),
            language: Some("c++".into()),
        }),
        panic: Some(Panic {
            file: Some("src/lib.rs".into()),
            line: Some(12),
            column: Some(5),
            thread: Some("main".into()),
        }),
        assertion: asserted.assertion,
        ..accessed
    });
    (summary.other_causes, summary.regions) = (wild.other_causes, wild.regions);
    (summary.test, summary.signature) = (assertion.test, assertion.signature);
    summary.deadlocks = deadlock.deadlocks;
    for (thread, waiting) in summary.threads.iter_mut().zip(deadlock.threads) {
        thread.waits_on = waiting.waits_on;
    }
    summary.signal.as_mut().unwrap().after = wild.signal.unwrap().after;
}

/// A summary with every field filled, to take fields from.
pub(crate) fn full() -> CrashSummary {
    let mut summary = many_threads();
    summary.threads.truncate(12);
    summary.threads[0].frames_total = Some(900);
    summary.threads[0].omitted_after = Some(1);
    summary.threads[0].repeats = vec![Repeat { first: 0, period: 1, count: 40, exact: false }];
    summary.threads[0].registers = [("rip".to_owned(), Hex(1))].into();
    let (missing, abort) = (missing_modules(), abort());
    summary.modules = missing.modules;
    summary.warnings = missing.warnings;
    summary.signal = Some(Signal { code: Some(1), code_name: Some("SI_TKILL".into()), ..aborted() });
    summary.core =
        Some(Core { missing_bytes: Some(1), producer: Some("kernel".into()), ..abort.core.unwrap() });
    let process = summary.process.as_mut().unwrap();
    process.command_line_truncated = Some(true);
    summary.collection = Some(Collection { command: Some("run".into()), ..Collection::default() });
    explained(&mut summary);
    let asserted = &assertion().threads[0].frames;
    summary.threads[0].frames.extend_from_slice(asserted);
    summary.threads[2].syscall = Some(Syscall { number: Some(202), name: Some("futex".into()) });
    summary.threads[2].waits_on = None;
    summary
}
