//! The comma-separated fields of `--mount` and `--device`.

/// Splits one line of comma-separated values by RFC 4180: a field in double quotes may hold commas, and `""` in it is a
/// quote. The error says what is malformed.
pub(super) fn fields(line: &str) -> Result<Vec<String>, &'static str> {
    if line.is_empty() {
        return Err("EOF");
    }
    let mut fields = Vec::new();
    let mut rest = Some(line);
    while let Some(line) = rest {
        let (field, after) = match line.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => plain_field(line)?,
        };
        fields.push(field);
        rest = after;
    }
    Ok(fields)
}

fn plain_field(line: &str) -> Result<(String, Option<&str>), &'static str> {
    let (field, rest) = line
        .split_once(',')
        .map_or((line, None), |(field, rest)| (field, Some(rest)));
    if field.contains('"') {
        return Err("bare \" in non-quoted field");
    }
    Ok((field.to_owned(), rest))
}

fn quoted_field(line: &str) -> Result<(String, Option<&str>), &'static str> {
    let mut field = String::new();
    let mut rest = line;
    loop {
        let (before, after) = rest
            .split_once('"')
            .ok_or("extraneous or missing \" in quoted field")?;
        field.push_str(before);
        if after.is_empty() {
            return Ok((field, None));
        } else if let Some(after) = after.strip_prefix(',') {
            return Ok((field, Some(after)));
        }
        rest = after
            .strip_prefix('"')
            .ok_or("extraneous or missing \" in quoted field")?;
        field.push('"');
    }
}
