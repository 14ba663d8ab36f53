//! From the bytes of `core_pattern` to its meaning.

use super::{CorePattern, FilePattern, LONGEST_PATTERN, Pipe, Rules, Socket, Specifier, Target, Token};

pub(super) fn parse(content: &[u8], rules: Rules) -> CorePattern {
    let raw = kept(content);
    let target = match raw {
        [b'|', command @ ..] => Target::Pipe(pipe(command)),
        [b'@', b'@', path @ ..] if rules.sockets => {
            Target::Socket(Socket { path: path.to_vec(), handshake: true })
        }
        [b'@', path @ ..] if rules.sockets => {
            Target::Socket(Socket { path: path.to_vec(), handshake: false })
        }
        _ => Target::File(file(raw, rules.uses_pid)),
    };
    CorePattern { raw: raw.to_vec(), target }
}

/// Returns what the kernel keeps of a written pattern: the first line, up to a NUL, and no more than its
/// buffer.
fn kept(content: &[u8]) -> &[u8] {
    let end = content.iter().position(|byte| matches!(byte, b'\n' | 0)).unwrap_or(content.len());
    content.get(..end.min(LONGEST_PATTERN)).unwrap_or_default()
}

/// Splits a command at white space, as kernels since 5.3 do: before specifiers are expanded, with no quoting.
fn pipe(command: &[u8]) -> Pipe {
    let mut words = command.split(|byte| is_space(*byte)).filter(|word| !word.is_empty()).map(<[u8]>::to_vec);
    Pipe { program: words.next().unwrap_or_default(), arguments: words.collect() }
}

/// The kernel's `isspace`, which is that of Latin-1: it counts the no-break space too.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0xa0)
}

fn file(raw: &[u8], uses_pid: bool) -> FilePattern {
    let mut pattern = FilePattern { tokens: tokens(raw) };
    if uses_pid && !pattern.uses(Specifier::Pid) {
        push_text(&mut pattern.tokens, b'.');
        pattern.tokens.push(Token::Value(Specifier::Pid));
    }
    pattern
}

fn tokens(raw: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            push_text(&mut tokens, byte);
            continue;
        }
        match bytes.next() {
            Some(b'%') => push_text(&mut tokens, b'%'),
            // Unknown letters vanish, and so does a `%` at the end.
            Some(letter) => tokens.extend(Specifier::of_letter(letter).map(Token::Value)),
            None => {}
        }
    }
    tokens
}

