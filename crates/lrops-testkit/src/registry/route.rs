//! What a target asks for.

use super::answer::Answer;

const NAME_LENGTH_MAX: usize = 255;
const TAG_LENGTH_MAX: usize = 128;

/// What a target asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/token`
    Token,
    /// `/v2/`
    Base,
    /// Something in a repository.
    In(String, Resource),
}

/// Something in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// `blobs/DIGEST`
    Blob(String),
    /// `blobs/uploads/`
    Uploads,
    /// `blobs/uploads/ID`
    Upload(String),
    /// `manifests/TAG` or `manifests/DIGEST`
    Manifest(String),
    /// `tags/list`
    Tags,
    /// `referrers/DIGEST`
    Referrers(String),
}

impl Route {
    /// Parses a target without its query.
    pub(super) fn parse(path: &str) -> Result<Self, Answer> {
        if path == "/token" {
            return Ok(Self::Token);
        }
        let unknown = || Answer::refusal(404, "NOT_FOUND", "no such page");
        let path = path.strip_prefix("/v2").ok_or_else(unknown)?;
        let path = match path.strip_prefix('/') {
            None if path.is_empty() => return Ok(Self::Base),
            Some("") => return Ok(Self::Base),
            path => path.ok_or_else(unknown)?,
        };
        let parts: Vec<&str> = path.split('/').collect();
        let (name, resource) = match parts.as_slice() {
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
                (name, Resource::Uploads)
            }
            [name @ .., "blobs", "uploads", id] => (name, Resource::Upload((*id).to_owned())),
            [name @ .., "blobs", digest] => (name, Resource::Blob(digest.replace("%3A", ":"))),
            [name @ .., "manifests", reference] => (name, Resource::Manifest(reference.replace("%3A", ":"))),
            [name @ .., "tags", "list"] => (name, Resource::Tags),
            [name @ .., "referrers", digest] => (name, Resource::Referrers(digest.replace("%3A", ":"))),
            _ => return Err(unknown()),
        };
        let name = name.join("/");
        if !is_name(&name) {
            return Err(Answer::refusal(400, "NAME_INVALID", "invalid repository name"));
        }
        Ok(Self::In(name, resource))
    }
}

/// Returns whether this may be a repository's name: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, several with slashes.
fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_component = |component: &str| {
        let bytes = component.as_bytes();
        let separators =
            component.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit());
        bytes.first().is_some_and(|byte| is_inner(*byte))
            && bytes.last().is_some_and(|byte| is_inner(*byte))
            && separators
                .into_iter()
                .all(|text| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-'))
    };
    name.len() <= NAME_LENGTH_MAX && name.split('/').all(is_component)
}

/// Returns whether this may be a tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(super) fn is_tag(tag: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= TAG_LENGTH_MAX
        && tag.bytes().next().is_some_and(is_first)
        && tag
            .bytes()
            .all(|byte| is_first(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Result<Route, u16>) {
        assert_eq!(
            Route::parse(path).map_err(|answer| answer.status),
            expected,
            "{path}"
        );
    }

    #[test]
    fn a_repository_may_have_the_names_of_resources() {
        let within = |name: &str, resource| Ok(Route::In(name.to_owned(), resource));
        check("/v2/", Ok(Route::Base));
        check("/v2", Ok(Route::Base));
        check("/token", Ok(Route::Token));
        check("/v2/a/b/blobs/uploads/", within("a/b", Resource::Uploads));
        check(
            "/v2/blobs/blobs/uploads/7",
            within("blobs", Resource::Upload("7".to_owned())),
        );
        check("/v2/tags/list/tags/list", within("tags/list", Resource::Tags));
        check(
            "/v2/a/manifests/1.0",
            within("a", Resource::Manifest("1.0".to_owned())),
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["A", "a//b", "a___b", "-a", "a.", "", "a b"] {
            check(&format!("/v2/{name}/tags/list"), Err(400));
        }
        for name in ["a__b", "a---b", "a.b_c/d0"] {
            assert!(Route::parse(&format!("/v2/{name}/tags/list")).is_ok(), "{name}");
        }
        check("/v3/", Err(404));
        check("/v2/a/other", Err(404));
        assert!(is_tag("_1.0-x") && !is_tag(".a") && !is_tag(&"a".repeat(129)) && !is_tag(""));
    }
}
