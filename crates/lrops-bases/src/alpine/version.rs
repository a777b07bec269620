//! The order of apk versions: `1.2.3b_rc4-r5`.
//!
//! A version is a row of tokens. The first that differs decides; where the kinds differ, the version that goes on is
//! the later one, unless it goes on with a suffix of a preliminary version.

use std::cmp::Ordering;

/// The kinds are ordered as they follow one another in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    First(&'a str),
    Number(&'a str),
    Letter(u8),
    /// The place in [`SUFFIXES`].
    Suffix(usize),
    SuffixNumber(&'a str),
    Hash(&'a str),
    Revision(&'a str),
    End,
}

/// In their order; a version without suffix stands after the first four.
const SUFFIXES: [&str; 9] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];
const PRELIMINARY: usize = 4;

/// Compares two versions.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (tokens(a), tokens(b));
    for (a, b) in a.iter().zip(&b) {
        let order = compare_tokens(*a, *b);
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Returns whether a version is the prefix, or begins with it: what `~` asks for.
pub(crate) fn begins_with(version: &str, prefix: &str) -> bool {
    tokens(version)
        .into_iter()
        .zip(tokens(prefix))
        .take_while(|(_, wanted)| *wanted != Token::End)
        .all(|(token, wanted)| compare_tokens(token, wanted) == Ordering::Equal)
}

fn compare_tokens(a: Token<'_>, b: Token<'_>) -> Ordering {
    match (a, b) {
        (Token::Number(a), Token::Number(b)) if a.starts_with('0') || b.starts_with('0') => a.cmp(b),
        (Token::First(a), Token::First(b))
        | (Token::Number(a), Token::Number(b))
        | (Token::SuffixNumber(a), Token::SuffixNumber(b))
        | (Token::Revision(a), Token::Revision(b)) => compare_numbers(a, b),
        (Token::Letter(_), Token::Letter(_))
        | (Token::Suffix(_), Token::Suffix(_))
        | (Token::Hash(_), Token::Hash(_)) => a.cmp(&b),
        (Token::End, Token::End) => Ordering::Equal,
        (Token::Suffix(suffix), _) if suffix < PRELIMINARY => Ordering::Less,
        (_, Token::Suffix(suffix)) if suffix < PRELIMINARY => Ordering::Greater,
        _ => b.cmp(&a),
    }
}

fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// What is not well formed ends the version.
fn tokens(version: &str) -> Vec<Token<'_>> {
    let mut rest = version;
    let mut tokens = vec![Token::First(take(&mut rest, |c| c.is_ascii_digit()))];
    while let Some(after) = rest.strip_prefix('.') {
        rest = after;
        tokens.push(Token::Number(take(&mut rest, |c| c.is_ascii_digit())));
    }
    if let Some(letter) = rest.bytes().next().filter(u8::is_ascii_lowercase) {
        rest = &rest[1..];
        tokens.push(Token::Letter(letter));
    }
    while let Some(after) = rest.strip_prefix('_') {
        rest = after;
        let name = take(&mut rest, |c| c.is_ascii_lowercase());
        let Some(suffix) = SUFFIXES.iter().position(|suffix| *suffix == name) else {
            rest = "";
            break;
        };
        tokens.push(Token::Suffix(suffix));
        let number = take(&mut rest, |c| c.is_ascii_digit());
        if !number.is_empty() {
            tokens.push(Token::SuffixNumber(number));
        }
    }
    if let Some(after) = rest.strip_prefix('~') {
        rest = after;
        tokens.push(Token::Hash(take(&mut rest, |c| c.is_ascii_hexdigit())));
    }
    if let Some(revision) = rest.strip_prefix("-r") {
        tokens.push(Token::Revision(revision));
    }
    tokens.push(Token::End);
    tokens
}

fn take<'a>(rest: &mut &'a str, good: impl Fn(char) -> bool) -> &'a str {
    let (taken, left) = rest.split_at(rest.find(|c| !good(c)).unwrap_or(rest.len()));
    *rest = left;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_apk_orders_them() {
        let ascending = [
            "0.1_alpha",
            "0.1_alpha1",
            "0.1_alpha2",
            "0.1_alpha10",
            "0.1_beta",
            "0.1_pre2",
            "0.1_rc1",
            "0.1",
            "0.1-r0",
            "0.1-r1",
            "0.1-r10",
            "0.1_cvs",
            "0.1_svn1",
            "0.1_git20200101",
            "0.1_hg",
            "0.1_p1_alpha",
            "0.1_p1",
            "0.1_p1-r1",
            "0.1a",
            "0.1b",
            "0.1.0",
            "0.1.1",
            "0.2",
            "0.10",
            "1.0.05",
            "1.0.1",
            "1.0.10",
            "2",
            "10",
            "20240101",
        ];
        for (index, lower) in ascending.iter().enumerate() {
            assert_eq!(compare(lower, lower), Ordering::Equal);
            for higher in &ascending[index + 1..] {
                assert_eq!(compare(lower, higher), Ordering::Less, "{lower} < {higher}");
                assert_eq!(compare(higher, lower), Ordering::Greater, "{higher} > {lower}");
            }
        }
    }

    #[test]
    fn a_prefix_is_met_by_what_goes_on() {
        for (version, prefix, met) in [
            ("1.2.3-r4", "1.2", true),
            ("1.2-r4", "1.2", true),
            ("1.2.3", "1.2.3", true),
            ("1.20", "1.2", false),
            ("1", "1.2", false),
        ] {
            assert_eq!(begins_with(version, prefix), met, "{version} ~ {prefix}");
        }
    }
}
