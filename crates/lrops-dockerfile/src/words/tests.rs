#![expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes them when it updates a text"
)]

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const VARIABLES: [(&str, &str); 7] = [
    ("set", "value"),
    ("empty", ""),
    ("two", "a  b"),
    ("path", "/usr/local/bin"),
    ("file", "a.tar.gz"),
    ("stars", "a*b?c"),
    ("hash", "#*/"),
];

fn lookup(name: &str) -> Option<&'static str> {
    VARIABLES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}

fn check(word: &str, expected: Expect) {
    check_with(&Expander::new('\\'), word, expected);
}

#[expect(clippy::needless_pass_by_value, reason = "expect![] is written at the call")]
fn check_with(expander: &Expander, word: &str, expected: Expect) {
    expected.assert_eq(&match expander.expand(word, &lookup) {
        Ok(expanded) => expanded.text,
        Err(error) => format!("{} at byte {}", error.problem, error.offset),
    });
}

#[expect(clippy::needless_pass_by_value, reason = "expect![] is written at the call")]
fn check_words(word: &str, expected: Expect) {
    let expanded = Expander::new('\\').expand_words(word, &lookup).unwrap();
    expected.assert_eq(&expanded.words.join("|"));
}

#[test]
fn a_variable_is_replaced_by_its_value() {
    check("$set", expect!["value"]);
    check("${set}", expect!["value"]);
    check("a${set}b", expect!["avalueb"]);
    check("$set.$set/$set", expect!["value.value/value"]);
    check("$settled", expect![""]);
    check("${two}", expect!["a  b"]);
}

#[test]
fn an_unset_variable_gives_nothing() {
    check("[$nope]", expect!["[]"]);
    check("[${nope}]", expect!["[]"]);
    check("[$empty]", expect!["[]"]);
}

#[test]
fn a_dollar_without_a_name_is_text() {
    check("$", expect!["$"]);
    check("a$ b", expect!["a$ b"]);
    check("$/x", expect!["$/x"]);
    check("\"$\"", expect!["$"]);
}

#[test]
fn special_parameters_and_numbers_are_names() {
    check(
        "[$1$23x][$@][$*][$#][$?][$-][$$][$!][$0]",
        expect!["[x][][][][][][][][]"],
    );
    check("[${1}][${@}]", expect!["[][]"]);
}

#[test]
fn a_name_may_have_letters_of_any_script() {
    check("[$größe]", expect!["[]"]);
    check("[$set–]", expect!["[value–]"]);
    check("[$٣x]", expect!["[x]"]);
}

#[test]
fn a_default_stands_in_for_what_is_unset() {
    check("${set-d}|${empty-d}|${nope-d}", expect!["value||d"]);
    check("${set:-d}|${empty:-d}|${nope:-d}", expect!["value|d|d"]);
    check("${nope:-}", expect![""]);
    check("${nope:-a b'c}'\"d}\"\\}}", expect!["a bc}d}}"]);
}

#[test]
fn an_alternative_stands_in_for_what_is_set() {
    check("${set+a}|${empty+a}|${nope+a}", expect!["a|a|"]);
    check("${set:+a}|${empty:+a}|${nope:+a}", expect!["a||"]);
}

#[test]
fn a_demanded_variable_must_be_there() {
    check("${set?e}|${empty?e}|${set:?e}", expect!["value||value"]);
    check("x${nope?}", expect!["nope: is not allowed to be unset at byte 1"]);
    check(
        "x${empty:?}",
        expect!["empty: is not allowed to be empty at byte 1"],
    );
    check("x${nope:?give $set}", expect!["nope: give value at byte 1"]);
}

#[test]
fn modifiers_nest() {
    check("${nope:-${nope2:-${set}}}", expect!["value"]);
    check("${set:+-${nope:-${empty:-x}}}", expect!["-x"]);
    check("${path##${nope:-*}/}", expect!["bin"]);
}

