//! Dies by unwrapping a `None`, in closures that the optimizer inlines.
//!
//! The story: SIGABRT; abort <- core::option::unwrap_failed <- the closures, inlined, <- rust_unwrap::price_all <-
//! rust_unwrap::main.

use std::collections::BTreeMap;

#[inline(never)]
fn price_all(prices: &BTreeMap<u32, u32>, wanted: &[u32]) -> u32 {
    let price = |id: &u32| *prices.get(id).unwrap();
    wanted.iter().map(price).sum()
}

fn main() {
    let count = std::env::args().count() as u32;
    let prices: BTreeMap<u32, u32> = (0..3).map(|id| (id * count, id + 10)).collect();
    println!("{}", price_all(&prices, &[0, 1, 7]));
}
