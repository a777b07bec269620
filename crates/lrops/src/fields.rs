//! The `key=value,key=value` texts of Docker's flags, read as Docker reads them: one record of CSV.

use lrops_dockerfile::instruction::suggestion;

/// The fields of one flag's value, in order; keys in small letters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads fields. A field without `=` has the value `true`, as Docker's own flags treat a bare key.
    ///
    /// # Errors
    /// When a quote is not closed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fields = split(text)?.into_iter().map(|field| match field.split_once('=') {
            Some((key, value)) => (key.trim().to_lowercase(), value.to_owned()),
            None => (field.trim().to_lowercase(), "true".to_owned()),
        });
        Ok(Self(fields.collect()))
    }

    /// Takes the last value of a key out.
    pub(crate) fn take(&mut self, key: &str) -> Option<String> {
        let mut taken = None;
        self.0.retain(|(candidate, value)| {
            let keep = candidate != key;
            if !keep {
                taken = Some(value.clone());
            }
            keep
        });
        taken
    }

    /// Takes the value of the first of several names that is there.
    pub(crate) fn take_any(&mut self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.take(key))
    }

    /// Takes all fields whose key begins with `prefix` out, without the prefix.
    pub(crate) fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let (taken, kept) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(key, _)| key.starts_with(prefix));
        self.0 = kept;
        let taken: Vec<(String, String)> = taken;
        taken
            .into_iter()
            .map(|(key, value)| (key[prefix.len()..].to_owned(), value))
            .collect()
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// Names the first field that is left, and the nearest of `known`.
    pub(crate) fn finish(self, known: &[&str]) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => Err(match suggestion(key, known) {
                Some(near) => format!("unknown field {key:?}; did you mean {near}?"),
                None => format!("unknown field {key:?}; known are {}", known.join(", ")),
            }),
        }
    }
}

/// Splits at commas that are outside double quotes; `""` within quotes is one quote.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let last = fields.last_mut().expect("there is always one field");
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                last.push('"');
            }
            '"' if quoted || last.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => last.push(other),
        }
    }
    if quoted {
        return Err(format!("a quote is not closed in {text:?}"));
    }
    fields.retain(|field| !field.is_empty());
    Ok(fields)
}

/// Reads yes and no as Go's flags do.
///
/// # Errors
/// When it is neither.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// Reads a size such as `64m` or `2g` in bytes; units are powers of 1024, as Docker's are.
///
/// # Errors
/// When it is no size.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let error = || format!("{text:?} is no size: write a number with b, k, m, g or t, such as 64m");
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower
        .strip_suffix("ib")
        .or_else(|| lower.strip_suffix('b'))
        .unwrap_or(&lower);
    let digits = lower.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let power = match &lower[digits.len()..] {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(error()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| error())?;
    number.checked_mul(1024_u64.pow(power)).ok_or_else(error)
}

/// Reads a duration such as `90s`, `15m`, `24h` or `7d`, in seconds.
///
/// # Errors
/// When it is no duration.
pub(crate) fn duration_seconds(text: &str) -> Result<i64, String> {
    let error = || format!("{text:?} is no duration: write a number with s, m, h or d, such as 24h");
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(error()),
    };
    let number: u32 = digits.parse().map_err(|_| error())?;
    Ok(i64::from(number) * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_one_record_of_csv() {
        let fields = Fields::parse(r#"type=oci,"dest=a,b",Tar=false,bare,"x=""y""""#).unwrap();
        let expected = [
            ("type", "oci"),
            ("dest", "a,b"),
            ("tar", "false"),
            ("bare", "true"),
            ("x", "\"y\""),
        ];
        assert_eq!(
            fields.0,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        assert!(
            Fields::parse("a=\"b").unwrap().0[0].1.contains('"'),
            "a quote within a field is a character"
        );
        assert!(Fields::parse("\"a=b").is_err());
    }

    #[test]
    fn an_unknown_field_is_named_with_the_nearest_one() {
        let mut fields = Fields::parse("type=oci,dst=x").unwrap();
        assert_eq!(fields.take("type").as_deref(), Some("oci"));
        assert_eq!(
            fields.finish(&["type", "dest"]).unwrap_err(),
            "unknown field \"dst\"; did you mean dest?"
        );
    }

    #[test]
    fn sizes_and_durations_have_units() {
        assert_eq!(bytes("64m"), Ok(64 << 20));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("5"), Ok(5));
        assert!(bytes("5x").is_err() && bytes("").is_err() && bytes("-1").is_err());
        assert_eq!(duration_seconds("24h"), Ok(86_400));
        assert!(duration_seconds("24").is_err());
    }
}
