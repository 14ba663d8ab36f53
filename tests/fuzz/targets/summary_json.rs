//! A summary that somebody else wrote, read and rendered in every format.
#![no_main]

use epitaph_report::{Format, Options, render};
use epitaph_summary::CrashSummary;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(summary) = serde_json::from_slice::<CrashSummary>(bytes) else { return };
    let json = serde_json::to_vec(&summary).expect("a summary can always be written");
    assert_eq!(serde_json::from_slice::<CrashSummary>(&json).expect("and read again"), summary);
    for format in [Format::Text, Format::Json, Format::Jsonl, Format::Markdown, Format::Junit] {
        let rendered = render(std::slice::from_ref(&summary), format, &Options::default(), &mut Vec::new());
        rendered.expect("a Vec takes everything");
    }
});
