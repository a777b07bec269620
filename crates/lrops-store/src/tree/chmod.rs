//! The value of `--chmod`: octal, or symbolic as in chmod(1).
//!
//! The symbolic form follows BSD's setmode(3) with an empty umask, as BuildKit does: `X` looks at the mode before any
//! change, `=` without a class clears everything but the sticky bit, and `u`, `g`, `o` on the right copy a class's
//! present bits.

use std::str::FromStr;

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const STANDARD: u32 = SET_UID | SET_GID | 0o777;

/// A change of permission bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Chmod {
    /// These bits.
    Octal(u32),
    /// These steps, one after the other.
    Symbolic(Vec<Step>),
}

/// One step of a symbolic change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Clears bits.
    Clear(u32),
    /// Sets bits.
    Set(u32),
    /// Sets bits on directories and on files that someone can execute.
    SetIfExecutable(u32),
    /// Copies the bits of a class.
    Copy {
        /// How far the class's bits lie to the left: 6, 3 or 0.
        from: u32,
        /// The bits of the classes that are changed.
        to: u32,
        /// `=`, `+` or `-`.
        operator: Operator,
    },
}

/// What a symbolic change does with its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Remove,
    /// `=`
    Assign,
}

impl Chmod {
    /// Returns the permission bits that a file with `mode` gets.
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        match self {
            Self::Octal(bits) => *bits,
            Self::Symbolic(steps) => {
                let executable = is_directory || mode & 0o111 != 0;
                steps
                    .iter()
                    .fold(mode & 0o7777, |mode, step| step.apply(mode, executable))
            }
        }
    }

    /// Returns the mode of directories made on the way to the destination.
    ///
    /// BuildKit gives them an octal value as it is, without the three high bits, and ignores a symbolic one.
    pub fn of_new_directories(&self) -> u32 {
        match self {
            Self::Octal(bits) => bits & 0o777,
            Self::Symbolic(_) => 0o755,
        }
    }
}

impl Step {
    fn apply(self, mode: u32, executable: bool) -> u32 {
        match self {
            Self::Clear(bits) => mode & !bits,
            Self::Set(bits) => mode | bits,
            Self::SetIfExecutable(bits) if executable => mode | bits,
            Self::SetIfExecutable(_) => mode,
            Self::Copy { from, to, operator } => {
                let class = (mode >> from) & 0o7;
                let bits = (class << 6 | class << 3 | class) & to;
                match operator {
                    Operator::Add => mode | bits,
                    Operator::Remove => mode & !bits,
                    Operator::Assign => mode & !to | bits,
                }
            }
        }
    }
}

impl FromStr for Chmod {
    type Err = ParseChmodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let octal = || ParseChmodError::Octal {
            text: text.to_owned(),
        };
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let bits = u32::from_str_radix(text, 8).map_err(|_| octal())?;
            return if bits <= 0o7777 {
                Ok(Self::Octal(bits))
            } else {
                Err(octal())
            };
        }
        let mut parser = Parser {
            rest: text.as_bytes(),
            steps: Vec::new(),
            assigned: false,
        };
        parser.clauses().ok_or_else(|| ParseChmodError::Symbolic {
            text: text.to_owned(),
        })?;
        Ok(Self::Symbolic(parser.steps))
    }
}

/// A text that is no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseChmodError {
    /// It looks like a number and is none that is allowed.
    #[error("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")]
    Octal {
        /// The text.
        text: String,
    },
    /// It is neither a number nor a symbolic mode.
    #[error("invalid chmod parameter: '{text}'. it should be an octal or a symbolic mode such as u=rwX,go-w")]
    Symbolic {
        /// The text.
        text: String,
    },
}

struct Parser<'t> {
    rest: &'t [u8],
    steps: Vec<Step>,
    /// Whether the clause's `=` has cleared its bits already.
    assigned: bool,
}

