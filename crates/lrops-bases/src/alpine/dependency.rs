//! Dependencies and provisions: `name`, `name>=1.2`, `name~1.2`, `so:name=1`, `!name`.

use std::cmp::Ordering;
use std::fmt;

use super::version;

/// What a package needs, provides, replaces, or (with `!`) excludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dependency<'a> {
    pub(crate) name: &'a str,
    /// Whether it excludes instead of needing.
    pub(crate) excludes: bool,
    /// Operator and version.
    pub(crate) constraint: Option<(&'a str, &'a str)>,
}

impl<'a> Dependency<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let (text, excludes) = match text.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let is_operator = |c: char| matches!(c, '<' | '>' | '=' | '~');
        let Some(start) = text.find(is_operator) else {
            return Self {
                name: text,
                excludes,
                constraint: None,
            };
        };
        let (name, rest) = text.split_at(start);
        let end = rest.find(|c| !is_operator(c)).unwrap_or(rest.len());
        Self {
            name,
            excludes,
            constraint: Some(rest.split_at(end)),
        }
    }

    /// Returns the dependencies of a field.
    pub(crate) fn all(field: &'a str) -> impl Iterator<Item = Self> {
        field.split_ascii_whitespace().map(Self::parse)
    }

    /// Returns the version that a provision gives its name.
    pub(crate) fn version(&self) -> Option<&'a str> {
        self.constraint.map(|(_, version)| version)
    }

    /// Returns whether a version is accepted. A name without a version meets no constraint.
    pub(crate) fn accepts(&self, candidate: Option<&str>) -> bool {
        let Some((operator, wanted)) = self.constraint else {
            return true;
        };
        let Some(candidate) = candidate else {
            return false;
        };
        let equal = operator.contains('~') && version::begins_with(candidate, wanted);
        equal
            || match version::compare(candidate, wanted) {
                Ordering::Less => operator.contains('<'),
                Ordering::Equal => operator.contains('='),
                Ordering::Greater => operator.contains('>'),
            }
    }
}

impl fmt::Display for Dependency<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operator, version) = self.constraint.unwrap_or_default();
        let mark = if self.excludes { "!" } else { "" };
        write!(f, "{mark}{}{operator}{version}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_mean_what_apk_says() {
        for (text, version, accepted) in [
            ("a", "1", true),
            ("a=1", "1", true),
            ("a=1", "1-r0", false),
            ("a<2", "1.9", true),
            ("a<=2", "2", true),
            ("a>=1.2", "1.2-r1", true),
            ("a>1.2", "1.2", false),
            ("a~1.2", "1.2.9-r3", true),
            ("a=~1.2", "1.3", false),
            ("a><1", "2", true),
        ] {
            assert_eq!(
                Dependency::parse(text).accepts(Some(version)),
                accepted,
                "{text} {version}"
            );
        }
        assert!(!Dependency::parse("so:a=1").accepts(None));
        let conflict = Dependency::parse("!so:libc.so.1<2");
        assert!(conflict.excludes && conflict.name == "so:libc.so.1");
        assert_eq!(conflict.to_string(), "!so:libc.so.1<2");
    }
}
