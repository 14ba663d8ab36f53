//! Base64 in indented lines, each of which is a text of its own, with padding.

use std::io::{self, BufRead, Read};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Bytes of text that are decoded at a time: whole groups of four. A line may have a million and more.
const GROUP: usize = 32 << 10;

const DECODER: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes lines for as long as they begin with a space.
pub(crate) struct Base64Lines<R> {
    input: R,
    at_line_start: bool,
    text: Vec<u8>,
    decoded: Vec<u8>,
    unread: usize,
}

impl<R: BufRead> Base64Lines<R> {
    /// Begins where the first line does.
    pub(super) fn new(input: R) -> Base64Lines<R> {
        Base64Lines { input, at_line_start: true, text: Vec::new(), decoded: Vec::new(), unread: 0 }
    }

    /// Decodes a part of a line; tells whether there was one.
    fn decode(&mut self) -> io::Result<bool> {
        if self.at_line_start {
            if self.input.fill_buf()?.first() != Some(&b' ') {
                return Ok(false);
            }
            self.input.consume(1);
        }
        self.text.clear();
        self.input.by_ref().take(GROUP as u64).read_until(b'\n', &mut self.text)?;
        self.at_line_start = self.text.pop_if(|last| *last == b'\n').is_some();
        if self.text.is_empty() {
            return Ok(self.at_line_start);
        }
        // A text that breaks off within a group of four decodes up to that group.
        if !self.at_line_start {
            self.text.truncate(self.text.len() & !3);
        }
        self.decoded.clear();
        self.unread = 0;
        DECODER
            .decode_vec(&self.text, &mut self.decoded)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(true)
    }
}

impl<R: BufRead> Read for Base64Lines<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.unread == self.decoded.len() {
            if !self.decode()? {
                return Ok(0);
            }
        }
        let count = self.decoded.get(self.unread..).unwrap_or_default().read(buf)?;
        self.unread += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Base64Lines::new(text).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn lines_are_decoded_each_on_its_own() {
        let bytes: Vec<u8> = (0..100_000u32).map(|number| (number % 251) as u8).collect();
        let mut text = Vec::new();
        for part in [&bytes[..1], &bytes[1..2], &bytes[2..50_000], &bytes[50_000..]] {
            text.extend(format!(" {}\n", base64::engine::general_purpose::STANDARD.encode(part)).bytes());
        }
        text.extend(b"Next: field\n AAAA\n");
        assert!(read(&text).unwrap() == bytes);
    }

    #[test]
    fn text_that_breaks_off_gives_what_comes_before() {
        assert_eq!(read(b" aGVsbG8gd29ybG").unwrap(), b"hello wor");
        assert_eq!(read(b" aGVs\n \n b").unwrap(), b"hel");
        assert_eq!(read(b"").unwrap(), b"");
    }

    #[test]
    fn what_is_no_base64_is_an_error() {
        assert_eq!(read(b" a$Vs\n").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