impl Parser<'_> {
    fn clauses(&mut self) -> Option<()> {
        loop {
            let mut who = self.classes();
            loop {
                let operator = self.operator()?;
                self.permissions(&mut who, operator);
                match self.rest.first() {
                    None => return Some(()),
                    Some(b',') => break,
                    Some(_) => {}
                }
            }
            self.rest = &self.rest[1..];
        }
    }

    fn classes(&mut self) -> u32 {
        let mut who = 0;
        while let Some((first, rest)) = self.rest.split_first() {
            who |= match first {
                b'a' => STANDARD,
                b'u' => SET_UID | 0o700,
                b'g' => SET_GID | 0o070,
                b'o' => 0o007,
                _ => break,
            };
            self.rest = rest;
        }
        who
    }

    fn operator(&mut self) -> Option<Operator> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match first {
            b'+' => Some(Operator::Add),
            b'-' => Some(Operator::Remove),
            b'=' => {
                self.assigned = false;
                Some(Operator::Assign)
            }
            _ => None,
        }
    }

    fn permissions(&mut self, who: &mut u32, operator: Operator) {
        let (mut bits, mut executable_bits) = (0, 0);
        // The set-id and sticky bits mean nothing for "others" alone.
        let takes_special = *who == 0 || *who & !0o007 != 0;
        loop {
            let first = self.rest.first().copied();
            match first {
                Some(b'r') => bits |= 0o444,
                Some(b'w') => bits |= 0o222,
                Some(b'X') if operator != Operator::Remove => executable_bits = 0o111,
                Some(b'x' | b'X') => bits |= 0o111,
                Some(b's') if takes_special => bits |= SET_UID | SET_GID,
                Some(b't') if takes_special => {
                    *who |= STICKY;
                    bits |= STICKY;
                }
                Some(b's' | b't') => {}
                Some(class @ (b'u' | b'g' | b'o')) => {
                    self.flush(*who, operator, bits, executable_bits);
                    (bits, executable_bits) = (0, 0);
                    self.assigned |= operator == Operator::Assign;
                    self.copy_class(*who, operator, class);
                }
                _ => break,
            }
            self.rest = &self.rest[1..];
        }
        if bits == 0 && operator == Operator::Assign && !self.assigned {
            self.assigned = true;
            self.steps
                .push(Step::Clear(if *who == 0 { STANDARD } else { *who }));
        }
        self.flush(*who, operator, bits, executable_bits);
    }

    fn flush(&mut self, who: u32, operator: Operator, bits: u32, executable_bits: u32) {
        let limit = |bits: u32| if who == 0 { bits } else { who & bits };
        if bits != 0 {
            match operator {
                Operator::Add => self.steps.push(Step::Set(limit(bits))),
                Operator::Remove => self.steps.push(Step::Clear(limit(bits))),
                Operator::Assign => {
                    self.assigned = true;
                    self.steps
                        .push(Step::Clear(if who == 0 { STANDARD } else { who }));
                    self.steps.push(Step::Set(limit(bits)));
                }
            }
        }
        if executable_bits != 0 {
            self.steps.push(Step::SetIfExecutable(limit(executable_bits)));
        }
    }

    fn copy_class(&mut self, who: u32, operator: Operator, class: u8) {
        let from = match class {
            b'u' => 6,
            b'g' => 3,
            _ => 0,
        };
        let to = if who == 0 { 0o777 } else { who & 0o777 };
        self.steps.push(Step::Copy { from, to, operator });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, mode: u32, is_directory: bool, expected: u32) {
        let chmod: Chmod = text.parse().unwrap();
        let found = chmod.apply(mode, is_directory);
        assert_eq!(
            found, expected,
            "{text} on {mode:o} gives {found:o} instead of {expected:o}"
        );
    }

    #[test]
    fn an_octal_value_replaces_all_bits() {
        check("644", 0o4755, false, 0o644);
        check("4755", 0o600, false, 0o4755);
        check("0", 0o777, true, 0);
    }

    #[test]
    fn symbolic_values_change_what_they_name() {
        check("go-w", 0o666, false, 0o644);
        check("u=rw,g=r,o=r", 0o666, false, 0o644);
        check("u+rw,g+r,o-x,o+w", 0o124, true, 0o766);
        check("a+X", 0o666, false, 0o666);
        check("a+X", 0o124, true, 0o135);
        check("u=rwX,go=rX", 0o640, false, 0o644);
        check("u=rwX,go=rX", 0o750, false, 0o755);
        check("u=rwX,go=rX", 0o640, true, 0o755);
        check("+x", 0o644, false, 0o755);
        check("u+s,g+s,+t", 0o755, false, 0o7755);
        check("o+t", 0o755, false, 0o755);
        check("=", 0o4755, false, 0);
        check("go=", 0o755, false, 0o700);
    }

    #[test]
    fn a_class_can_be_copied_to_others() {
        check("go=u-w", 0o755, false, 0o755);
        check("g=u", 0o741, false, 0o771);
        check("o+g", 0o750, false, 0o755);
        check("g-o", 0o775, false, 0o725);
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in [
            "",
            "08",
            "10000",
            "99999999999",
            "u",
            "u=rwq",
            "u+r,",
            "rw",
            "-",
            "7x",
        ] {
            // A lone operator is a valid change of nothing, as in chmod(1).
            assert_eq!(text.parse::<Chmod>().is_ok(), text == "-", "{text}");
        }
    }
}
