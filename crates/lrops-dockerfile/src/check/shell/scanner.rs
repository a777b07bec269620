//! From the text of a script to commands of words.

use std::ops::Range;

use super::{Lines, ShellWord};

/// How deep `$(…)` and `${…}` may be in each other. What is deeper is read as plain text.
const DEPTH_MAX: usize = 64;

/// A simple command: its words, and the scripts that stand in them.
#[derive(Clone, Debug, Default)]
pub(super) struct RawCommand {
    pub(super) words: Vec<ShellWord>,
    /// Where `$(…)` and backticks hold scripts.
    pub(super) substitutions: Vec<Range<usize>>,
}

/// Reads a piece of a text. All steps go forward, so that it ends on any text.
pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
    end: usize,
    lines: Lines,
    commands: Vec<RawCommand>,
    command: RawCommand,
    /// The names that end heredocs which begin behind the next line feed.
    heredocs: Vec<String>,
    /// How many `$(…)` and `${…}` are open.
    depth: usize,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str, span: Range<usize>, lines: Lines) -> Self {
        Self {
            text: &text[..span.end],
            at: span.start,
            end: span.end,
            lines,
            commands: Vec::new(),
            command: RawCommand::default(),
            heredocs: Vec::new(),
            depth: 0,
        }
    }

    /// Returns the commands of the script.
    pub(super) fn commands(mut self) -> Vec<RawCommand> {
        while let Some(next) = self.peek() {
            if self.skip_continuation() {
                continue;
            }
            match next {
                '\n' => {
                    self.at += 1;
                    self.finish();
                    self.skip_heredocs();
                }
                _ if next.is_whitespace() => self.at += next.len_utf8(),
                '#' => self.skip_comment(),
                '<' | '>' => self.redirection(),
                '&' if self.rest().starts_with("&>") => self.redirection(),
                ';' | '&' | '|' | '(' | ')' => {
                    self.at += 1;
                    self.finish();
                }
                _ => {
                    let word = self.word();
                    // `2>file`: the number belongs to the redirection.
                    let is_number =
                        !word.text.is_empty() && word.text.bytes().all(|byte| byte.is_ascii_digit());
                    if !(is_number && self.rest().starts_with(['<', '>'])) {
                        self.command.words.push(word);
                    }
                }
            }
        }
        self.finish();
        self.commands
    }

    /// Returns all that is left as the text of a heredoc, in which only variables and commands are replaced.
    pub(super) fn data(mut self) -> ShellWord {
        let mut word = ShellWord::default();
        while let Some(next) = self.peek() {
            match next {
                '\\' => self.skip(2),
                '$' => self.dollar(&mut word),
                _ => self.skip(1),
            }
        }
        word
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Skips characters.
    fn skip(&mut self, count: usize) {
        let length: usize = self.rest().chars().take(count).map(char::len_utf8).sum();
        self.at += length;
    }

    fn finish(&mut self) {
        let command = std::mem::take(&mut self.command);
        if !command.words.is_empty() || !command.substitutions.is_empty() {
            self.commands.push(command);
        }
    }

    fn skip_comment(&mut self) {
        // The lines of a RUN are one, of which the shell ignores all that follows.
        self.at = match self.lines {
            Lines::Joined(_) => self.end,
            Lines::Separate => self.rest().find('\n').map_or(self.end, |length| self.at + length),
        };
    }

    /// Skips an escaped line feed, and the lines that `RUN` leaves out behind it.
    fn skip_continuation(&mut self) -> bool {
        let escape = match self.lines {
            Lines::Joined(escape) => escape,
            Lines::Separate => '\\',
        };
        let Some(behind) = self.rest().strip_prefix(escape) else {
            return false;
        };
        let Some(line) = behind.trim_start_matches([' ', '\t', '\r']).strip_prefix('\n') else {
            return false;
        };
        self.at = self.end - line.len();
        while matches!(self.lines, Lines::Joined(_)) {
            let line = self.rest();
            let length = line.find('\n').map_or(line.len(), |length| length + 1);
            let is_left_out = line[..length].trim().is_empty() || line.trim_start().starts_with('#');
            if !is_left_out || length == 0 {
                break;
            }
            self.at += length;
        }
        true
    }

    /// Skips `>file`, and notes `<<NAME`.
    fn redirection(&mut self) {
        let operators: &[char] = &['<', '>', '&', '|', '-'];
        let length = self.rest().len() - self.rest().trim_start_matches(operators).len();
        let operator = &self.rest()[..length];
        self.at += length;
        while self.peek().is_some_and(|next| matches!(next, ' ' | '\t')) {
            self.at += 1;
        }
        // A process substitution is a script of its own, which is read as the next command.
        if self.rest().starts_with('(') {
            return;
        }
        if self
            .peek()
            .is_some_and(|next| !next.is_whitespace() && !";&|()".contains(next))
        {
            let target = self.word();
            if matches!(operator, "<<" | "<<-") && self.lines == Lines::Separate {
                self.heredocs.push(target.text);
            }
        }
    }

    fn skip_heredocs(&mut self) {
        for name in std::mem::take(&mut self.heredocs) {
            while self.at < self.end {
                let line = self.rest();
                let length = line.find('\n').map_or(line.len(), |length| length + 1);
                self.at += length;
                if line[..length]
                    .trim_end_matches(['\n', '\r'])
                    .trim_start_matches('\t')
                    == name
                {
                    break;
                }
            }
        }
    }

    /// Reads a word; there is at least one character of it.
    fn word(&mut self) -> ShellWord {
        let mut word = ShellWord::default();
        let start = self.at;
        while let Some(next) = self.peek() {
            if self.skip_continuation() {
                continue;
            }
            match next {
                '\'' => self.single_quoted(&mut word),
                '"' => self.double_quoted(&mut word),
                '\\' => self.escaped(&mut word),
                '$' => self.dollar(&mut word),
                '`' => self.backticks(&mut word),
                _ if next.is_whitespace() || ";&|()<>".contains(next) => break,
                _ => {
                    word.text.push(next);
                    self.at += next.len_utf8();
                }
            }
            word.span = start..self.at;
        }
        word
    }

    fn escaped(&mut self, word: &mut ShellWord) {
        word.text.extend(self.rest().chars().nth(1));
        self.skip(2);
    }

    fn single_quoted(&mut self, word: &mut ShellWord) {
        self.at += 1;
        let length = self.rest().find('\'').unwrap_or(self.rest().len());
        word.text.push_str(&self.rest()[..length]);
        self.at = (self.at + length + 1).min(self.end);
    }

    fn double_quoted(&mut self, word: &mut ShellWord) {
        self.at += 1;
        while let Some(next) = self.peek() {
            match next {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => self.escaped(word),
                '$' => self.dollar(word),
                '`' => self.backticks(word),
                _ => {
                    word.text.push(next);
                    self.at += next.len_utf8();
                }
            }
        }
    }

    /// `$NAME`, `${NAME…}`, `$(…)`, `$((…))`.
    fn dollar(&mut self, word: &mut ShellWord) {
        let start = self.at;
        self.at += 1;
        let is_too_deep = self.depth >= DEPTH_MAX;
        self.depth += 1;
        match self.peek() {
            Some('{' | '(') if is_too_deep => {}
            Some('{') => self.braces(word),
            Some('(') => self.parentheses(word),
            Some(next) if next.is_ascii_alphabetic() || next == '_' => {
                let name = self.name();
                word.takes.push(name);
            }
            // `$1`, `$@`, `$$`
            Some(next) if !next.is_whitespace() && !"\"'".contains(next) => self.skip(1),
            _ => {}
        }
        self.depth -= 1;
        word.text.push_str(&self.text[start..self.at]);
    }

    fn name(&mut self) -> String {
        let is_name = |next: char| next.is_ascii_alphanumeric() || next == '_';
        let rest = self.rest();
        let length = rest.find(|next| !is_name(next)).unwrap_or(rest.len());
        self.at += length;
        rest[..length].to_owned()
    }

    /// `${NAME}`, `${NAME:-word}`, `${#NAME}`; the word may hold more of the kind.
    fn braces(&mut self, word: &mut ShellWord) {
        self.at += 1;
        if self.rest().starts_with(['#', '!']) {
            self.at += 1;
        }
        let name = self.name();
        if !name.is_empty() {
            word.takes.push(name);
        }
        let mut inner = ShellWord::default();
        while let Some(next) = self.peek() {
            match next {
                '}' => {
                    self.at += 1;
                    break;
                }
                '\\' => self.skip(2),
                '\'' => self.single_quoted(&mut inner),
                '"' => self.double_quoted(&mut inner),
                '$' => self.dollar(&mut inner),
                _ => self.at += next.len_utf8(),
            }
        }
        word.takes.append(&mut inner.takes);
    }

    /// `$(…)`: what is inside is a script, which is read by itself.
    fn parentheses(&mut self, word: &mut ShellWord) {
        let start = self.at + 1;
        let known = self.command.substitutions.len();
        let mut depth = 0_usize;
        // Of quotes it matters only that they hide parentheses; of `case`, that its patterns have one.
        let mut cases = 0_usize;
        let mut inner = ShellWord::default();
        while let Some(next) = self.peek() {
            match next {
                '(' => depth += 1,
                ')' if depth == 1 && cases > 0 => {}
                ')' => depth -= 1,
                _ => {}
            }
            match next {
                '\'' => self.single_quoted(&mut inner),
                '"' => self.double_quoted(&mut inner),
                '$' => self.dollar(&mut inner),
                '\\' => self.skip(2),
                _ if next.is_ascii_alphabetic() => match self.name().as_str() {
                    "case" => cases += 1,
                    "esac" => cases = cases.saturating_sub(1),
                    _ => {}
                },
                _ => self.at += next.len_utf8(),
            }
            if depth == 0 {
                break;
            }
        }
        word.takes.append(&mut inner.takes);
        let end = if self.text[..self.at].ends_with(')') {
            self.at - 1
        } else {
            self.at
        };
        // Those inside are found when this one is read.
        self.command.substitutions.truncate(known);
        self.command.substitutions.push(start..end.max(start));
    }

    fn backticks(&mut self, word: &mut ShellWord) {
        let start = self.at;
        self.at += 1;
        let length = self.rest().find('`').unwrap_or(self.rest().len());
        self.command.substitutions.push(self.at..self.at + length);
        self.at = (self.at + length + 1).min(self.end);
        word.text.push_str(&self.text[start..self.at]);
    }
}
