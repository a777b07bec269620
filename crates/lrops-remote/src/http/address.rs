//! A URL taken apart: what is asked, what is shown, and whose credentials it holds.

use std::fmt;

use ureq::http::Uri;

/// An http or https URL; its [`fmt::Display`] and [`fmt::Debug`] hide credentials and the query, which may hold a signature.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    scheme: Scheme,
    /// Host and perhaps port, without credentials.
    authority: String,
    path: String,
    query: Option<String>,
    /// `user:password`, as the URL wrote them, percent-decoded.
    credentials: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns the port where a URL names none.
    fn port(self) -> &'static str {
        match self {
            Self::Http => "80",
            Self::Https => "443",
        }
    }
}

impl Address {
    /// Parses an absolute URL; the error is the reason, without the URL.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("it has no scheme such as https://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err("only http:// and https:// are spoken"),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(split);
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((credentials, authority)) => (Some(percent_decoded(credentials)), authority),
            None => (None, authority),
        };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        let address = Self {
            scheme,
            authority: authority.to_owned(),
            path: path.to_owned(),
            query,
            credentials,
        };
        let uri: Uri = address.target().parse().map_err(|_| "it is not well formed")?;
        if uri.host().is_none_or(str::is_empty) {
            return Err("it names no host");
        }
        Ok(address)
    }

    /// Returns where a `Location` header points, seen from here. Credentials go along only to the same origin.
    pub(crate) fn redirected(&self, location: &str) -> Result<Self, &'static str> {
        let directory = &self.path[..=self.path.rfind('/').unwrap_or_default()];
        let absolute = if location.contains("://") {
            location.to_owned()
        } else if let Some(rest) = location.strip_prefix("//") {
            format!("{}://{rest}", self.scheme.text())
        } else if location.starts_with('/') {
            format!("{}://{}{location}", self.scheme.text(), self.authority)
        } else {
            format!("{}://{}{directory}{location}", self.scheme.text(), self.authority)
        };
        let mut next = Self::parse(&absolute)?;
        if self.scheme == Scheme::Https && next.scheme == Scheme::Http {
            return Err("the server redirects from https to http");
        }
        if next.has_origin_of(self) {
            // Certificates are kept by the name that the user gave the host, with or without its usual port.
            next.authority.clone_from(&self.authority);
            next.credentials = next.credentials.or_else(|| self.credentials.clone());
        }
        Ok(next)
    }

    /// Returns where a header of an answer from here points. A registry behind a proxy that ends TLS often does not know that
    /// it is spoken to over https: its own name is taken to mean this address.
    pub(crate) fn linked(&self, location: &str) -> Result<Self, &'static str> {
        let redirected = self.redirected(location);
        if redirected.is_ok() || self.scheme != Scheme::Https {
            return redirected;
        }
        match Self::parse(location) {
            Ok(plain) if plain.scheme == Scheme::Http && plain.host().eq_ignore_ascii_case(self.host()) => {
                Ok(Self {
                    scheme: self.scheme,
                    authority: self.authority.clone(),
                    credentials: plain.credentials.or_else(|| self.credentials.clone()),
                    ..plain
                })
            }
            _ => redirected,
        }
    }

    /// Returns the URL to ask for, without credentials.
    pub(crate) fn target(&self) -> String {
        let query = self
            .query
            .as_ref()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        format!("{}://{}{}{query}", self.scheme.text(), self.authority, self.path)
    }

    /// Returns the address with one more parameter, whose value needs no escapes.
    pub(crate) fn with_parameter(&self, name: &str, value: &str) -> Self {
        let query = match &self.query {
            Some(query) if !query.is_empty() => format!("{query}&{name}={value}"),
            _ => format!("{name}={value}"),
        };
        Self {
            query: Some(query),
            ..self.clone()
        }
    }

    /// Returns whether both have the same scheme, host and port: what credentials for one may be sent to the other.
    pub(crate) fn has_origin_of(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.host().eq_ignore_ascii_case(other.host())
            && self.port() == other.port()
    }

    /// Returns the port: the usual one of the scheme, where none is named (RFC 3986, section 6.2.3).
    fn port(&self) -> &str {
        let behind_host = &self.authority[self.authority.rfind(']').unwrap_or_default()..];
        let port = behind_host.split_once(':').map(|(_, port)| port);
        port.filter(|port| !port.is_empty())
            .unwrap_or_else(|| self.scheme.port())
    }

    /// Returns the host, with its port where the URL names one, in small letters.
    pub(crate) fn authority(&self) -> String {
        self.authority.to_ascii_lowercase()
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host without its port.
    pub(crate) fn host(&self) -> &str {
        if let Some(end) = self.authority.find(']') {
            return self.authority[..end].trim_start_matches('[');
        }
        self.authority.split(':').next().unwrap_or_default()
    }

    /// Returns the value of an `Authorization` header, when the URL held credentials.
    pub(crate) fn authorization(&self) -> Option<String> {
        Some(format!("Basic {}", base64(self.credentials.as_ref()?.as_bytes())))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = if self.query.is_some() { "?…" } else { "" };
        write!(
            f,
            "{}://{}{}{query}",
            self.scheme.text(),
            self.authority,
            self.path
        )
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// RFC 4648 base64 with padding, as the `Basic` scheme wants it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let index = (group >> (18 - 6 * position)) & 63;
            text.push(if position <= chunk.len() {
                char::from(ALPHABET[index as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// RFC 4648 base64, with or without padding.
pub(crate) fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut group, mut bits) = (0_u32, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        group = (group << 6 | u32::from(value)) & 0xFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits).to_be_bytes()[3]);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_queries_are_sent_but_never_shown() {
        let address = Address::parse("https://Aladdin:open%20sesame@host:8443/a/b?signature=1#x").unwrap();
        assert_eq!(address.to_string(), "https://host:8443/a/b?…");
        assert_eq!(format!("{address:?}"), "Address(https://host:8443/a/b?…)");
        assert_eq!(address.target(), "https://host:8443/a/b?signature=1");
        assert_eq!(
            address.authorization().unwrap(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(address.host(), "host");
    }

    #[test]
    fn credentials_follow_a_redirect_only_on_the_same_host() {
        let address = Address::parse("https://u:p@host/a/b").unwrap();
        let redirected = |location: &str| address.redirected(location).unwrap();
        assert_eq!(redirected("c").target(), "https://host/a/c");
        assert!(redirected("/c").authorization().is_some());
        assert!(redirected("https://other/c").authorization().is_none());
        assert!(redirected("//host:1/c").authorization().is_none());
        assert!(address.redirected("http://host/c").is_err());
    }

    #[test]
    fn the_usual_port_is_the_same_origin_as_none() {
        let check = |one: &str, other: &str, expected: bool| {
            let parsed = |url| Address::parse(url).unwrap();
            assert_eq!(
                parsed(one).has_origin_of(&parsed(other)),
                expected,
                "{one} {other}"
            );
            assert_eq!(
                parsed(other).has_origin_of(&parsed(one)),
                expected,
                "{one} {other}"
            );
        };
        check("https://host/", "https://HOST:443/x", true);
        check("http://host/", "http://host:80/x", true);
        check("https://[::1]/", "https://[::1]:443/x", true);
        check("https://host:/", "https://host:443/x", true);
        check("https://host/", "https://host:80/x", false);
        check("http://host:443/", "https://host:443/x", false);
        check("https://host:444/", "https://host:443/x", false);
        check("https://[::443]/", "https://[::1]:443/x", false);
    }

    #[test]
    fn a_location_that_names_the_usual_port_keeps_credentials_and_the_name_of_the_host() {
        let check = |from: &str, location: &str, expected: &str| {
            let next = Address::parse(from).unwrap().redirected(location).unwrap();
            assert_eq!(next.target(), expected);
            assert_eq!(next.to_string(), expected);
            assert!(next.authorization().is_some(), "{location}");
        };
        check("https://u:p@host/a", "https://host:443/c", "https://host/c");
        check("https://u:p@host:443/a", "https://host/c", "https://host:443/c");
        check("http://u:p@host/a", "//host:80/c", "http://host/c");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "host/path",
            "ftp://host/",
            "http://",
            "http:///path",
            "http://a b/",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
    }
}
