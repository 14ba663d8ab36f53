//! Dies by a panic, in a program where panics abort.
//!
//! The story: SIGABRT; abort <- the panic machinery <- rust_panic::parse <- rust_panic::main. The message is
//! on standard error.

#[derive(Debug)]
struct Record {
    fields: Vec<String>,
}

#[inline(never)]
fn parse(record: &Record) -> usize {
    if record.fields.len() < 3 {
        panic!("record has only {} fields: {record:?}", record.fields.len());
    }
    record.fields[2].len()
}

fn main() {
    let record = Record { fields: vec!["a".into(), "b".into()] };
    println!("{}", parse(&record));
}
