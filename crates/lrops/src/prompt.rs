//! Questions to whoever sits at the terminal.

use std::fmt::Write as _;
use std::io::{self, BufRead, Read, Write};

use lrops_model::cancel::CancelToken;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use crate::failure::Failure;

/// No password is longer; tokens have a few kilobytes.
const SECRET_SIZE_BYTES_MAX: u64 = 64 * 1024;

/// Returns a secret that was given on standard input, without the line's end.
///
/// # Errors
/// When it cannot be read, or is none.
pub(crate) fn all_of_standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(SECRET_SIZE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|source| Failure::work("failed to read the password from standard input", source))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Failure::usage(
            "--password-stdin: there is no password on standard input",
        ));
    }
    if secret.len() as u64 > SECRET_SIZE_BYTES_MAX {
        return Err(Failure::usage(format!(
            "--password-stdin: the password is longer than {SECRET_SIZE_BYTES_MAX} bytes"
        )));
    }
    Ok(secret.to_owned())
}

/// Asks for a line.
///
/// # Errors
/// When the terminal gives none.
pub(crate) fn line(question: &str) -> Result<String, Failure> {
    ask(question);
    let mut text = String::new();
    let read = io::stdin()
        .lock()
        .take(SECRET_SIZE_BYTES_MAX)
        .read_line(&mut text);
    match read.map_err(unanswered)? {
        0 => Err(Failure::Cancelled),
        _ => Ok(text.trim().to_owned()),
    }
}

/// How often an answer is looked for while nobody gives one.
const LOOK_EVERY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Asks whether to go on; no answer means no.
///
/// # Errors
/// When the terminal gives no answer, or the work is stopped meanwhile.
pub(crate) fn agreement(question: &str, cancel: &CancelToken) -> Result<bool, Failure> {
    ask(&format!("{question} [y/N]: "));
    loop {
        cancel.check().map_err(|_| Failure::Cancelled)?;
        let stdin = io::stdin();
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, Some(&LOOK_EVERY)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => break,
            Err(error) => return Err(unanswered(error.into())),
        }
    }
    Ok(matches!(line("")?.to_lowercase().as_str(), "y" | "yes"))
}

/// How often an answer that is none is asked for again.
const ANSWERS_MAX: usize = 10;

/// One of several things to choose from.
pub(crate) struct Choice {
    /// The word that chooses it.
    pub(crate) word: String,
    /// What it means.
    pub(crate) meaning: String,
}

/// Asks which one of several things is wished, by its number or its word; no answer takes the first. Returns its position.
///
/// # Errors
/// When the terminal gives no answer.
pub(crate) fn choice(question: &str, choices: &[Choice]) -> Result<usize, Failure> {
    let width = choices.iter().map(|choice| choice.word.len()).max().unwrap_or(0);
    let mut list = format!("{question}\n");
    for (index, Choice { word, meaning }) in choices.iter().enumerate() {
        let _ = writeln!(list, "  {}) {word:width$}  {meaning}", index + 1);
    }
    ask(&list);
    let first = choices.first().map_or("", |choice| &choice.word);
    for _ in 0..ANSWERS_MAX {
        let answer = line(&format!("Number or word [{first}]: "))?;
        match chosen(&answer, choices) {
            Some(index) => return Ok(index),
            None => ask(&format!("{answer:?} is none of them\n")),
        }
    }
    Err(Failure::Cancelled)
}

fn chosen(answer: &str, choices: &[Choice]) -> Option<usize> {
    if answer.is_empty() {
        return (!choices.is_empty()).then_some(0);
    }
    let number = answer
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_sub(1));
    let named = || {
        choices
            .iter()
            .position(|choice| choice.word.eq_ignore_ascii_case(answer))
    };
    number.filter(|index| *index < choices.len()).or_else(named)
}

/// Asks for a line that is not shown while it is typed.
///
/// # Errors
/// As [`line`]; when the terminal's echo cannot be turned off.
pub(crate) fn secret(question: &str) -> Result<String, Failure> {
    // Silent before it asks: who answers at once is not shown either.
    let silence = Silence::begin();
    let silence =
        silence.map_err(|source| Failure::work("failed to turn off the terminal's echo", source))?;
    ask(question);
    let typed = typed_line(&mut io::stdin().lock());
    drop(silence);
    ask("\n");
    typed.map_err(unanswered)?.ok_or(Failure::Cancelled)
}

fn ask(question: &str) {
    let mut output = anstream::stderr();
    // Nobody is there to be told that telling fails.
    let _ = output
        .write_all(question.as_bytes())
        .and_then(|()| output.flush());
}

fn unanswered(source: io::Error) -> Failure {
    Failure::work("failed to read from the terminal", source)
}

/// A terminal that shows nothing of what is typed and sends no signals, since an interrupted process would leave it so.
struct Silence {
    before: Termios,
}

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self { before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // There is nobody to tell, and the shell sets its terminal itself.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const CTRL_U: u8 = 21;
const CTRL_BACKSLASH: u8 = 28;
const DELETE: u8 = 127;

/// Reads keys up to the end of the line; nothing, when it was broken off.
fn typed_line(keys: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut typed: Vec<u8> = Vec::new();
    for key in keys.take(SECRET_SIZE_BYTES_MAX).bytes() {
        match key? {
            b'\n' | b'\r' => return Ok(Some(text(typed)?)),
            CTRL_C | CTRL_BACKSLASH => return Ok(None),
            CTRL_D if typed.is_empty() => return Ok(None),
            CTRL_D => return Ok(Some(text(typed)?)),
            CTRL_U => typed.clear(),
            BACKSPACE | DELETE => {
                // A character may have several bytes.
                while typed.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
            }
            byte => typed.push(byte),
        }
    }
    Ok(None)
}

fn text(typed: Vec<u8>) -> io::Result<String> {
    String::from_utf8(typed).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_has_a_number_and_a_word() {
        let choices = ["patch", "minor"].map(|word| Choice {
            word: word.to_owned(),
            meaning: String::new(),
        });
        for (answer, expected) in [
            ("", Some(0)),
            ("1", Some(0)),
            ("2", Some(1)),
            ("minor", Some(1)),
            ("Patch", Some(0)),
            ("0", None),
            ("3", None),
            ("min", None),
            ("-1", None),
        ] {
            assert_eq!(chosen(answer, &choices), expected, "{answer:?}");
        }
        assert_eq!(chosen("", &[]), None);
    }

    #[test]
    fn keys_make_a_line() {
        let check = |keys: &str, expected: Option<&str>| {
            let typed = typed_line(&mut keys.as_bytes()).unwrap();
            assert_eq!(typed.as_deref(), expected, "{keys:?}");
        };
        check("open sesame\nrest", Some("open sesame"));
        check("a\u{e9}\u{7f}b\r", Some("ab"));
        check("wrong\u{15}right\n", Some("right"));
        check("half\u{3}", None);
        check("\u{4}", None);
        check("cut off", None);
        check("\u{8}\n", Some(""));
    }
}
