//! Flags and the forms of arguments.

use expect_test::expect;

use super::check;

#[test]
fn flags_lose_their_quotes_and_escapes() {
    check(
        "COPY --from=a --x='b c' --y=\"d \\\"e\" --z=f\\ g\\\n --link h /\nRUN --a -b --c\nRUN --a -- --b\nRUN --\nRUN --x=é\\",
        expect![[r#"
            1-2 COPY --from=a --x=b c --y=d "e --z=f g --link | words "h" "/"
            3-3 RUN --a | text "-b --c"
            4-4 RUN --a | text "--b"
            5-5 RUN | nothing
            6-6 RUN --x=é | nothing
        "#]],
    );
}

#[test]
fn json_arrays_of_strings_are_decoded_and_other_brackets_are_text() {
    check(
        "CMD [ \"a\\n\\u00e9\" , \"b,]\" ]\nRUN [\"a\"] b\nRUN [a]\nRUN ['a']\nCOPY [\"a b\", \"c\"]\nCOPY [a, b]\nSHELL []\n\
         VOLUME [\"x\"]\nENTRYPOINT [\"a\",\n",
        expect![[r#"
            1-1 CMD | json "a\né" ← "\"a\\n\\u00e9\"" "b,]" ← "\"b,]\""
            2-2 RUN | text "[\"a\"] b"
            3-3 RUN | text "[a]"
            4-4 RUN | text "['a']"
            5-5 COPY | json "a b" ← "\"a b\"" "c" ← "\"c\""
            6-6 COPY | words "[a," "b]"
            7-7 SHELL | json 
            8-8 VOLUME | json "x" ← "\"x\""
            9-9 ENTRYPOINT | text "[\"a\","
        "#]],
    );
    check(
        "CMD [\"a\", 1]\nRUN [[\"a\"]]\nVOLUME [null]\nHEALTHCHECK CMD [{}]\nONBUILD CMD [true]\n",
        expect![[r#"
        1-1 CMD | unreadable
        2-2 RUN | unreadable
        3-3 VOLUME | unreadable
        4-4 HEALTHCHECK | unreadable
        5-5 ONBUILD | unreadable
        1:5 Error InvalidArguments: when using JSON array syntax, arrays must be comprised of strings only
        2:5 Error InvalidArguments: when using JSON array syntax, arrays must be comprised of strings only
        3:8 Error InvalidArguments: when using JSON array syntax, arrays must be comprised of strings only
        4:17 Error InvalidArguments: when using JSON array syntax, arrays must be comprised of strings only
        5:13 Error InvalidArguments: when using JSON array syntax, arrays must be comprised of strings only
    "#]],
    );
}

#[test]
fn pairs_keep_their_quotes() {
    check(
        "ENV a=1 b=\"2 3\" c='4 \\'d=5\\ 6 e= =7\n",
        expect![[r#"
        1-1 ENV | pairs "a" Equals "1" "b" Equals "\"2 3\"" "c" Equals "'4 \\'d=5\\ 6" "e" Equals "" "" Equals "7"
    "#]],
    );
    check(
        "LABEL a.b  c d=e \nENV x=\"y\nLABEL \"k k\"='v=w'\n",
        expect![[r#"
        1-1 LABEL | pairs "a.b" Legacy "c d=e"
        2-2 ENV | pairs "x" Equals "\"y"
        3-3 LABEL | pairs "\"k k\"" Equals "'v=w'"
    "#]],
    );
    check(
        "ENV a\nENV a=b c\nENV\nLABEL \\\n",
        expect![[r#"
        1-1 ENV | unreadable
        2-2 ENV | unreadable
        3-3 ENV | nothing
        4-4 LABEL | nothing
        1:5 Error InvalidArguments: ENV must have two arguments (write ENV name=value)
        2:9 Error InvalidArguments: Syntax error - can't find = in "c". Must be of the form: name=value (put the value in quotes if it holds spaces)
    "#]],
    );
}

#[test]
fn arguments_keep_their_quotes_too() {
    check(
        "ARG a b=c d=\"e f\" g='h' i=\\ j\nARG\n",
        expect![[r#"
        1-1 ARG | words "a" "b=c" "d=\"e f\"" "g='h'" "i=\\ j"
        2-2 ARG | nothing
    "#]],
    );
}

#[test]
fn healthchecks_have_a_type_and_a_command() {
    check(
        "HEALTHCHECK --interval=5s CMD curl x\nHEALTHCHECK none\nHEALTHCHECK CMD [\"a\", \"b\"]\nHEALTHCHECK\nHEALTHCHECK cmd\n",
        expect![[r#"
            1-1 HEALTHCHECK --interval=5s | CMD "curl x"
            2-2 HEALTHCHECK | none 
            3-3 HEALTHCHECK | CMD "a" ← "\"a\"" "b" ← "\"b\""
            4-4 HEALTHCHECK | nothing
            5-5 HEALTHCHECK | cmd 
        "#]],
    );
}

#[test]
fn triggers_are_statements_in_statements() {
    check(
        "ONBUILD RUN --mount=type=cache,target=/x a \\\n && b\nONBUILD COPY [\"a\", \"b\"]\nONBUILD\nONBUILD ENV x\n\
         ONBUILD ONBUILD ONBUILD ONBUILD ONBUILD ONBUILD RUN x\n",
        expect![[r#"
            1-2 ONBUILD | (RUN --mount=type=cache,target=/x | text "a  && b" ← "a \\\n && b")
            3-3 ONBUILD | (COPY | json "a" ← "\"a\"" "b" ← "\"b\"")
            4-4 ONBUILD | nothing
            5-5 ONBUILD | unreadable
            6-6 ONBUILD | (ONBUILD | (ONBUILD | (ONBUILD | (ONBUILD | unknown))))
            5:13 Error InvalidArguments: ENV must have two arguments (write ENV name=value)
        "#]],
    );
}
