//! Rust code for the test of single steps: closures, trait objects, collections, formatting, a caught panic. The program
//! stops itself where the steps begin.

use std::collections::BTreeMap;
use std::hint::black_box;

unsafe extern "C" {
    fn raise(signal: i32) -> i32;
}

const SIGSTOP: i32 = 19;

trait Shape {
    fn area(&self) -> f64;
}

struct Square(f64);
struct Circle(f64);

impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

impl Shape for Circle {
    fn area(&self) -> f64 {
        self.0 * self.0 * 3.0
    }
}

#[inline(never)]
fn total(shapes: &[Box<dyn Shape>]) -> f64 {
    shapes.iter().map(|shape| shape.area()).sum()
}

#[inline(never)]
fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_by(|a, b| b.cmp(a));
    numbers
}

#[inline(never)]
fn counted(text: &str) -> BTreeMap<char, usize> {
    let mut counts = BTreeMap::new();
    for letter in text.chars() {
        *counts.entry(letter).or_insert(0) += 1;
    }
    counts
}

#[inline(never)]
fn large(n: usize) -> u8 {
    let pages = black_box([n as u8; 5 * 4096]);
    pages[n] + pages[n * 2]
}

#[inline(never)]
fn deep(n: u32) -> u32 {
    if n == 0 { black_box(1) } else { deep(n - 1) + black_box(n) }
}

#[inline(never)]
fn fails(n: u32) -> u32 {
    assert!(n < 2, "too large: {n}");
    n
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    unsafe { raise(SIGSTOP) };
    let shapes: Vec<Box<dyn Shape>> = vec![Box::new(Square(2.0)), Box::new(Circle(1.5))];
    black_box(deep(3) + u32::from(large(3)));
    black_box(total(&shapes));
    black_box(sorted(black_box(vec![3, 1, 2, 9, 4])));
    black_box(counted("some letters"));
    black_box(format!("{:?} {}", black_box(1.25), black_box("text")));
    black_box(std::panic::catch_unwind(|| fails(black_box(7))).is_err());
}
