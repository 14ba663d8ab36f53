// Dies of a panic, or of what Rust makes of other trouble. Its argument says of which.
//: panic_explicit; signal=ABRT; class=rust_panic:explicit; in=read_config; message=no configuration in "/etc/app": 17 tried
//: panic_index; signal=ABRT; class=rust_panic:index_oob; in=nth_price; message=index out of bounds: the len is 3 but the index is 10
//: panic_unwrap_none; signal=ABRT; class=rust_panic:unwrap_none; in=first_word; message=called `Option::unwrap()` on a `None` value
//: panic_unwrap_err; signal=ABRT; class=rust_panic:unwrap_err; in=parse_port; message=called `Result::unwrap()` on an `Err` value: ParseIntError { kind: InvalidDigit }
//: panic_expect_none; signal=ABRT; class=rust_panic:expect; in=home_of; message=every user has a home
//: panic_expect_err; signal=ABRT; class=rust_panic:expect; in=port_of; message=the port is a number: ParseIntError { kind: InvalidDigit }
//: panic_add; signal=ABRT; class=rust_panic:overflow; in=sum_up; message=attempt to add with overflow
//: panic_divide; signal=ABRT; class=rust_panic:div_zero; in=share; message=attempt to divide by zero
//: panic_slice; signal=ABRT; class=rust_panic:slice; in=tail_of; message=range start index 10 out of range for slice of length 3
//: panic_utf8; signal=ABRT; class=rust_panic:slice; in=cut_text; holds=byte index 1 is not a char boundary
//: panic_refcell; signal=ABRT; class=rust_panic:refcell; in=borrow_twice; holds=already borrowed
//: panic_assert; signal=ABRT; class=rust_panic; in=check_even; message=assertion failed: n.is_multiple_of(2) || n == 1
//: panic_assert_eq; signal=ABRT; class=rust_panic; in=check_equal; holds=assertion `left == right` failed: totals differ
//: panic_unreachable; signal=ABRT; class=rust_panic; in=dispatch; message=internal error: entered unreachable code: state 11
//: panic_todo; signal=ABRT; class=rust_panic; in=later; message=not yet implemented: the second phase
//: panic_in_thread; signal=ABRT; class=rust_panic:explicit; in=work; message=worker 3 is out of work
//: panic_in_c; signal=ABRT; class=rust_panic:no_unwind|rust_panic:explicit; in=on_event; builds=rust_unwinding; why=two panics: which is told is a matter of taste
//: panic_in_drop; signal=ABRT; class=rust_panic:in_cleanup|rust_panic; in=drop|panic_in_drop; builds=rust_unwinding; why=two panics: which is told is a matter of taste
//: out_of_memory; signal=ABRT; class=rust_oom; in=load_all
//: abort_by_itself; signal=ABRT; class=rust_abort; in=give_up
//: overflow_rust; signal=ABRT; class=stack_overflow; in=visit
//: overflow_rust_thread; signal=ABRT; class=stack_overflow; in=climb
//: null_rust; signal=SEGV; class=null_deref:read; in=follow
use std::cell::RefCell;
use std::hint::black_box;

fn read_config(path: &str, n: usize) -> usize {
    panic!("no configuration in {path:?}: {} tried", n + 3) // dies: panic_explicit
}
fn panic_explicit(n: usize) -> usize {
    read_config("/etc/app", n) + n
}

fn nth_price(prices: &[usize], at: usize) -> usize {
    prices[at] + 1 // dies: panic_index
}
fn panic_index(_: usize) -> usize {
    nth_price(&black_box(vec![1, 2, 3]), black_box(10)) + 1
}

fn first_word(text: &str) -> usize {
    let word = text.split_whitespace().next();
    word.unwrap().len() + 1 // dies: panic_unwrap_none
}
fn panic_unwrap_none(n: usize) -> usize {
    first_word(black_box("")) + n
}

fn parse_port(text: &str) -> usize {
    text.parse::<u16>().unwrap() as usize + 1 // dies: panic_unwrap_err
}
fn panic_unwrap_err(n: usize) -> usize {
    parse_port(black_box("http")) + n
}

fn home_of(homes: &[(&str, usize)], user: &str) -> usize {
    let home = homes.iter().find(|(name, _)| *name == user);
    home.expect("every user has a home").1 + 1 // dies: panic_expect_none
}
fn panic_expect_none(n: usize) -> usize {
    home_of(&black_box([("root", 1), ("www", 2)]), black_box("nobody")) + n
}

fn port_of(text: &str) -> usize {
    text.parse::<u16>().expect("the port is a number") as usize + 1 // dies: panic_expect_err
}
fn panic_expect_err(n: usize) -> usize {
    port_of(black_box("8o80")) + n
}

fn sum_up(numbers: &[u8]) -> u8 {
    let mut sum = 0;
    for number in numbers {
        sum += number; // dies: panic_add
    }
    sum
}
fn panic_add(n: usize) -> usize {
    sum_up(&black_box([200, 50, 100])) as usize + n
}

fn share(of: usize, among: usize) -> usize {
    of / among + 1 // dies: panic_divide
}
fn panic_divide(n: usize) -> usize {
    share(n, black_box(0)) + n
}

fn tail_of(bytes: &[u8], from: usize) -> usize {
    bytes[from..].len() + 1 // dies: panic_slice
}
fn panic_slice(n: usize) -> usize {
    tail_of(black_box(b"abc"), black_box(10)) + n
}

