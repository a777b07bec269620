//! Percent encoding, parameters, Base64.

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns the decoded values of a parameter of a query or a form, in order.
pub(crate) fn parameters(query: &str, name: &str) -> Vec<String> {
    let pairs = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    });
    pairs.collect()
}

/// Decodes `%2F` and `+`; what is no encoding stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let digits = text.get(index + 1..index + 3);
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) if byte == b'%' => {
                decoded.push(value);
                index += 3;
            }
            _ => {
                decoded.push(if byte == b'+' { b' ' } else { byte });
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Encodes all but the unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    let letters = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    letters.collect()
}

/// Encodes with padding.
pub(crate) fn base64(text: &str) -> String {
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let byte = |index: usize| chunk.get(index).copied().unwrap_or_default();
        let group = u32::from_be_bytes([0, byte(0), byte(1), byte(2)]);
        for (position, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = char::from(BASE64[(group >> shift & 63) as usize]);
            encoded.push(if position <= chunk.len() { letter } else { '=' });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_to_itself() {
        let text = "a+b/c=d e&f%2F";
        assert_eq!(decode(&encode(text)), text);
        assert_eq!(parameters("x=1&scope=a%3Ab&scope=c+d", "scope"), ["a:b", "c d"]);
        assert_eq!(decode("100%"), "100%");
    }

    #[test]
    fn base64_is_padded() {
        assert_eq!(base64("a:b"), "YTpi");
        assert_eq!(base64("a:bc"), "YTpiYw==");
    }
}
