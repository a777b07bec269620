//! Which tags are versions: whoever pulled one must get the same again.

/// Returns whether a tag is a version, `1.2.3` or `v1.2.3`, perhaps of a pre-release (Semantic Versioning 2.0.0). Tags
/// such as `1.2` and `latest` are meant to move.
pub(crate) fn is_version(tag: &str) -> bool {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let (numbers, rest) = match tag.split_once(['-', '_']) {
        Some((numbers, rest)) => (numbers, Some(rest)),
        None => (tag, None),
    };
    let mut count = 0;
    let all_numbers = numbers.split('.').all(|number| {
        count += 1;
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    all_numbers && count == 3 && rest != Some("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_three_numbers() {
        for tag in [
            "1.2.3",
            "v1.2.3",
            "0.0.1",
            "1.2.3-rc.1",
            "10.20.30-dev",
            "1.2.3_build5",
        ] {
            assert!(is_version(tag), "{tag}");
        }
        for tag in [
            "latest",
            "1.2",
            "1",
            "v1",
            "1.2.3.4",
            "1.2.x",
            "1..3",
            "dev-abc123",
            "1.2.3-",
            "vv1.2.3",
            "",
        ] {
            assert!(!is_version(tag), "{tag}");
        }
    }
}