fn cut_text(text: &str, at: usize) -> usize {
    text[..at].len() + 1 // dies: panic_utf8
}
fn panic_utf8(n: usize) -> usize {
    cut_text(black_box("übel"), black_box(1)) + n
}

fn borrow_twice(cell: &RefCell<Vec<usize>>) -> usize {
    let held = cell.borrow();
    cell.borrow_mut().push(1); // dies: panic_refcell
    held.len()
}
fn panic_refcell(n: usize) -> usize {
    borrow_twice(&black_box(RefCell::new(vec![n]))) + n
}

fn check_even(n: usize) -> usize {
    assert!(n.is_multiple_of(2) || n == 1); // dies: panic_assert
    n + 1
}
fn panic_assert(_: usize) -> usize {
    check_even(black_box(7)) + 1
}

fn check_equal(ours: usize, theirs: usize) -> usize {
    assert_eq!(ours, theirs, "totals differ"); // dies: panic_assert_eq
    ours + 1
}
fn panic_assert_eq(n: usize) -> usize {
    check_equal(n, black_box(4711)) + n
}

fn dispatch(state: usize) -> usize {
    match state {
        1 => 10,
        2 => 20,
        other => unreachable!("state {other}"), // dies: panic_unreachable
    }
}
fn panic_unreachable(_: usize) -> usize {
    dispatch(black_box(11)) + 1
}

fn later(n: usize) -> usize {
    if black_box(true) {
        todo!("the second phase") // dies: panic_todo
    }
    n + 1
}
fn panic_todo(n: usize) -> usize {
    later(n) + n
}

fn work(number: usize) -> usize {
    if number == 3 {
        panic!("worker {number} is out of work"); // dies: panic_in_thread
    }
    number + 1
}
fn panic_in_thread(n: usize) -> usize {
    let thread = std::thread::Builder::new().name("worker-3".to_owned()).spawn(|| work(black_box(3)) + 1);
    thread.unwrap().join().unwrap() + n
}

#[inline(never)]
extern "C" fn on_event(n: usize) -> usize {
    if n > 2 {
        panic!("event {n} is unknown");
    }
    n + 1
}
fn panic_in_c(n: usize) -> usize {
    on_event(black_box(11)) + n
}

struct Guard(usize);
impl Drop for Guard {
    fn drop(&mut self) {
        if black_box(self.0) > 2 {
            panic!("cannot release {}", self.0);
        }
    }
}
fn panic_in_drop(_: usize) -> usize {
    let guard = Guard(black_box(11));
    if black_box(true) {
        panic!("cannot use it");
    }
    guard.0
}

fn load_all(size: usize) -> usize {
    let all: Vec<u8> = Vec::with_capacity(size);
    black_box(all).capacity()
}
fn out_of_memory(n: usize) -> usize {
    load_all(black_box(1 << 46)) + n
}

fn give_up(n: usize) -> usize {
    if black_box(true) {
        std::process::abort();
    }
    n + 1
}
fn abort_by_itself(n: usize) -> usize {
    give_up(n) + n
}

#[expect(unconditional_recursion)]
#[inline(never)]
fn visit(depth: usize) -> usize {
    let place = black_box([depth; 16]);
    visit(depth + 1) + place[depth & 15]
}
fn overflow_rust(n: usize) -> usize {
    visit(n) + n
}
#[expect(unconditional_recursion)]
#[inline(never)]
fn climb(depth: usize) -> usize {
    let place = black_box([depth; 24]);
    climb(depth + 2) + place[depth & 15]
}
fn overflow_rust_thread(n: usize) -> usize {
    std::thread::spawn(move || climb(n) + 1).join().unwrap() + n
}

struct Node {
    _name: [usize; 4],
    next: *const Node,
}
fn follow(node: *const Node) -> usize {
    unsafe { (*node).next as usize + 1 }
}
fn null_rust(n: usize) -> usize {
    follow(black_box(std::ptr::null())) + n
}

type Way = fn(usize) -> usize;
const WAYS: [(&str, Way); 23] = [
    ("panic_explicit", panic_explicit),
    ("panic_index", panic_index),
    ("panic_unwrap_none", panic_unwrap_none),
    ("panic_unwrap_err", panic_unwrap_err),
    ("panic_expect_none", panic_expect_none),
    ("panic_expect_err", panic_expect_err),
    ("panic_add", panic_add),
    ("panic_divide", panic_divide),
    ("panic_slice", panic_slice),
    ("panic_utf8", panic_utf8),
    ("panic_refcell", panic_refcell),
    ("panic_assert", panic_assert),
    ("panic_assert_eq", panic_assert_eq),
    ("panic_unreachable", panic_unreachable),
    ("panic_todo", panic_todo),
    ("panic_in_thread", panic_in_thread),
    ("panic_in_c", panic_in_c),
    ("panic_in_drop", panic_in_drop),
    ("out_of_memory", out_of_memory),
    ("abort_by_itself", abort_by_itself),
    ("overflow_rust", overflow_rust),
    ("overflow_rust_thread", overflow_rust_thread),
    ("null_rust", null_rust),
];

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((_, way)) = black_box(&WAYS).iter().find(|(known, _)| *known == name) else {
        eprintln!("no such way to die: {name}");
        std::process::exit(3);
    };
    black_box(way(black_box(14)));
}
