//! A command as words, and as the text that a person could paste into a shell.

use std::fmt::{self, Display};

/// A command: variables for its environment, the program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    variables: Vec<(&'static str, &'static str)>,
    words: Vec<String>,
}

impl CommandLine {
    /// Begins a command with its program.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            variables: Vec::new(),
            words: vec![program.into()],
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

/// Writes the command for a POSIX shell: what has a meaning there is quoted.
impl Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value))?;
        }
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&quoted(word))?;
        }
        Ok(())
    }
}

/// Quotes a word when a shell would not take it as it is. Single quotes keep everything but themselves.
fn quoted(word: &str) -> String {
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
    fn what_a_shell_would_read_is_quoted() {
        check(
            &["", "a b", "it's", "$HOME", "a;b", "*", "~", "#x"],
            expect![[r"docker '' 'a b' 'it'\''s' '$HOME' 'a;b' '*' '~' '#x'"]],
        );
    }
}
