//! Rust source without its comments and literals, for checks that look at names.

/// Returns `text` with comments and the inside of literals as spaces; lines keep their numbers.
pub(super) fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = code
            .chars()
            .next_back()
            .is_some_and(|last| last.is_alphanumeric() || last == '_');
        if let Some(length) = skipped(rest, after_word) {
            code.extend(
                rest[..length]
                    .chars()
                    .map(|character| if character == '\n' { '\n' } else { ' ' }),
            );
            rest = &rest[length..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

/// Returns the length of the comment or literal that `rest` begins with.
fn skipped(rest: &str, after_word: bool) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if rest.starts_with('"') {
        return Some(string(rest));
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    if after_word { None } else { raw_string(rest) }
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while position < rest.len() {
        let tail = &rest[position..];
        if tail.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (position, character) in rest.char_indices().skip(1) {
        match character {
            '"' if !escaped => return position + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// Tells a character literal from a lifetime, which has no closing quote.
fn character(rest: &str) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1);
    let (_, first) = characters.next()?;
    if first == '\\' {
        let (after, _) = characters.nth(1)?;
        return Some(after + rest[after..].find('\'')? + 1);
    }
    let (position, second) = characters.next()?;
    (second == '\'').then_some(position + 1)
}

/// Raw strings: an `r`, perhaps after `b` or `c`, and as many `#` before as behind.
fn raw_string(rest: &str) -> Option<usize> {
    let marked = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let inside = marked.trim_start_matches('#');
    let hashes = &marked[..marked.len() - inside.len()];
    let inside = inside.strip_prefix('"')?;
    let end = format!("\"{hashes}");
    let opening = rest.len() - inside.len();
    Some(
        inside
            .find(&end)
            .map_or(rest.len(), |position| opening + position + end.len()),
    )
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let code = code_only(text);
        assert_eq!(code.lines().count(), text.lines().count());
        expected.assert_eq(&code.split_whitespace().collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn comments_go() {
        check("a // b\nc /* d /* e */ f */ g /// h", expect!["a c g"]);
    }

    #[test]
    fn strings_go() {
        check(r#"a("b \" // c") + d(b"e") f"#, expect!["a( ) + d(b ) f"]);
    }

    #[test]
    fn raw_strings_go_and_raw_identifiers_stay() {
        check(r##"a r#"b " c"# d br"e\" r#type"##, expect!["a d r#type"]);
    }

    #[test]
    fn characters_go_and_lifetimes_stay() {
        check(
            r"a<'b>('c', '\'', '\u{1F600}', '\\') 'd: loop",
            expect!["a<'b>( , , , ) 'd: loop"],
        );
    }
}
