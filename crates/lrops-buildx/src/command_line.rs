//! A command as words, and as the text that a person could paste into a shell.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// What is shown instead of a password.
const HIDDEN: &str = "***";

/// A command: variables for its environment, the program and its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine {
    variables: Vec<(&'static str, &'static str)>,
    words: Vec<String>,
    /// What is shown of words that hold a password, by their positions.
    shown: BTreeMap<usize, String>,
}

impl CommandLine {
    /// Begins a command with its program.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            variables: Vec::new(),
            words: vec![program.into()],
            shown: BTreeMap::new(),
        }
    }

    /// Sets a variable for it.
    pub fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Adds one argument.
    pub fn word(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    /// Adds several arguments.
    pub fn words<I>(mut self, words: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Adds a flag and its value, when there is one.
    pub fn flag(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.word(name).word(value),
            None => self,
        }
    }

    /// Adds a flag and its value, whose addresses may hold passwords: these are not shown.
    pub fn guarded_flag(mut self, name: &str, value: &str) -> Self {
        let shown = without_passwords(value);
        if shown != value {
            self.shown.insert(self.words.len() + 1, shown);
        }
        self.word(name).word(value)
    }

    /// Returns whether it holds a password that is not shown.
    pub fn hides(&self) -> bool {
        !self.shown.is_empty()
    }

    /// Returns the variables that are set for it.
    pub fn variables(&self) -> &[(&'static str, &'static str)] {
        &self.variables
    }

    /// Returns the program.
    pub fn program(&self) -> &str {
        &self.words[0]
    }

    /// Returns the arguments.
    pub fn arguments(&self) -> &[String] {
        &self.words[1..]
    }
}

/// Writes the command for a POSIX shell: what has a meaning there is quoted. Passwords are left out.
impl Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value))?;
        }
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&quoted(self.shown.get(&index).unwrap_or(word)))?;
        }
        Ok(())
    }
}

/// Writes what [`Display`] writes.
impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// Returns a text without the passwords of addresses in it, `http://user:password@host`.
pub(crate) fn without_passwords(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("://") {
        let ends = |character: char| character.is_whitespace() || "/?#\"'".contains(character);
        let (authority, behind) = after.split_at(after.find(ends).unwrap_or(after.len()));
        shown.extend([before, "://"]);
        let login = authority.rsplit_once('@');
        match login.and_then(|(login, host)| Some((login.split_once(':')?.0, host))) {
            Some((user, host)) => shown.extend([user, ":", HIDDEN, "@", host]),
            None => shown.push_str(authority),
        }
        rest = behind;
    }
    shown + rest
}

/// Quotes a word when a shell would not take it as it is. Single quotes keep everything but themselves.
pub fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:,=@+%^".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(words: &[&str], expected: Expect) {
        let command = CommandLine::new("docker").words(words.iter().copied());
        expected.assert_eq(&command.to_string());
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        check(
            &[
                "build",
                "--platform",
                "linux/amd64,linux/arm64",
                "--build-arg",
                "A=b",
                ".",
            ],
            expect!["docker build --platform linux/amd64,linux/arm64 --build-arg A=b ."],
        );
    }

    #[test]
    fn a_password_is_run_but_not_shown() {
        let option = "env.http_proxy=http://me:s3cret@proxy:3128";
        let command = CommandLine::new("docker")
            .guarded_flag("--driver-opt", option)
            .word("x");
        assert_eq!(command.arguments(), ["--driver-opt", option, "x"]);
        let shown = "docker --driver-opt 'env.http_proxy=http://me:***@proxy:3128' x";
        assert_eq!(command.to_string(), shown);
        assert!(command.hides() && !format!("{command:?}").contains("s3cret"));
        let plain = CommandLine::new("docker").guarded_flag("--driver-opt", "image=h:1/x");
        assert!(!plain.hides());
    }

    #[test]
    fn passwords_of_addresses_are_left_out() {
        for (text, expected) in [
            ("a=http://u:p@h:1/x", "a=http://u:***@h:1/x"),
            ("http://u:p@q@h", "http://u:***@h"),
            (
                "\"a=http://u:p@h\",b=https://v:w@i",
                "\"a=http://u:***@h\",b=https://v:***@i",
            ),
            ("ssh://ops@build:22", "ssh://ops@build:22"),
            ("tcp://h:1234 a:b@c", "tcp://h:1234 a:b@c"),
            ("a:b@c", "a:b@c"),
            ("://", "://"),
        ] {
            assert_eq!(without_passwords(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_shell_would_read_is_quoted() {
        check(
            &["", "a b", "it's", "$HOME", "a;b", "*", "~", "#x"],
            expect![[r"docker '' 'a b' 'it'\''s' '$HOME' 'a;b' '*' '~' '#x'"]],
        );
    }
}
