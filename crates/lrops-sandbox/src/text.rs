//! File names and arguments in JSON: any bytes, legible where they are text.
//!
//! Names are bytes to Linux and JSON has only Unicode. Every byte that is not a printable ASCII character, and `%`
//! itself, is written as `%XX`.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::{Deserialize, Deserializer, Serializer};

/// Serialises a name; for `#[serde(with = …)]`.
pub(crate) fn serialize<S: Serializer>(name: impl AsRef<OsStr>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&escape(name.as_ref()))
}

/// Reads back what [`serialize`] wrote.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: From<OsString>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    unescape(&text)
        .map(T::from)
        .ok_or_else(|| serde::de::Error::custom("expected two hexadecimal digits after %"))
}

/// Returns the name with every unprintable byte as `%XX`.
pub(crate) fn escape(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for &byte in name.as_bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a string succeeds");
        }
    }
    text
}

/// Returns the name that [`escape`] gave the text of.
pub(crate) fn unescape(text: &str) -> Option<OsString> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    Some(OsString::from_vec(bytes))
}

/// The same for a list of names.
pub(crate) mod list {
    use std::ffi::OsString;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Serialises the names.
    pub(crate) fn serialize<S: Serializer>(names: &[OsString], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(names.iter().map(|name| super::escape(name)))
    }

    /// Reads back what [`serialize`] wrote.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OsString>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let names: Option<_> = texts.iter().map(|text| super::unescape(text)).collect();
        names.ok_or_else(|| serde::de::Error::custom("expected two hexadecimal digits after %"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back_as_they_were() {
        for bytes in [
            &b"plain name"[..],
            b"100%",
            b"\xff\xfe\n\t",
            b"",
            "gr\u{fc}n".as_bytes(),
        ] {
            let name = OsStr::from_bytes(bytes);
            assert_eq!(unescape(&escape(name)).as_deref(), Some(name));
        }
        assert_eq!(escape(OsStr::from_bytes(b"a%\xff")), "a%25%FF");
        assert_eq!(unescape("%4"), None);
    }
}
