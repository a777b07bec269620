//! Addresses of git repositories, as `ADD` and contexts take them.
//!
//! There are two spellings: `https://host/path.git#reference:directory`, and ssh's `user@host:path.git`. What follows
//! `#`, and the query, are for the builder; git is given the rest, [`GitUrl::remote`].

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// The address of a git repository and what of it is wanted.
#[derive(Clone, PartialEq, Eq)]
pub struct GitUrl {
    /// How the repository is reached.
    pub scheme: GitScheme,
    /// Who asks, where the address says so.
    pub user: Option<GitUser>,
    /// The host, with its port if one is written.
    pub host: String,
    /// The path on the host, decoded; `user@host:path` may have a relative one.
    pub path: String,
    /// The query's names and values in order, decoded.
    pub query: Vec<(String, String)>,
    /// What follows `#`, if anything does.
    pub selection: Option<GitSelection>,
    /// Kept private and out of `Debug`: it contains the password, if there is one.
    remote: String,
}

/// A way to reach a git repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitScheme {
    /// `http://`, neither encrypted nor authenticated.
    Http,
    /// `https://`
    Https,
    /// `ssh://`, or `user@host:path`.
    Ssh,
    /// `git://`, neither encrypted nor authenticated.
    Git,
}

/// Who asks for a repository.
#[derive(Clone, PartialEq, Eq)]
pub struct GitUser {
    /// The name, decoded.
    pub name: String,
    /// The password, decoded.
    pub password: Option<String>,
}

/// Which part of a repository is wanted: `#reference:directory`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitSelection {
    /// A branch, a tag or a commit; empty for the default branch.
    pub reference: String,
    /// A directory within the repository, clean and relative; empty for all of it.
    pub directory: String,
}

/// A text that is no address of a git repository.
///
/// The messages do not repeat the address, for it may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitUrlError {
    /// It is neither a URL nor `user@host:path`.
    #[error("unknown protocol: neither a URL nor user@host:path")]
    UnknownProtocol,
    /// It is a URL of a scheme that git is not reached by.
    #[error("invalid protocol {scheme:?} (expected http, https, ssh or git)")]
    InvalidProtocol {
        /// The scheme.
        scheme: String,
    },
    /// It is a URL that is badly made.
    #[error("malformed git URL: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl GitUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// If it is no address of a git repository.
    pub fn parse(text: &str) -> Result<Self, GitUrlError> {
        match text.split_once("://") {
            Some((scheme, rest))
                if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
            {
                parse_url(GitScheme::parse(scheme)?, rest)
            }
            _ => parse_ssh_address(text).ok_or(GitUrlError::UnknownProtocol),
        }
    }

    /// Returns what git is given: the address without query and selection.
    ///
    /// It contains the password if the address had one, so it belongs in no log.
    pub fn remote(&self) -> &str {
        &self.remote
    }
}

impl GitScheme {
    fn parse(scheme: &str) -> Result<Self, GitUrlError> {
        match scheme.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            "ssh" => Ok(Self::Ssh),
            "git" => Ok(Self::Git),
            other => Err(GitUrlError::InvalidProtocol {
                scheme: other.to_owned(),
            }),
        }
    }
}

impl fmt::Display for GitScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ssh => "ssh",
            Self::Git => "git",
        })
    }
}

impl fmt::Debug for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitUrl")
            .field("scheme", &self.scheme)
            .field("user", &self.user)
            .field("host", &self.host)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("selection", &self.selection)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for GitUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "…");
        f.debug_struct("GitUser")
            .field("name", &self.name)
            .field("password", &password)
            .finish()
    }
}

/// Returns whether the text is a whole commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
pub fn is_commit_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn parse_url(scheme: GitScheme, rest: &str) -> Result<GitUrl, GitUrlError> {
    if rest.contains(|character: char| character.is_ascii_control()) {
        return Err(malformed("it contains a control character"));
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(parse_user(user)?), host),
        None => (None, authority),
    };
    check_host(host)?;
    Ok(GitUrl {
        scheme,
        user,
        host: host.to_owned(),
        path: decode(path, PlusSign::Plus)?,
        query: parse_query(query),
        selection: parse_selection(&decode(fragment, PlusSign::Plus)?),
        remote: format!("{scheme}://{address}"),
    })
}

