//! Lines, comments, directives, positions.

use expect_test::expect;

use super::super::{LINE_SIZE_BYTES_MAX, LineIndex, Position, Word, parse};
use super::{check, shown_word};

#[test]
fn keywords_are_taken_in_any_case_and_arguments_without_their_spaces() {
    check(
        " \tFrom  scratch \t AS\tx \nworkdir  /a b \n",
        expect![[r#"
        1-1 From | words "scratch" "AS" "x"
        2-2 workdir | text "/a b"
    "#]],
    );
}

#[test]
fn a_byte_order_mark_and_carriage_returns_belong_to_no_statement() {
    check(
        "\u{feff}FROM scratch\r\nRUN a \\\r\n  b\r\nCOPY <<E /\r\nx\r\nE\r\n",
        expect![[r#"
        1-1 FROM | words "scratch"
        2-3 RUN | text "a   b" ← "a \\\r\n  b"
        4-6 COPY | words "<<E" "/"
            0<<E ["expand"] "x\r\n"
    "#]],
    );
}

#[test]
fn lines_are_continued_by_a_single_escape_at_their_end() {
    check(
        "RUN a\\\n  b \\ \t\n c\nRUN d \\\\\nRUN e\\\\\\\nRUN f",
        expect![[r#"
        1-3 RUN | text "a  b  c" ← "a\\\n  b \\ \t\n c"
        4-4 RUN | text "d \\\\"
        5-5 RUN | text "e\\\\\\"
        6-6 RUN | text "f"
    "#]],
    );
    check(
        "\\\nFROM \\\n scratch",
        expect![[r#"
        1-3 FROM | words "scratch"
    "#]],
    );
    check(
        "RUN a \\",
        expect![[r#"
        1-1 RUN | text "a"
    "#]],
    );
    check(
        "\\\n",
        expect![[r#"
        1-1  | unknown
    "#]],
    );
}

#[test]
fn comments_between_continued_lines_are_left_out() {
    check(
        "RUN a && \\\n# one\n   # two \\\n b # three\n",
        expect![[r#"
        1-4 RUN | text "a &&  b # three" ← "a && \\\n# one\n   # two \\\n b # three"
    "#]],
    );
}

#[test]
fn an_empty_line_between_continued_lines_is_warned_of() {
    check(
        "FROM x\nRUN a \\\n\n  \\\n \n b\n",
        expect![[r#"
            1-1 FROM | words "x"
            2-6 RUN | text "a    b" ← "a \\\n\n  \\\n \n b"
            6:1 Warning NoEmptyContinuation: Empty continuation line found in: RUN a    b (remove the empty line, or put a # there)
        "#]],
    );
}

#[test]
fn comments_above_are_kept_until_an_empty_one() {
    check(
        "# gone\n#\n# one\n\n  # two\nFROM x\n# three\n",
        expect![[r#"
        6-6 FROM | words "x"
            # one
            # # two
    "#]],
    );
}

#[test]
fn directives_stand_at_the_top() {
    let directives = |source: &str| {
        let directives = parse(source).directives;
        let text = |word: Option<Word>| word.map(|word| shown_word(source, &word));
        format!(
            "{:?} {:?} {:?}",
            text(directives.syntax),
            directives.escape,
            text(directives.check)
        )
    };
    let cases = [
        "# syntax = a/b:1 \n#ESCAPE=`\n# check=skip=all;error=true\nFROM x",
        "#escape=`\n#syntax=a\nFROM x",
        "# a comment\n# escape=`\nFROM x",
        "\n# escape=`\nFROM x",
        "# unknown=1\n# escape=`\nFROM x",
        "FROM x\n# escape=`",
        "# escape=\nFROM x",
    ];
    let read: Vec<String> = cases.into_iter().map(directives).collect();
    expect![[r#"
        Some("\"a/b:1\"") '`' Some("\"skip=all;error=true\"")
        Some("\"a\"") '`' None
        None '\\' None
        None '\\' None
        None '\\' None
        None '\\' None
        None '\\' None"#]]
    .assert_eq(&read.join("\n"));
}

#[test]
fn wrong_directives_are_found_and_the_rest_is_read() {
    check(
        "# escape=x\nFROM a\\\nb",
        expect![[r#"
        2-3 FROM | words "ab" ← "a\\\nb"
        1:10 Error InvalidDirective: invalid escape token 'x' does not match ` or \
    "#]],
    );
    check(
        "# escape=`\n# Escape=\\\nRUN a `\nb",
        expect![[r#"
        3-4 RUN | text "a b" ← "a `\nb"
        2:1 Error InvalidDirective: only one escape parser directive can be used
    "#]],
    );
}

#[test]
fn a_backtick_escapes_and_continues_when_asked_to() {
    check(
        "# escape=`\nFROM x\nRUN dir c:\\\nENV a=b` c d=\\\nCOPY --from=a` b x `\n y\n",
        expect![[r#"
        2-2 FROM | words "x"
        3-3 RUN | text "dir c:\\"
        4-4 ENV | pairs "a" Equals "b` c" "d" Equals "\\"
        5-6 COPY --from=a b | words "x" "y"
    "#]],
    );
}

#[test]
fn a_line_beyond_the_limit_is_a_mistake() {
    let long = "x".repeat(LINE_SIZE_BYTES_MAX - "RUN ".len());
    assert_eq!(parse(&format!("RUN {long}\n")).findings, []);
    let parsed = parse(&format!("RUN {long}x\nUSER y"));
    assert_eq!(
        parsed.findings[0].message,
        "dockerfile line greater than max allowed size of 65535"
    );
    assert_eq!(parsed.statements.len(), 2);
}

#[test]
fn positions_count_lines_and_characters_from_one() {
    let lines = LineIndex::new("aé\nb\n");
    let position = |offset| {
        let Position { line, column } = lines.position(offset);
        (line, column)
    };
    assert_eq!(
        [position(0), position(1), position(2), position(3)],
        [(1, 1), (1, 2), (1, 2), (1, 3)]
    );
    assert_eq!(
        [position(4), position(5), position(6), position(99)],
        [(2, 1), (2, 2), (3, 1), (3, 1)]
    );
}
