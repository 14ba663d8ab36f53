// Dies with values of every kind that Rust has, in several frames.
use std::collections::HashMap;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
enum Colour {
    Red,
    Green = 5,
}

#[derive(Clone, Debug)]
enum Shape {
    Empty,
    Circle(f64),
    Named { name: String, sides: u32 },
}

#[derive(Clone, Debug)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Clone, Debug)]
struct Unit;

#[derive(Clone, Debug)]
struct Pair(u8, bool);

#[inline(never)]
fn scalars(letter: char, byte: u8, small: i16, large: u64, wide: i128, single: f32, real: f64, truth: bool) -> u64 {
    let colour = Colour::Green;
    let other = Colour::Red;
    let tuple = (1_i32, 'z', 2.5_f64);
    let array = [1_u16, 2, 3];
    let zeros = [0_u32; 30];
    let point = Point { x: 3, y: -4 };
    let pair = Pair(9, true);
    let unit = Unit;
    let sum = u64::from(byte) + large + u64::from(letter) + u64::from(small.unsigned_abs());
    black_box((&colour, &other, &tuple, &array, &zeros, &point, &pair, &unit, &wide, &single, &real, &truth));
    if sum > 0 {
        std::process::abort();
    }
    sum
}

#[inline(never)]
fn library(text: &str, owned: String, numbers: Vec<i32>, slice: &[u16], maybe: Option<i32>, boxed: Box<Point>) -> u64 {
    let none: Option<i32> = None;
    let reference: Option<&str> = Some("inside");
    let nothing: Option<Box<i32>> = None;
    let good: Result<u32, String> = Ok(3);
    let bad: Result<u32, String> = Err("went wrong".to_owned());
    let shapes = vec![Shape::Empty, Shape::Circle(1.5), Shape::Named { name: "box".to_owned(), sides: 4 }];
    let counted = Rc::new(5_i32);
    let shared = Arc::new(Point { x: 1, y: 2 });
    let words: Vec<String> = vec!["one".to_owned(), "two".to_owned()];
    let mut map = HashMap::new();
    map.insert("key".to_owned(), 1_u8);
    let empty: Vec<u8> = Vec::new();
    black_box((&none, &reference, &nothing, &good, &bad, &shapes, &counted, &shared, &words, &map, &empty));
    let got = scalars('é', 200, -5, 1 << 40, -(1 << 100), 3.14, 2.5, numbers.len() > 2);
    black_box((text, owned, numbers, slice, maybe, boxed));
    got
}

fn main() {
    let numbers = vec![1, 2, 3];
    let table = [10_u16, 20, 30];
    let got = library("text", "owned".to_owned(), numbers, &table, Some(7), Box::new(Point { x: 5, y: 6 }));
    println!("{got}");
}
