//! A program that is called, and what it sees.

use std::ops::Range;

use super::scanner::Scanner;
use super::{Lines, ShellWord};

/// A variable that has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The variables that the value takes.
    pub(crate) takes: Vec<String>,
    /// The whole `NAME=value`, where it stands in the same script.
    pub(crate) span: Option<Range<usize>>,
    /// Whether it stands in an `export`, where another one can stand behind it.
    pub(crate) is_exported: bool,
}

/// A program that is called.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The program and its arguments; none where variables are only set.
    pub(crate) words: Vec<ShellWord>,
    /// What is set before the program's name, in the same command.
    pub(crate) own: Vec<Setting>,
    /// What is set when it runs: the last one of a name counts.
    pub(crate) settings: Vec<Setting>,
    /// Whether `NAME=value` right before the program's name sets it for the program.
    pub(crate) takes_settings: bool,
}

/// Words of the shell's grammar that come before a command, behind which settings may stand.
const GRAMMAR: [&str; 12] = [
    "if", "then", "elif", "else", "while", "until", "do", "!", "{", "}", "env", "fi",
];

/// Programs that call the one behind them, before which settings may stand. `time` is one in dash and busybox.
const CALLERS: [&str; 7] = ["exec", "command", "nohup", "nice", "sudo", "eval", "time"];

/// What sets variables for all that follows.
const SETTERS: [&str; 5] = ["export", "declare", "local", "readonly", "typeset"];

const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "ksh", "zsh"];

impl Call {
    /// Reads the words of a command.
    pub(super) fn read(words: Vec<ShellWord>, before: &[Setting]) -> Option<Self> {
        let mut words = words.into_iter().peekable();
        let mut own = Vec::new();
        let mut takes_settings = true;
        while let Some(word) = words.peek() {
            if let Some(setting) = Setting::read(word) {
                own.push(setting);
            } else if CALLERS.contains(&word.text.as_str()) {
                takes_settings = false;
            } else if !GRAMMAR.contains(&word.text.as_str()) {
                break;
            }
            words.next();
        }
        let words: Vec<ShellWord> = words.collect();
        if words.is_empty() && own.is_empty() {
            return None;
        }
        let settings = before.iter().chain(&own).cloned().collect();
        Some(Self {
            words,
            own,
            settings,
            takes_settings,
        })
    }

    /// Returns the call of a program without a shell.
    pub(super) fn program_of(words: Vec<ShellWord>, before: &[Setting]) -> Option<Self> {
        (!words.is_empty()).then(|| Self {
            words,
            own: Vec::new(),
            settings: before.to_vec(),
            takes_settings: false,
        })
    }

    /// Returns the program, without its directory.
    pub(crate) fn program(&self) -> &str {
        let name = self.words.first().map_or("", |word| word.text.as_str());
        name.rsplit('/').next().unwrap_or_default()
    }

    /// Returns what the program is to do: the first of its words that is one of these, with only flags before it.
    pub(crate) fn verb(&self, verbs: &[&str]) -> Option<&ShellWord> {
        let mut after_flag = false;
        for word in self.words.iter().skip(1) {
            if verbs.contains(&word.text.as_str()) {
                return Some(word);
            }
            // What follows a flag may be its value.
            let is_flag = word.text.starts_with(['-', '+']);
            if !is_flag && !after_flag {
                return None;
            }
            after_flag = is_flag;
        }
        None
    }

    /// Returns what a variable is set to when the program runs.
    pub(crate) fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.name == name)
    }

    /// Returns the setting of a variable in this very command.
    pub(crate) fn own_setting(&self, name: &str) -> Option<&Setting> {
        self.own.iter().rev().find(|setting| setting.name == name)
    }

    /// Returns the names that the command gives a value.
    pub(super) fn sets(&self) -> Vec<String> {
        let mut names: Vec<String> = self.own.iter().map(|setting| setting.name.clone()).collect();
        let arguments = || self.words.iter().skip(1);
        match self.program() {
            "for" | "select" => names.extend(arguments().next().map(|word| word.text.clone())),
            "read" | "unset" => names.extend(arguments().map(|word| word.text.clone())),
            program if SETTERS.contains(&program) => {
                names.extend(arguments().filter_map(Setting::read).map(|setting| setting.name));
            }
            _ => {}
        }
        names
    }

    /// Adds what holds for all that follows.
    pub(super) fn export(&self, settings: &mut Vec<Setting>) {
        if self.words.is_empty() {
            // What follows gets it, if it was exported at all.
            settings.extend(self.own.iter().cloned());
        } else if SETTERS.contains(&self.program()) {
            let exported = self.words.iter().skip(1).filter_map(Setting::read);
            settings.extend(exported.map(|setting| Setting {
                is_exported: true,
                ..setting
            }));
        }
    }

    /// Returns the script in `sh -c script`.
    pub(super) fn script_argument(&self) -> Option<&ShellWord> {
        if !SHELLS.contains(&self.program()) {
            return None;
        }
        let mut words = self.words.iter().skip(1);
        let is_command = |word: &&ShellWord| {
            let flags = word.text.strip_prefix('-').unwrap_or_default();
            flags.contains('c') && !flags.starts_with('-')
        };
        words.find(is_command)?;
        words.next()
    }
}

impl Setting {
    /// Reads `NAME=value`.
    pub(crate) fn read(word: &ShellWord) -> Option<Self> {
        let (name, value) = word.text.split_once('=')?;
        let is_name = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        is_name(name).then(|| Self {
            name: name.to_owned(),
            value: value.to_owned(),
            takes: word.takes.clone(),
            span: Some(word.span.clone()),
            is_exported: false,
        })
    }

    /// Returns what an `ENV` line sets.
    pub(crate) fn of_env(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: value.trim_matches(['"', '\'']).to_owned(),
            takes: Scanner::new(value, 0..value.len(), Lines::Separate).data().takes,
            span: None,
            is_exported: false,
        }
    }

    /// Returns whether the value follows another variable.
    pub(crate) fn follows(&self, name: &str) -> bool {
        self.takes.iter().any(|taken| taken == name)
    }
}
