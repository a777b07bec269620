//! Relations between packages (Debian policy, chapter 7): `name[:arch] [(operator version)]`, alternatives by `|`,
//! groups by `,`.

use std::cmp::Ordering;
use std::fmt;

use super::version;

/// One package that would satisfy, or would conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relation<'a> {
    pub(crate) name: &'a str,
    /// An architecture after a colon: `any`, `native`, or a name.
    pub(crate) qualifier: Option<&'a str>,
    pub(crate) constraint: Option<Constraint<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Constraint<'a> {
    pub(crate) operator: Operator,
    pub(crate) version: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Earlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    Later,
}

impl Constraint<'_> {
    pub(crate) fn accepts(&self, candidate: &str) -> bool {
        let order = version::compare(candidate, self.version);
        match self.operator {
            Operator::Earlier => order == Ordering::Less,
            Operator::EarlierOrEqual => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::LaterOrEqual => order != Ordering::Less,
            Operator::Later => order == Ordering::Greater,
        }
    }
}

impl Relation<'_> {
    /// Returns whether a package of this name and version is meant.
    pub(crate) fn accepts(&self, version: &str) -> bool {
        self.constraint
            .is_none_or(|constraint| constraint.accepts(version))
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        let Some(constraint) = self.constraint else {
            return Ok(());
        };
        let operator = match constraint.operator {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        };
        write!(f, " ({operator} {})", constraint.version)
    }
}

/// Parses a field into its groups of alternatives. What is not well formed is left out.
pub(crate) fn groups(field: &str) -> impl Iterator<Item = Vec<Relation<'_>>> {
    field
        .split(',')
        .map(alternatives)
        .filter(|group| !group.is_empty())
}

/// Parses one group of alternatives.
pub(crate) fn alternatives(group: &str) -> Vec<Relation<'_>> {
    group.split('|').filter_map(relation).collect()
}

fn relation(text: &str) -> Option<Relation<'_>> {
    let text = text.trim();
    let end = text.find([' ', '(', '[', '<', '\t', '\n']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (name, None),
    };
    if name.is_empty() {
        return None;
    }
    let constraint = match rest.trim_start().strip_prefix('(') {
        Some(inner) => Some(constraint(inner.split(')').next()?)?),
        None => None,
    };
    Some(Relation {
        name,
        qualifier,
        constraint,
    })
}

fn constraint(text: &str) -> Option<Constraint<'_>> {
    let text = text.trim();
    let end = text.find(|c| !matches!(c, '<' | '>' | '='))?;
    let (operator, version) = text.split_at(end);
    let operator = match operator {
        "<<" => Operator::Earlier,
        // The single characters are an old spelling (policy 7.1).
        "<=" | "<" => Operator::EarlierOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return None,
    };
    Some(Constraint {
        operator,
        version: version.trim(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(field: &str) -> Vec<Vec<String>> {
        groups(field)
            .map(|group| group.iter().map(ToString::to_string).collect())
            .collect()
    }

    #[test]
    fn groups_and_alternatives_are_told_apart() {
        assert_eq!(
            shown("libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0, python3:any, a(=1)"),
            vec![
                vec!["libc6 (>= 2.36)".to_owned()],
                vec!["debconf (>= 0.5)".to_owned(), "debconf-2.0".to_owned()],
                vec!["python3".to_owned()],
                vec!["a (= 1)".to_owned()],
            ]
        );
        assert_eq!(alternatives("python3:any")[0].qualifier, Some("any"));
        assert!(shown("").is_empty());
    }

    #[test]
    fn operators_mean_what_policy_says() {
        for (relation, version, accepted) in [
            ("a (<< 2)", "2", false),
            ("a (<= 2)", "2", true),
            ("a (= 2)", "2", true),
            ("a (>= 2)", "1", false),
            ("a (>> 2)", "2.1", true),
        ] {
            assert_eq!(
                alternatives(relation)[0].accepts(version),
                accepted,
                "{relation} {version}"
            );
        }
    }
}
