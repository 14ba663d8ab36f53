//! Progress of long work: bars on stderr, and only where stderr is a terminal.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use epitaph_store::{Progress, StoreError};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::error::with_causes;
use crate::terminal::{clean, warning};

/// What a bar of bytes shows, so far as its length is known.
const BYTES: &str = "{msg:30!} {bytes:>10} of {total_bytes:<10} {binary_bytes_per_sec:>12} {eta:>4} left";

/// Returns a bar for so many bytes; it draws nothing where stderr is no terminal.
pub(crate) fn bytes(message: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(message.to_owned());
    bar.set_style(style());
    bar
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(BYTES).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Shows the files of a push or pull, a bar for each that is on its way.
pub(crate) struct Transfers {
    all: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Transfers {
    pub(crate) fn new() -> Transfers {
        Transfers { all: MultiProgress::new(), bars: Mutex::new(HashMap::new()) }
    }

    fn end(&self, path: &str) {
        let bar = self.bars.lock().ok().and_then(|mut bars| bars.remove(path));
        if let Some(bar) = bar {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }
}

impl Progress for Transfers {
    fn started(&self, path: &str, size: Option<u64>) {
        let bar = self.all.add(ProgressBar::new(size.unwrap_or(0)).with_message(clean(path)));
        bar.set_style(style());
        if let Ok(mut bars) = self.bars.lock() {
            bars.insert(path.to_owned(), bar);
        }
    }

    fn advanced(&self, path: &str, position: u64, size: Option<u64>) {
        if let Ok(bars) = self.bars.lock()
            && let Some(bar) = bars.get(path)
        {
            if let Some(size) = size {
                bar.set_length(size);
            }
            bar.set_position(position);
        }
    }

    fn finished(&self, path: &str) {
        self.end(path);
    }

    fn failed(&self, path: &str, _: &StoreError) {
        self.end(path);
    }

    fn retrying(&self, path: &str, attempt: u32, wait: Duration, error: &StoreError) {
        self.all.suspend(|| {
            warning(&format!(
                "{path}: {}; attempt {attempt} failed, the next one is in {} s",
                with_causes(error),
                wait.as_secs().max(1)
            ));
        });
    }
}
