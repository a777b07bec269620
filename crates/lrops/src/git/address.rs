//! Addresses of repositories, as contexts of builds have them: `https://HOST/PATH.git#REF:DIRECTORY`.
//!
//! Source: BuildKit's reference on Git contexts. An address over http is one of git's when its path ends in `.git`.

use std::path::{Component, Path, PathBuf};

/// The address of a repository, and what of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GitAddress {
    /// Where it is, as git takes it.
    pub(crate) remote: String,
    /// The branch, tag or commit; the remote's HEAD when absent.
    pub(crate) reference: Option<String>,
    /// The directory in it.
    pub(crate) directory: PathBuf,
}

impl GitAddress {
    /// Reads an address; none when the text is no address of a repository.
    ///
    /// # Errors
    /// When it names what cannot be.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, String>> {
        let (remote, fragment) = text.split_once('#').unwrap_or((text, ""));
        let is_http = remote.starts_with("https://") || remote.starts_with("http://");
        let is_git = ["git://", "ssh://", "git@", "github.com/"]
            .iter()
            .any(|prefix| remote.starts_with(prefix));
        let is_repository = Path::new(remote).extension() == Some("git".as_ref());
        if !(is_git || is_http && is_repository) {
            return None;
        }
        let (reference, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
        // What begins with a dash would be a flag of git's.
        if reference.starts_with('-') {
            return Some(Err(format!("{reference:?} is no branch, tag or commit")));
        }
        let directory = Path::new(directory.trim_start_matches('/'));
        let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !directory.components().all(is_inside) {
            return Some(Err(format!(
                "{} is no directory of the repository",
                directory.display()
            )));
        }
        Some(Ok(Self {
            remote: if remote.starts_with("github.com/") {
                format!("https://{remote}")
            } else {
                remote.to_owned()
            },
            reference: (!reference.is_empty()).then(|| reference.to_owned()),
            directory: directory.to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_buildkit_reads_them() {
        let read = |text: &str| match GitAddress::parse(text) {
            None => "none".to_owned(),
            Some(Err(error)) => error,
            Some(Ok(address)) => format!(
                "{} {} {}",
                address.remote,
                address.reference.as_deref().unwrap_or("HEAD"),
                address.directory.display()
            ),
        };
        for (text, expected) in [
            ("https://h.example/a/b.git", "https://h.example/a/b.git HEAD "),
            ("https://h.example/b.git#v1.2", "https://h.example/b.git v1.2 "),
            (
                "https://h.example/b.git#main:ui",
                "https://h.example/b.git main ui",
            ),
            (
                "https://h.example/b.git#:/ui/x",
                "https://h.example/b.git HEAD ui/x",
            ),
            ("git@h.example:a/b.git#main", "git@h.example:a/b.git main "),
            ("ssh://git@h.example/b#main", "ssh://git@h.example/b main "),
            ("github.com/a/b", "https://github.com/a/b HEAD "),
            ("https://h.example/context.tar.gz", "none"),
            ("directory#x", "none"),
            (
                "https://h.example/b.git#main:../x",
                "../x is no directory of the repository",
            ),
            (
                "https://h.example/b.git#--upload-pack=x",
                "\"--upload-pack=x\" is no branch, tag or commit",
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
