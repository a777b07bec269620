//! The lines of a `.dockerignore` file.

use super::clean;

/// A pattern of an ignore file and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreLine {
    /// The line, counted from 1.
    pub line: usize,
    /// The pattern in its clean form, relative to the context; an exception begins with `!`.
    pub pattern: String,
}

/// Returns the patterns of an ignore file.
///
/// A byte order mark before the first line, lines that begin with `#`, and blank lines are passed over. White space
/// around a pattern goes, also after `!`, and so does one leading slash. Whether a pattern is valid is decided by
/// [`PathPatterns::new`](super::PathPatterns::new).
pub fn parse_ignore_file(content: &[u8]) -> Vec<IgnoreLine> {
    let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
    content
        .split(|&byte| byte == b'\n')
        .enumerate()
        .filter_map(|(index, line)| {
            let pattern = pattern_of_line(&String::from_utf8_lossy(line))?;
            Some(IgnoreLine {
                line: index + 1,
                pattern,
            })
        })
        .collect()
}

fn pattern_of_line(line: &str) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let line = line.trim();
    match line.strip_prefix('!') {
        Some(exception) => Some(format!("!{}", relative(exception.trim()))),
        None if line.is_empty() => None,
        None => Some(relative(line)),
    }
}

fn relative(pattern: &str) -> String {
    if pattern.is_empty() {
        return String::new();
    }
    let pattern = clean(pattern);
    match pattern.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => pattern,
    }
}