fn parse_user(text: &str) -> Result<GitUser, GitUrlError> {
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(decode(password, PlusSign::Plus)?)),
        None => (text, None),
    };
    Ok(GitUser {
        name: decode(name, PlusSign::Plus)?,
        password,
    })
}

/// Checks that a host has no blanks, does not look like an option of ssh, and ends in a port if it has a colon.
fn check_host(host: &str) -> Result<(), GitUrlError> {
    if host.starts_with('-') {
        return Err(malformed("the host begins with a dash"));
    }
    if host.contains(char::is_whitespace) {
        return Err(malformed("the host contains white space"));
    }
    let after_address = match host.strip_prefix('[') {
        Some(rest) => {
            rest.split_once(']')
                .ok_or_else(|| malformed("the host lacks its ']'"))?
                .1
        }
        None => host.find(':').map_or("", |colon| &host[colon..]),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if after_address.is_empty() || after_address.strip_prefix(':').is_some_and(is_port) {
        return Ok(());
    }
    Err(malformed("the host is not followed by a port number"))
}

fn parse_ssh_address(text: &str) -> Option<GitUrl> {
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
        // Neither name begins with a dash: to git or ssh it would look like an option.
        Regex::new(r"^([a-zA-Z0-9_][a-zA-Z0-9_-]*)@([a-zA-Z0-9.][a-zA-Z0-9.-]*):(.*?)(?:\?(.*?))?(?:#(.*))?$")
            .expect("it is well-formed")
    });
    let captures = ADDRESS.captures(text)?;
    let part = |index| captures.get(index).map_or("", |part| part.as_str());
    let (name, host, path) = (part(1), part(2), part(3));
    Some(GitUrl {
        scheme: GitScheme::Ssh,
        user: Some(GitUser {
            name: name.to_owned(),
            password: None,
        }),
        host: host.to_owned(),
        path: path.to_owned(),
        query: parse_query(part(4)),
        selection: parse_selection(part(5)),
        remote: format!("{name}@{host}:{path}"),
    })
}

/// Reads `reference:directory`.
fn parse_selection(fragment: &str) -> Option<GitSelection> {
    if fragment.is_empty() {
        return None;
    }
    let (reference, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
    // Cleaned as an absolute path, so that `..` cannot lead out of the repository.
    let directory = crate::patterns::clean(&format!("/{directory}"));
    Some(GitSelection {
        reference: reference.to_owned(),
        directory: directory[1..].to_owned(),
    })
}

/// Reads `name=value&…`; a pair that cannot be decoded is passed over, as Go does.
fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.contains(';'))
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((
                decode(name, PlusSign::Space).ok()?,
                decode(value, PlusSign::Space).ok()?,
            ))
        })
        .collect()
}

/// What a `+` stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PlusSign {
    Plus,
    Space,
}