fn push_text(tokens: &mut Vec<Token>, byte: u8) {
    match tokens.last_mut() {
        Some(Token::Text(text)) => text.push(byte),
        _ => tokens.push(Token::Text(vec![byte])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(content: &[u8]) -> CorePattern {
        parse(content, Rules::default())
    }

    fn file_tokens(content: &[u8]) -> Vec<Token> {
        parsed(content).file().expect("a file pattern").tokens.clone()
    }

    fn text(text: &str) -> Token {
        Token::Text(text.into())
    }

    #[test]
    fn every_specifier_of_core_5_is_known() {
        for letter in b"pPiIugdsthefEcC" {
            let specifier = Specifier::of_letter(*letter).unwrap();
            assert_eq!(specifier.letter(), char::from(*letter));
            assert_eq!(
                file_tokens(&[b'a', b'%', *letter, b'b']),
                [text("a"), Token::Value(specifier), text("b")]
            );
        }
    }

    #[test]
    fn unknown_specifiers_and_the_pidfd_vanish_from_file_names() {
        assert_eq!(file_tokens(b"a%zb%Fc%\xffd"), [text("abcd")]);
        assert_eq!(file_tokens(b"a%"), [text("a")]);
        assert_eq!(file_tokens(b"%"), []);
        assert_eq!(file_tokens(b"100%%p"), [text("100%p")]);
    }

    #[test]
    fn the_first_line_counts_and_no_more_than_127_bytes() {
        assert_eq!(parsed(b"core\n").raw(), b"core");
        assert_eq!(parsed(b"core\nsecond").raw(), b"core");
        assert_eq!(parsed(b"co\0re").raw(), b"co");
        assert_eq!(parsed(&[b'a'; 127]).raw().len(), 127);
        assert_eq!(parsed(&[b'a'; 300]).raw().len(), 127);
        // A specifier that the cut tears apart is a lone percent sign.
        let mut torn = vec![b'a'; 126];
        torn.extend(b"%p");
        assert_eq!(file_tokens(&torn), [Token::Text(vec![b'a'; 126])]);
        assert_eq!(parsed(b"  core ").raw(), b"  core ", "the kernel trims nothing");
    }

    #[test]
    fn core_uses_pid_appends_the_pid_only_where_the_name_has_none() {
        let with_pid = |content: &[u8]| parse(content, Rules { uses_pid: true, ..Rules::default() });
        let tokens = |content: &[u8]| with_pid(content).file().unwrap().tokens.clone();
        assert_eq!(tokens(b"core"), [text("core."), Token::Value(Specifier::Pid)]);
        assert_eq!(tokens(b""), [text("."), Token::Value(Specifier::Pid)]);
        assert_eq!(tokens(b"core%"), [text("core."), Token::Value(Specifier::Pid)]);
        assert_eq!(tokens(b"c.%p"), [text("c."), Token::Value(Specifier::Pid)]);
        let host_pid =
            [text("c."), Token::Value(Specifier::HostPid), text("."), Token::Value(Specifier::Pid)];
        assert_eq!(tokens(b"c.%P"), host_pid);
        // In `%%p` there is no %p.
        assert_eq!(tokens(b"c.%%p"), [text("c.%p."), Token::Value(Specifier::Pid)]);
        assert_eq!(with_pid(b"|/bin/x").target(), parsed(b"|/bin/x").target());
    }

    #[test]
    fn an_empty_pattern_is_a_file_pattern_without_a_name() {
        assert!(parsed(b"\n").file().unwrap().is_empty());
        assert!(parsed(b"%z%").file().unwrap().is_empty());
        assert!(!parsed(b"core").file().unwrap().is_empty());
    }

    #[test]
    fn a_pipe_is_split_at_white_space_without_quoting() {
        let pipe = |content: &[u8]| match parsed(content).target {
            Target::Pipe(pipe) => pipe,
            other => panic!("{other:?}"),
        };
        let systemd = pipe(b"|/usr/lib/systemd/systemd-coredump %P %u\n");
        assert_eq!(systemd.program, b"/usr/lib/systemd/systemd-coredump");
        assert_eq!(systemd.arguments, [b"%P".to_vec(), b"%u".to_vec()]);
        assert_eq!(pipe(b"| \t/bin/x   '-a\tb' \xa0c"), pipe(b"|/bin/x '-a b' c"));
        assert_eq!(pipe(b"|"), Pipe { program: Vec::new(), arguments: Vec::new() });
    }

    #[test]
    fn sockets_are_files_to_older_kernels() {
        let socket = |path: &[u8], handshake| Target::Socket(Socket { path: path.to_vec(), handshake });
        assert_eq!(parsed(b"@/run/a.sock").target, socket(b"/run/a.sock", false));
        assert_eq!(parsed(b"@@/run/a%p\n").target, socket(b"/run/a%p", true));
        assert_eq!(parsed(b"@").target, socket(b"", false));
        let old = parse(b"@/run/a.sock", Rules { sockets: false, uses_pid: false });
        assert_eq!(old.file().unwrap().tokens, [text("@/run/a.sock")]);
    }

    #[test]
    fn a_dropped_specifier_does_not_hide_that_the_path_is_absolute() {
        assert!(parsed(b"%z/tmp/core").file().unwrap().is_absolute());
        assert!(!parsed(b"%e/tmp/core").file().unwrap().is_absolute());
        assert!(!parsed(b"core").file().unwrap().is_absolute());
    }

    #[test]
    fn a_name_is_distinct_by_pid_tid_or_time() {
        for (content, distinct) in [
            ("core", false),
            ("core.%e.%s", false),
            ("c.%p", true),
            ("c.%P", true),
            ("c.%i", true),
            ("%t", true),
        ] {
            assert_eq!(parsed(content.as_bytes()).file().unwrap().is_distinct(), distinct, "{content}");
        }
    }
}
