//! `go.mod`, as <https://go.dev/ref/mod#go-mod-file> describes it, as far as it matters here.

use std::fmt;
use std::ops::Range;

use super::super::mistake::Mistake;

/// A release of Go: `1.24`, `1.24.3` or `1.25rc1`, of which the last part is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GoVersion {
    /// The language's version, 24 of `1.24`.
    pub(crate) minor: u32,
    /// The patch release.
    pub(crate) patch: u32,
}

impl GoVersion {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("1.")?.split('.');
        let minor = leading_number(parts.next()?)?;
        let patch = parts.next().map_or(Some(0), leading_number)?;
        parts.next().is_none().then_some(Self { minor, patch })
    }
}

/// `25` of `25rc1`; `1` of `1-custom`.
fn leading_number(text: &str) -> Option<u32> {
    text.split(|character: char| !character.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            0 => write!(f, "1.{}", self.minor),
            patch => write!(f, "1.{}.{patch}", self.minor),
        }
    }
}

/// What a `go.mod` says.
#[derive(Debug, Default)]
pub(super) struct ModuleFile {
    pub(super) path: String,
    pub(super) version: Option<GoVersion>,
    pub(super) required: Vec<String>,
    /// Directories that stand in for modules.
    pub(super) replaced_by: Vec<String>,
}

/// All directives; a misspelt one is a mistake of Go's, too.
const DIRECTIVES: [&str; 10] = [
    "module",
    "go",
    "toolchain",
    "godebug",
    "require",
    "exclude",
    "replace",
    "retract",
    "tool",
    "ignore",
];

impl ModuleFile {
    pub(super) fn parse(place: &str, text: &str) -> Result<Self, Mistake> {
        let mut file = Self::default();
        let mut block: Option<&str> = None;
        for (span, line) in lines(text) {
            let mut words = line.split_whitespace();
            let Some(first) = words.next() else { continue };
            if first == ")" && block.take().is_some() {
                continue;
            }
            let directive = match block {
                Some(directive) => {
                    words = line.split_whitespace();
                    directive
                }
                None => first,
            };
            if !DIRECTIVES.contains(&directive) {
                let message = format!("{place}: unknown directive {directive:?}");
                return Err(Mistake::at(place, text, span, message).advise("`go mod edit -fmt` says more"));
            }
            let words: Vec<&str> = words.map(|word| word.trim_matches(['"', '`'])).collect();
            if words == ["("] {
                block = Some(directive);
            } else {
                file.line(directive, &words)
                    .map_err(|message| Mistake::at(place, text, span, format!("{place}: {message}")))?;
            }
        }
        if file.path.is_empty() {
            let message = format!("{place} has no module line");
            return Err(Mistake::at(place, text, 0..0, message).advise("`go mod init PATH` writes one"));
        }
        Ok(file)
    }

    fn line(&mut self, directive: &str, words: &[&str]) -> Result<(), String> {
        match (directive, words) {
            ("module", [path]) => (*path).clone_into(&mut self.path),
            ("module", _) => return Err("expected module PATH".to_owned()),
            ("go" | "toolchain", ["default"]) => {}
            ("go" | "toolchain", [version]) => {
                let number = version.strip_prefix("go").unwrap_or(version);
                let version = GoVersion::parse(number)
                    .ok_or_else(|| format!("{version:?} is no version of Go, such as 1.24 or 1.24.3"))?;
                self.version = self.version.max(Some(version));
            }
            ("go" | "toolchain", _) => return Err(format!("expected {directive} VERSION")),
            ("require", [module, ..]) => self.required.push((*module).to_owned()),
            ("replace", words) => {
                let by = words.iter().skip_while(|word| **word != "=>").nth(1);
                self.replaced_by
                    .extend(by.filter(|by| by.starts_with('.')).map(|by| (*by).to_owned()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns the lines without comments, each with its place.
fn lines(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let code = line.split("//").next().unwrap_or_default().trim_end();
        let from = start + (code.len() - code.trim_start().len());
        let span = from..start + code.len();
        start += line.len();
        (span, code.trim())
    })
}
