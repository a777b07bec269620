//! Platforms: `os/architecture[/variant]`.
//!
//! Names and their normal forms follow containerd's `platforms` package, which Docker and BuildKit use: `x86_64` is
//! `amd64`, `aarch64` and `arm64/v8` are `arm64`, `arm` alone and `armhf` are `arm/v7`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An operating system, an architecture and perhaps its variant, in normal form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    /// The operating system, as `GOOS` spells it.
    pub os: String,
    /// The architecture, as `GOARCH` spells it.
    pub architecture: String,
    /// The architecture's variant, such as `v7`; absent where the normal form has none.
    pub variant: Option<String>,
}

impl Platform {
    /// Returns the normal form of the three parts.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let os = match os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let architecture = architecture.to_ascii_lowercase();
        let variant = variant
            .map(str::to_ascii_lowercase)
            .filter(|variant| !variant.is_empty());
        let (architecture, variant) = normal_architecture(&architecture, variant.as_deref());
        Self {
            os,
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }

    /// Returns the platform this program was compiled for: the host, and so the build platform.
    pub fn host() -> Self {
        Self::new(std::env::consts::OS, std::env::consts::ARCH, None)
    }

    /// Returns whether a program for `program` runs on `self` without emulation.
    ///
    /// The same platform does; a 64-bit x86 runs 32-bit x86, and a higher arm variant runs a lower one. 64-bit ARM is
    /// not assumed to run 32-bit programs: many servers cannot.
    pub fn runs_natively(&self, program: &Platform) -> bool {
        if self.os != program.os {
            return false;
        }
        match (self.architecture.as_str(), program.architecture.as_str()) {
            ("amd64", "386") => true,
            ("arm", "arm") => program.variant <= self.variant,
            ("amd64", "amd64") => program.variant.is_none() || program.variant <= self.variant,
            (own, other) => own == other && self.variant == program.variant,
        }
    }

    /// Returns the text with `_` for `/`, as file and stage names want it.
    pub fn slug(&self) -> String {
        self.to_string().replace('/', "_")
    }
}

/// The normal spelling of an architecture and its variant.
fn normal_architecture<'a>(architecture: &'a str, variant: Option<&'a str>) -> (&'a str, Option<&'a str>) {
    match (architecture, variant) {
        ("i386", _) => ("386", None),
        ("x86_64" | "x86-64" | "amd64", Some("v1") | None) => ("amd64", None),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", Some("8" | "v8") | None) => ("arm64", None),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", None | Some("7" | "v7")) => ("arm", Some("v7")),
        ("armel", _) | ("arm", Some("6" | "v6")) => ("arm", Some("v6")),
        ("arm", Some("5")) => ("arm", Some("v5")),
        ("arm", Some("8")) => ("arm", Some("v8")),
        ("powerpc64le", variant) => ("ppc64le", variant),
        other => other,
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant
            .as_ref()
            .map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const KNOWN_OS: [&str; 12] = [
    "aix",
    "android",
    "darwin",
    "macos",
    "dragonfly",
    "freebsd",
    "illumos",
    "linux",
    "netbsd",
    "openbsd",
    "solaris",
    "windows",
];

const KNOWN_ARCHITECTURES: [&str; 26] = [
    "386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "ppc64", "ppc64le", "loong64", "mips",
    "mipsle", "mips64", "mips64le", "ppc", "riscv", "riscv64", "s390", "s390x", "wasm", "i386", "x86_64",
    "x86-64", "aarch64", "armhf", "armel",
];

impl FromStr for Platform {
    type Err = ParsePlatformError;

    /// Parses `os/architecture[/variant]`, an architecture alone (linux is meant), or an os alone (this machine's
    /// architecture is meant).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| {
            Err(ParsePlatformError {
                text: text.to_owned(),
                reason,
            })
        };
        let parts: Vec<&str> = text.split('/').collect();
        let word = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        if !parts.iter().all(word) {
            return error("each part must be letters, digits, '.', '_' or '-'");
        }
        let lower = parts[0].to_ascii_lowercase();
        match parts[..] {
            [_] if KNOWN_OS.contains(&lower.as_str()) => Ok(Self::new(&lower, std::env::consts::ARCH, None)),
            [architecture] if KNOWN_ARCHITECTURES.contains(&lower.as_str()) => {
                Ok(Self::new("linux", architecture, None))
            }
            [_] => error("it is neither a known operating system nor a known architecture"),
            // `arm/v7`, as the older command line writes it.
            [architecture, variant] if lower == "arm" && variant.starts_with('v') => {
                Ok(Self::new("linux", architecture, Some(variant)))
            }
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => error("it has more than three parts"),
        }
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A text that is no platform.
#[derive(Debug, thiserror::Error)]
#[error(
    "{text:?} is no platform: {reason} (expected os/architecture[/variant], such as linux/arm64 or linux/arm/v7)"
)]
pub struct ParsePlatformError {
    text: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, normal: &str) {
        assert_eq!(text.parse::<Platform>().unwrap().to_string(), normal);
    }

    #[test]
    fn spellings_have_one_normal_form() {
        check("linux/amd64", "linux/amd64");
        check("linux/x86_64", "linux/amd64");
        check("Linux/AMD64/v1", "linux/amd64");
        check("linux/arm64/v8", "linux/arm64");
        check("linux/aarch64", "linux/arm64");
        check("linux/arm", "linux/arm/v7");
        check("linux/armhf", "linux/arm/v7");
        check("linux/arm/v6", "linux/arm/v6");
        check("arm/v7", "linux/arm/v7");
        check("arm64", "linux/arm64");
        check("amd64", "linux/amd64");
        check("linux/amd64/v3", "linux/amd64/v3");
    }

    #[test]
    fn what_is_no_platform_is_refused() {
        for text in ["", "linux/", "/amd64", "nope", "a/b/c/d", "linux/am d64"] {
            assert!(text.parse::<Platform>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn native_programs_need_no_emulation() {
        let runs = |host: &str, program: &str| {
            host.parse::<Platform>()
                .unwrap()
                .runs_natively(&program.parse().unwrap())
        };
        assert!(runs("linux/amd64", "linux/amd64"));
        assert!(runs("linux/amd64", "linux/386"));
        assert!(runs("linux/arm/v7", "linux/arm/v6"));
        assert!(!runs("linux/arm/v6", "linux/arm/v7"));
        assert!(!runs("linux/amd64", "linux/arm64"));
        assert!(!runs("linux/amd64", "windows/amd64"));
    }
}