#[test]
fn the_beginning_is_trimmed_by_a_pattern() {
    check("${path#/}", expect!["usr/local/bin"]);
    check("${path#*/}", expect!["usr/local/bin"]);
    check("${path##*/}", expect!["bin"]);
    check("${path#?u}", expect!["sr/local/bin"]);
    check("${path#usr}", expect!["/usr/local/bin"]);
    check("${path#}", expect!["/usr/local/bin"]);
    check(
        "${stars#a\\*}|${stars#*\\?}|${stars##*\\}}",
        expect!["b?c|c|a*b?c"],
    );
    check("${nope#x}", expect![""]);
}

#[test]
fn the_end_is_trimmed_by_a_pattern() {
    check("${file%.*}", expect!["a.tar"]);
    check("${file%%.*}", expect!["a"]);
    check("${path%/*}", expect!["/usr/local"]);
    check("${path%bin}", expect!["/usr/local/"]);
    check("${path%i?}", expect!["/usr/local/b"]);
    check("${path%usr}", expect!["/usr/local/bin"]);
    check("${stars%\\?c}|${stars%%\\**}", expect!["a*b|a"]);
}

#[test]
fn a_doubled_sign_may_come_from_a_variable() {
    check("${path#$hash}", expect!["bin"]);
}

#[test]
fn a_pattern_is_replaced_once_or_everywhere() {
    check("${path/\\//-}", expect!["-usr/local/bin"]);
    check("${path//\\//-}", expect!["-usr-local-bin"]);
    check("${file/.*/}", expect!["a"]);
    check("${file//?/x}", expect!["xxxxxxxx"]);
    check("${file/nope/x}", expect!["a.tar.gz"]);
    check("${set/$empty/x}|${set//$empty/x}", expect!["xvalue|xvxaxlxuxex"]);
    check("${nope/a/b}", expect![""]);
}

#[test]
fn a_dollar_in_a_replacement_is_text() {
    check("${file//./'$1'}", expect!["a$1tar$1gz"]);
}

