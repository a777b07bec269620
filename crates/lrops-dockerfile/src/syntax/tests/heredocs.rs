//! Heredocs, and what only looks like one.

use expect_test::expect;

use super::check;

#[test]
fn heredocs_follow_their_instruction_in_order() {
    check(
        "RUN <<A cat <<-'B' 3<<\"C\"\n a\nA\n\tb\n\tB\nc\nC\nUSER x",
        expect![[r#"
        1-7 RUN | text "<<A cat <<-'B' 3<<\"C\""
            0<<A ["expand"] " a\n"
            0<<B ["strip-tabs"] "\tb\n"
            3<<C [] "c\n"
        8-8 USER | text "x"
    "#]],
    );
    check(
        "COPY <<a.txt <<b.txt /to/\n# no comment \\\na.txt\n\nb.txt\nADD --link <<E /\nE\n",
        expect![[r##"
        1-5 COPY | words "<<a.txt" "<<b.txt" "/to/"
            0<<a.txt ["expand"] "# no comment \\\n"
            0<<b.txt ["expand"] "\n"
        6-7 ADD --link | words "<<E" "/"
            0<<E ["expand"] ""
    "##]],
    );
    check(
        "ONBUILD RUN <<E sh\nx\nE\nONBUILD COPY <<E /\ny\nE\nUSER x\n",
        expect![[r#"
        1-3 ONBUILD | (RUN | text "<<E sh")
            0<<E ["expand"] "x\n"
        4-6 ONBUILD | (COPY | words "<<E" "/")
            0<<E ["expand"] "y\n"
        7-7 USER | text "x"
    "#]],
    );
    check(
        "RUN cat \\\n <<E \\\n && true\n x\nE\n",
        expect![[r#"
        1-5 RUN | text "cat  <<E  && true" ← "cat \\\n <<E \\\n && true"
            0<<E ["expand"] " x\n"
    "#]],
    );
}

#[test]
fn some_double_angles_are_no_heredocs() {
    check(
        "RUN cat <<<E\nRUN '<<E'\nRUN \"<<E\"\nRUN echo $((1<<2)) \nE\n2))\nRUN \\<<E\nRUN <<\nRUN [\"<<E\"]\nUSER <<E\nRUN a<<E\n\
         RUN ${x:-<<E}\nRUN ${x@} <<E\nRUN it's <<E\nRUN <<- E\n",
        expect![[r#"
            1-1 RUN | text "cat <<<E"
            2-2 RUN | text "'<<E'"
            3-3 RUN | text "\"<<E\""
            4-4 RUN | text "echo $((1<<2))"
            5-5 E | unknown
            6-6 2)) | unknown
            7-7 RUN | text "\\<<E"
            8-8 RUN | text "<<"
            9-9 RUN | json "<<E" ← "\"<<E\""
            10-10 USER | text "<<E"
            11-11 RUN | text "a<<E"
            12-12 RUN | text "${x:-<<E}"
            13-13 RUN | text "${x@} <<E"
            14-14 RUN | text "it's <<E"
            15-15 RUN | text "<<- E"
        "#]],
    );
}

#[test]
fn an_unterminated_heredoc_is_found_where_it_starts() {
    check(
        "FROM x\nRUN <<A <<B\na\nA\nb\n  B\n",
        expect![[r#"
        1-1 FROM | words "x"
        2-6 RUN | text "<<A <<B"
            0<<A ["expand"] "a\n"
            0<<B ["expand"] "b\n  B\n"
        2:1 Error UnterminatedHeredoc: unterminated heredoc (end it with a line that holds "B" and nothing else)
    "#]],
    );
    check(
        "COPY <<E /",
        expect![[r#"
        1-1 COPY | words "<<E" "/"
            0<<E ["expand"] ""
        1:1 Error UnterminatedHeredoc: unterminated heredoc (end it with a line that holds "E" and nothing else)
    "#]],
    );
}

#[test]
fn a_name_that_cannot_be_read_is_found() {
    check(
        "RUN \"${x:-\\\"}\"<<E\nRUN <<${x:-\\'}\nUSER y\n",
        expect![[r#"
        1-1 RUN | text "\"${x:-\\\"}\"<<E"
        2-2 RUN | text "<<${x:-\\'}"
        3-3 USER | text "y"
        2:1 Error InvalidHeredoc: failed to process "${x:-'}": unexpected end of statement while looking for matching single-quote
    "#]],
    );
}
