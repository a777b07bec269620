//! What a registry wants to be shown: the `WWW-Authenticate` header (RFC 9110, section 11.6.1).

use std::collections::BTreeMap;

use ureq::http::HeaderMap;

/// A way to be authorized that lrops knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token from the token service at `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
    /// User and password.
    Basic,
}

/// Returns the known challenges in a refusal's headers, in their order.
pub(crate) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers
        .get_all("www-authenticate")
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(parse).collect()
}

fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some(first) = rest.chars().next() else { break };
        let (name, after) = token(rest);
        if name.is_empty() {
            // Nothing of the grammar starts like this (a stray '=' of padding does): go on behind it.
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let name = name.to_ascii_lowercase();
        if let (Some(after), Some((_, parameters))) = (after.trim_start().strip_prefix('='), found.last_mut())
        {
            let (value, after) = value(after.trim_start());
            parameters.insert(name, value);
            rest = after;
        } else {
            found.push((name, BTreeMap::new()));
            rest = after;
        }
    }
    found
        .into_iter()
        .filter_map(|(scheme, parameters)| known(&scheme, parameters))
        .collect()
}

fn known(scheme: &str, mut parameters: BTreeMap<String, String>) -> Option<Challenge> {
    match scheme {
        "bearer" => Some(Challenge::Bearer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service"),
            scope: parameters.remove("scope"),
        }),
        "basic" => Some(Challenge::Basic),
        _ => None,
    }
}

/// Splits off a token (RFC 9110, section 5.6.2), which may be empty.
fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:".contains(c)));
    text.split_at(end.unwrap_or(text.len()))
}

/// Splits off a token or a quoted string.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = token(text);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let owned = |text: &str| text.to_owned();
        Challenge::Bearer {
            realm: owned(realm),
            service: service.map(owned),
            scope: scope.map(owned),
        }
    }

    #[test]
    fn a_token_service_is_read_with_its_commas_and_escapes() {
        let header = r#"Bearer realm="https://auth.example/token?a=b",service="a \"b\"",scope="repository:x:pull,push""#;
        let expected = bearer(
            "https://auth.example/token?a=b",
            Some("a \"b\""),
            Some("repository:x:pull,push"),
        );
        assert_eq!(parse(header), [expected]);
    }

    #[test]
    fn several_challenges_in_one_header_are_told_apart() {
        let header = r#"Negotiate YWJj==, bearer realm = "r" , , error=x, BASIC realm="a, Bearer b""#;
        assert_eq!(parse(header), [bearer("r", None, None), Challenge::Basic]);
    }

    #[test]
    fn what_is_no_challenge_gives_none() {
        for header in [
            "",
            "=",
            "\"",
            "Bearer",
            "Bearer realm",
            "Digest realm=\"x\"",
            ",,é",
            "realm=\"x",
        ] {
            assert_eq!(parse(header), [], "{header:?}");
        }
    }
}
