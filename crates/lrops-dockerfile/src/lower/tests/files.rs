//! What `COPY`, `ADD` and `WORKDIR` become.

use expect_test::{Expect, expect};
use lrops_model::graph::Op;

use super::{check_errors, inputs, last_op, lower_with};

/// Shows the last `COPY` or `ADD` of the first platform.
fn check_copy(text: &str, expected: Expect) {
    let Op::Copy(copy) = last_op(text) else {
        panic!("a COPY was expected")
    };
    expected.assert_debug_eq(&copy);
}

#[test]
fn flags_and_paths_are_expanded_and_patterns_of_exclude_are_not() {
    check_copy(
        "FROM base\nWORKDIR /w\nARG A=x\nCOPY --chown=$A:1 --chmod=u+$A --exclude=$A $A *.txt $A/\n",
        expect![[r#"
            CopyOp {
                sources: [
                    Path {
                        input: 1,
                        pattern: "x",
                    },
                    Path {
                        input: 1,
                        pattern: "*.txt",
                    },
                ],
                destination: "/w/x/",
                owner: Some(
                    "x:1",
                ),
                mode: Some(
                    "u+x",
                ),
                exclude: [
                    "$A",
                ],
                unpack: false,
                link: false,
                instruction: Copy,
            }
        "#]],
    );
}

#[test]
fn heredocs_come_after_paths_and_keep_their_quotes() {
    check_copy(
        "# escape=`\nFROM base\nARG A=x\nCOPY <<one <<\"two\" path <<-three /d/\n\"$A\" \\$A `$A\none\n$A\ntwo\n\t'${A}'\nthree\n",
        expect![[r#"
            CopyOp {
                sources: [
                    Path {
                        input: 1,
                        pattern: "path",
                    },
                    Inline(
                        InlineFile {
                            name: "one",
                            content: "\"x\" $A `x\n",
                        },
                    ),
                    Inline(
                        InlineFile {
                            name: "two",
                            content: "$A\n",
                        },
                    ),
                    Inline(
                        InlineFile {
                            name: "three",
                            content: "'x'\n",
                        },
                    ),
                ],
                destination: "/d/",
                owner: None,
                mode: None,
                exclude: [],
                unpack: false,
                link: false,
                instruction: Copy,
            }
        "#]],
    );
}

#[test]
fn a_destination_is_a_directory_where_it_says_so() {
    let destination = |path: &str| match last_op(&format!("FROM base\nWORKDIR /w\nCOPY a {path}\n")) {
        Op::Copy(copy) => copy.destination,
        other => panic!("{other:?}"),
    };
    let shown = ["b", "b/", ".", "./", "/b/.", "..", "/"].map(destination);
    expect![[r#"
        [
            "/w/b",
            "/w/b/",
            "/w/",
            "/w/",
            "/b/",
            "/",
            "/",
        ]
    "#]]
    .assert_debug_eq(&shown);
}

#[test]
fn the_history_shows_what_was_copied() {
    let text =
        "FROM base\nARG A=x\nADD --chown=1 --chmod=$A+x a $A /d/\nCOPY <<E b ./\nE\nWORKDIR a\nWORKDIR /\n"
            .replace("$A+x", "a+x");
    let (graph, _) = lower_with(&mut inputs(&text), &lrops_model::oci::ImageConfig::default()).unwrap();
    let history = graph.images[0].history.iter();
    let history: Vec<String> = history
        .map(|entry| {
            format!(
                "{} {}",
                entry.created_by,
                if entry.step.is_some() { "+" } else { "-" }
            )
        })
        .collect();
    expect![[r#"
        ARG A=x -
        ADD --chown=1 --chmod=a+x a x /d/ # buildkit +
        COPY b <<E ./ # buildkit +
        WORKDIR /a +
        WORKDIR / -"#]]
    .assert_eq(&history.join("\n"));
}

#[test]
fn names_that_look_like_addresses_are_paths_where_git_does_not_know_them() {
    check_copy(
        "FROM base\nCOPY github.com/a/b ./x@y:z /d/\n",
        expect![[r#"
        CopyOp {
            sources: [
                Path {
                    input: 1,
                    pattern: "github.com/a/b",
                },
                Path {
                    input: 1,
                    pattern: "./x@y:z",
                },
            ],
            destination: "/d/",
            owner: None,
            mode: None,
            exclude: [],
            unpack: false,
            link: false,
            instruction: Copy,
        }
    "#]],
    );
    check_errors(
        "FROM base\nCOPY ssh://e.org/x me@e.org:x https://e.org/x.git#main:dir /d/\n",
        expect![[r#"
            2: InvalidSource: source can't be a git ref for COPY
               ADD takes a git ref
            2: InvalidSource: source can't be a git ref for COPY
               ADD takes a git ref
            2: InvalidSource: source can't be a git ref for COPY
               ADD takes a git ref
        "#]],
    );
}