/// Replaces `%XX` by the byte it stands for.
fn decode(text: &str, plus: PlusSign) -> Result<String, GitUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => match (
                rest.next().and_then(hexadecimal),
                rest.next().and_then(hexadecimal),
            ) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(malformed("a '%' is not followed by two hexadecimal digits")),
            },
            b'+' if plus == PlusSign::Space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed("an escape does not give UTF-8"))
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn malformed(reason: &'static str) -> GitUrlError {
    GitUrlError::Malformed { reason }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect![] is written at the call")]
    fn check(text: &str, expected: Expect) {
        let text = match GitUrl::parse(text) {
            Ok(url) => format!(
                "{} | {:?} {:?} {:?}",
                url.remote(),
                url.path,
                url.query,
                url.selection
            ),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn a_url_is_separated_from_what_is_for_the_builder() {
        check(
            "HTTPS://git.example/a/b.git",
            expect![[r#"https://git.example/a/b.git | "/a/b.git" [] None"#]],
        );
        check(
            "https://git.example/a%20b.git?depth=1&x=a+b#main:./docs/../src",
            expect![[
                r#"https://git.example/a%20b.git | "/a b.git" [("depth", "1"), ("x", "a b")] Some(GitSelection { reference: "main", directory: "src" })"#
            ]],
        );
        check(
            "ssh://me@[fe80::1]:22/b.git#:sub",
            expect![[
                r#"ssh://me@[fe80::1]:22/b.git | "/b.git" [] Some(GitSelection { reference: "", directory: "sub" })"#
            ]],
        );
        check(
            "git://git.example",
            expect![[r#"git://git.example | "" [] None"#]],
        );
        check(
            "https://git.example/b.git#",
            expect![[r#"https://git.example/b.git | "/b.git" [] None"#]],
        );
        check(
            "https://git.example/b.git?bad=%zz&good=1;no&last",
            expect![[r#"https://git.example/b.git | "/b.git" [("last", "")] None"#]],
        );
    }

    #[test]
    fn an_ssh_address_is_separated_likewise() {
        check(
            "git@git.example:a/b.git",
            expect![[r#"git@git.example:a/b.git | "a/b.git" [] None"#]],
        );
        check(
            "git@git.example:a/b.git?ref=x#v1:d",
            expect![[
                r#"git@git.example:a/b.git | "a/b.git" [("ref", "x")] Some(GitSelection { reference: "v1", directory: "d" })"#
            ]],
        );
        check(
            "git@git.example:22/x",
            expect![[r#"git@git.example:22/x | "22/x" [] None"#]],
        );
    }

    #[test]
    fn a_directory_cannot_lead_out_of_the_repository() {
        check(
            "https://git.example/b.git#v1:../../etc",
            expect![[
                r#"https://git.example/b.git | "/b.git" [] Some(GitSelection { reference: "v1", directory: "etc" })"#
            ]],
        );
    }

    #[test]
    fn what_is_no_git_address_is_refused() {
        check("", expect!["unknown protocol: neither a URL nor user@host:path"]);
        check(
            "./local/dir.git",
            expect!["unknown protocol: neither a URL nor user@host:path"],
        );
        check(
            "github.com/a/b",
            expect!["unknown protocol: neither a URL nor user@host:path"],
        );
        check(
            "ftp://git.example/b.git",
            expect![[r#"invalid protocol "ftp" (expected http, https, ssh or git)"#]],
        );
        check(
            "ssh://-oProxyCommand=x/b.git",
            expect!["malformed git URL: the host begins with a dash"],
        );
        check(
            "git@-oProxyCommand:b.git",
            expect!["unknown protocol: neither a URL nor user@host:path"],
        );
        check(
            "-o@git.example:b.git",
            expect!["unknown protocol: neither a URL nor user@host:path"],
        );
        check(
            "https://git.example:port/b.git",
            expect!["malformed git URL: the host is not followed by a port number"],
        );
        check(
            "https://[::1/b.git",
            expect!["malformed git URL: the host lacks its ']'"],
        );
        check(
            "https://git example/b.git",
            expect!["malformed git URL: the host contains white space"],
        );
        check(
            "https://git.example/%zz",
            expect!["malformed git URL: a '%' is not followed by two hexadecimal digits"],
        );
        check(
            "https://git.example/\n",
            expect!["malformed git URL: it contains a control character"],
        );
        check(
            "https://git.example/%ff",
            expect!["malformed git URL: an escape does not give UTF-8"],
        );
    }

    #[test]
    fn a_password_shows_in_no_debug_text() {
        let url = GitUrl::parse("https://me:s3cret@git.example/b.git").unwrap();
        assert_eq!(url.user.as_ref().unwrap().password.as_deref(), Some("s3cret"));
        assert!(!format!("{url:?}").contains("s3cret"), "{url:?}");
    }

    #[test]
    fn a_commit_id_is_whole_and_in_lower_case() {
        assert!(is_commit_id(&"a1".repeat(20)));
        assert!(is_commit_id(&"0f".repeat(32)));
        assert!(!is_commit_id(&"A1".repeat(20)));
        assert!(!is_commit_id(&"a1".repeat(19)));
        assert!(!is_commit_id(&"g1".repeat(20)));
    }
}
