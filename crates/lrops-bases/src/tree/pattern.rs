//! Patterns of paths: `*` and `?` within a part, `**` over parts. A pattern that matches a directory also matches all
//! below it.

/// A pattern of absolute paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<String>);

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self(
            text.split('/')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Returns whether the path below the root, or a directory above it, matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        parts_match(&self.0, &parts)
    }
}

fn parts_match(pattern: &[String], path: &[&str]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return true;
    };
    if first == "**" {
        // A last `**` stands for at least one part: the directory itself stays.
        return if rest.is_empty() {
            !path.is_empty()
        } else {
            (0..=path.len()).any(|skipped| parts_match(rest, &path[skipped..]))
        };
    }
    match path.split_first() {
        Some((part, path)) => part_matches(first.as_bytes(), part.as_bytes()) && parts_match(rest, path),
        None => false,
    }
}

fn part_matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|skipped| part_matches(rest, &text[skipped..])),
        (Some((b'?', rest)), Some((_, text))) => part_matches(rest, text),
        (Some((byte, rest)), Some((other, text))) => byte == other && part_matches(rest, text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_paths_and_what_is_below() {
        for (pattern, path, expected) in [
            ("/usr/share/doc/**", "usr/share/doc/a/b", true),
            ("/usr/share/doc/**", "usr/share/doc", false),
            ("/usr/share/doc", "usr/share/doc/a", true),
            ("/usr/share/doc/*/copyright", "usr/share/doc/a/copyright", true),
            ("/usr/share/doc/*/copyright", "usr/share/doc/a/b/copyright", false),
            ("/**/*.pyc", "usr/lib/x.pyc", true),
            ("/**/*.pyc", "x.pyc", true),
            ("/usr/li?", "usr/lib/a", true),
            ("/usr/li?", "usr/lib64", false),
            ("/a*c*e", "abcde", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(path), expected, "{pattern} {path}");
        }
    }
}
