//! Paths inside an image: always with `/`, cleaned as Go's `path.Clean` does.

/// Returns the path without `.`, `..` and doubled `/`; `..` never leaves the root of an absolute path.
pub(super) fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Returns `path` seen from `directory`, cleaned.
pub(super) fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') {
        clean(path)
    } else {
        clean(&format!("/{directory}/{path}"))
    }
}

/// Returns a working directory seen from the one before, as the config writes it: an absolute path stays as it is
/// written, and Windows has its own separator and no drive letter.
pub(super) fn working_directory(os: &str, current: &str, path: &str) -> String {
    if os == "windows" {
        return join(&from_windows(current), &from_windows(path)).replace('/', "\\");
    }
    if path.starts_with('/') {
        path.to_owned()
    } else {
        join(current, path)
    }
}

/// Returns a path of Windows' with `/`, and without the letter of the system drive.
pub(super) fn from_windows(path: &str) -> String {
    let path = path
        .strip_prefix("C:")
        .or_else(|| path.strip_prefix("c:"))
        .unwrap_or(path);
    path.replace('\\', "/")
}

/// Returns a destination seen from the working directory. A trailing `/` stays, for it means a directory; so do the
/// empty path and `.`.
pub(super) fn destination(working_directory: &str, path: &str) -> String {
    let joined = join(working_directory, path);
    let means_directory = path.is_empty() || path == "." || path.ends_with('/') || path.ends_with("/.");
    if means_directory && joined != "/" {
        joined + "/"
    } else {
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (path, cleaned) in [
            ("/a/../b", "/b"),
            ("/../a", "/a"),
            ("a//b/.", "a/b"),
            ("", "."),
            ("/", "/"),
            ("../a", "../a"),
            ("a/../..", ".."),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn a_working_directory_is_written_as_the_system_does() {
        for (os, current, path, expected) in [
            ("linux", "/a", "b/../c", "/a/c"),
            ("linux", "/a", "/b/", "/b/"),
            ("linux", "", "b", "/b"),
            ("linux", "/a", "", "/a"),
            ("windows", "\\a", "b", "\\a\\b"),
            ("windows", "\\a", "C:\\b\\", "\\b"),
            ("windows", "", "/", "\\"),
        ] {
            assert_eq!(
                working_directory(os, current, path),
                expected,
                "{os} {current} {path}"
            );
        }
    }

    #[test]
    fn destinations_keep_what_says_directory() {
        for (directory, path, expected) in [
            ("/w", "a", "/w/a"),
            ("/w", "a/", "/w/a/"),
            ("/w", ".", "/w/"),
            ("/w", "", "/w/"),
            ("/", ".", "/"),
            ("/w", "/a/.", "/a/"),
            ("", "a", "/a"),
        ] {
            assert_eq!(destination(directory, path), expected, "{directory} {path}");
        }
    }
}