#[test]
fn a_pattern_must_be_readable() {
    check(
        "${path#\\x}",
        expect![[r#"invalid pattern (\x) in substitution at byte 0"#]],
    );
    check(
        "${path%a\\b}",
        expect![[r#"invalid pattern (a\b) in substitution at byte 0"#]],
    );
    check_with(
        &Expander::new('`'),
        "${path#a\\}",
        expect![[r#"invalid pattern (a\) in substitution at byte 0"#]],
    );
}

#[test]
fn single_quotes_keep_all() {
    check("'$set \\ \"'", expect![[r#"$set \ ""#]]);
    check("a'b'c", expect!["abc"]);
    check("''", expect![""]);
}

#[test]
fn double_quotes_keep_all_but_variables_and_escapes() {
    check("\"$set '$two'\"", expect!["value 'a  b'"]);
    check(r#""\$set \" \\ \a \'""#, expect![[r#"$set " \ \a \'"#]]);
    check("\"${nope:-\"x\"}\"", expect!["x"]);
}

#[test]
fn an_escape_makes_the_next_character_text() {
    check(r#"\$set \\ \' \" \a"#, expect![[r#"$set \ ' " a"#]]);
    check(r"end\", expect!["end"]);
    check(r"\${set}", expect!["${set}"]);
}

#[test]
fn the_escape_character_can_be_a_backquote() {
    check_with(
        &Expander::new('`'),
        r"`$set c:\dir\$set ``",
        expect![[r#"$set c:\dir\value `"#]],
    );
    check_with(&Expander::new('`'), r#""`$set \ `"""#, expect![[r#"$set \ ""#]]);
}

#[test]
fn a_heredoc_sign_keeps_the_blanks_after_it() {
    check("cat << EOF", expect!["cat << EOF"]);
    check_words("cat <<  EOF < x", expect!["cat|<<  EOF|<|x"]);
}

#[test]
fn mistakes_are_located() {
    check("ab${", expect!["syntax error: missing '}' at byte 2"]);
    check("ab${set", expect!["syntax error: missing '}' at byte 2"]);
    check("ab${set:", expect!["syntax error: missing '}' at byte 2"]);
    check("ab${set:-x", expect!["syntax error: missing '}' at byte 2"]);
    check("ab${set:-'x}", expect!["syntax error: missing '}' at byte 2"]);
    check(
        "ab${set/x}",
        expect!["syntax error: missing '/' in ${} at byte 2"],
    );
    check("ab${set/x/y", expect!["syntax error: missing '}' at byte 2"]);
    check("ab${}", expect!["syntax error: bad substitution at byte 2"]);
    check("ab${:-x}", expect!["syntax error: bad substitution at byte 2"]);
    check("ab${{x}}", expect!["syntax error: bad substitution at byte 2"]);
    check(
        "ab${set.x}",
        expect!["unsupported modifier (.) in substitution at byte 7"],
    );
    check(
        "ab${set:=x}",
        expect!["unsupported modifier (:=) in substitution at byte 2"],
    );
    check(
        "ab${set:#x}",
        expect!["unsupported modifier (:#) in substitution at byte 7"],
    );
    check(
        "ab${nope:-${nope?}}",
        expect!["nope: is not allowed to be unset at byte 10"],
    );
    check(
        "ä'b",
        expect!["unexpected end of statement while looking for matching single-quote at byte 2"],
    );
    check(
        "ä\"b",
        expect!["unexpected end of statement while looking for matching double-quote at byte 2"],
    );
}

#[test]
fn quotes_can_be_kept() {
    let keep = Expander {
        quotes: Quotes::Keep,
        ..Expander::new('\\')
    };
    check_with(&keep, r#"'$set' "$set" \""#, expect![[r#"'$set' "value" ""#]]);
}

#[test]
fn quotes_can_be_ordinary() {
    let ordinary = Expander {
        quotes: Quotes::Ordinary,
        ..Expander::new('\\')
    };
    check_with(&ordinary, r#"'$set "it's"#, expect![[r#"'value "it's"#]]);
}

#[test]
fn escapes_can_be_kept() {
    let keep = Expander {
        escapes: Escapes::Keep,
        ..Expander::new('\\')
    };
    check_with(
        &keep,
        r#"\$set \a "\$" ${nope-\x} \"#,
        expect![[r#"\$set \a \$ x \"#]],
    );
    // An escape before a character that needs none between quotes is doubled, as in BuildKit.
    check_with(&keep, r#""\a""#, expect![[r#"\\a"#]]);
}

#[test]
fn unset_variables_can_be_kept() {
    let keep = Expander {
        unset: UnsetVariables::Keep,
        ..Expander::new('\\')
    };
    check_with(&keep, "$nope ${nope} $set", expect!["$nope ${nope} value"]);
    check_with(
        &keep,
        "${nope:-$set} ${nope?x} ${nope:=x} ${nope%%x}",
        expect!["${nope:-value} ${nope?x} ${nope:=x} ${nope%%x}"],
    );
    check_with(
        &keep,
        "${nope/a/b} ${nope//a/$set}",
        expect!["${nope/a/b} ${nope//a/value}"],
    );
}

#[test]
fn words_end_at_white_space_that_is_not_quoted() {
    check_words("a b\tc\n d ", expect!["a|b|c|d"]);
    check_words("'a b' \"c d\"e f\\ g", expect!["a b|c de|f g"]);
    check_words("$two x$two", expect!["a|b|xa|b"]);
    check_words("\"$two\"", expect!["a  b"]);
    check_words("'' \"\" $empty", expect![""]);
}

#[test]
fn text_before_a_modifier_is_lost_when_words_are_split() {
    check_words("8${nope:-0}80", expect!["080"]);
    check_words("a 8\"${nope:-0}80\"", expect!["a|080"]);
    check_words("8${set}80", expect!["8value80"]);
}

#[test]
fn what_was_read_is_known() {
    let expanded = Expander::new('\\')
        .expand("$set ${empty:-$nope} ${set:-$two} '$x' \\$y", &lookup)
        .unwrap();
    expect![[r#"
        (
            {
                "empty",
                "set",
                "two",
            },
            {
                "nope",
            },
        )
    "#]]
    .assert_debug_eq(&(expanded.used, expanded.unset));
}

#[test]
fn the_names_of_a_word_need_no_values() {
    let names = Expander::new('\\')
        .variables("$a ${b:?$c} ${d#$e} ${f//$g/$h} '$i'")
        .unwrap();
    assert_eq!(names.into_iter().collect::<String>(), "abcdefgh");
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("{}{}", "${x-".repeat(depth), "}".repeat(depth));
    let expander = Expander::new('\\');
    assert!(expander.expand(&nested(NESTING_MAX), &lookup).is_ok());
    let error = expander.expand(&nested(NESTING_MAX + 1), &lookup).unwrap_err();
    assert_eq!(error.problem, WordProblem::TooDeep);
}

#[test]
fn the_size_of_the_result_is_limited() {
    let half = "x".repeat(EXPANDED_SIZE_BYTES_MAX / 2 - 1);
    let lookup = |_: &str| Some(half.as_str());
    let expander = Expander::new('\\');
    assert!(expander.expand("$a$a", &lookup).is_ok());
    assert_eq!(
        expander.expand("$a$a$a", &lookup).unwrap_err().problem,
        WordProblem::TooLarge
    );
    assert!(expander.expand_words("$a $a", &lookup).is_ok());
    assert_eq!(
        expander.expand_words("$a $a $a", &lookup).unwrap_err().problem,
        WordProblem::TooLarge
    );
    assert_eq!(
        expander.expand("${a//x/123}", &lookup).unwrap_err().problem,
        WordProblem::TooLarge
    );
}

#[test]
fn an_error_names_the_word_and_its_cause() {
    let error = Expander::new('\\').expand("a${", &lookup).unwrap_err();
    assert_eq!(error.to_string(), "failed to process \"a${\"");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "syntax error: missing '}'");
}

proptest! {
    #[test]
    fn no_word_makes_expansion_panic(
        word in r#"([a-zä ]|[$\\`'"/]|\$\{|[{}#%:?*<.+-]|set|two){0,24}"#,
        escape in prop::sample::select(vec!['\\', '`']),
        quotes in prop::sample::select(vec![Quotes::Remove, Quotes::Keep, Quotes::Ordinary]),
        escapes in prop::sample::select(vec![Escapes::Remove, Escapes::Keep]),
        unset in prop::sample::select(vec![UnsetVariables::Empty, UnsetVariables::Keep]),
    ) {
        let expander = Expander { escape, quotes, escapes, unset };
        match (expander.expand(&word, &lookup), expander.expand_words(&word, &lookup)) {
            (Ok(text), Ok(words)) => prop_assert_eq!((text.used, text.unset), (words.used, words.unset)),
            (Err(one), Err(other)) => {
                prop_assert!(word.is_char_boundary(one.offset));
                prop_assert_eq!(one, other);
            }
            (one, other) => prop_assert!(false, "{one:?} and {other:?}"),
        }
    }

    #[test]
    fn trimming_agrees_with_trying_every_end(value in "[ab.]{0,8}", pattern in "[ab.?*]{0,5}") {
        let ends = |shortest: bool, matching: &dyn Fn(usize) -> bool| {
            let mut ends: Vec<usize> = (0..=value.len()).filter(|&end| matching(end)).collect();
            if !shortest { ends.reverse(); }
            ends.first().copied()
        };
        let lookup_value = BTreeMap::from([("v", value.as_str()), ("p", pattern.as_str())]);
        let expand = |word: &str| Expander::new('\\').expand(word, &|name| lookup_value.get(name).copied()).unwrap().text;
        for (shortest, start, end) in [(true, "${v#$p}", "${v%$p}"), (false, "${v##$p}", "${v%%$p}")] {
            let head = ends(shortest, &|length| simple_match(pattern.as_bytes(), &value.as_bytes()[..length]));
            prop_assert_eq!(expand(start), &value[head.unwrap_or(0)..]);
            let tail = ends(shortest, &|length| simple_match(pattern.as_bytes(), &value.as_bytes()[value.len() - length..]));
            prop_assert_eq!(expand(end), &value[..value.len() - tail.unwrap_or(0)]);
        }
    }
}

/// What a pattern without escapes means, said as simply as can be.
fn simple_match(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|taken| simple_match(rest, &text[taken..])),
        [b'?', rest @ ..] => !text.is_empty() && simple_match(rest, &text[1..]),
        [literal, rest @ ..] => text.first() == Some(literal) && simple_match(rest, &text[1..]),
    }
}
