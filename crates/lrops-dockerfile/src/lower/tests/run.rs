//! What `RUN` becomes.

use expect_test::expect;
use lrops_model::graph::Op;
use lrops_model::oci::ImageConfig;

use super::{inputs, last_op, lower_with};

#[test]
fn mounts_are_resolved() {
    let text = "FROM scratch AS src\nCOPY a /\nFROM base\nWORKDIR /w\n\
         RUN --mount=type=cache,target=cache,sharing=locked --mount=type=bind,from=src,target=/s,rw \
         --mount=type=tmpfs,target=/t,size=1m --mount=type=secret,id=token,env=TOKEN x\n";
    let (graph, _) = lower_with(&mut inputs(text), &ImageConfig::default()).unwrap();
    let last = graph.step(graph.images[0].root.unwrap());
    let Op::Run(run) = &last.op else {
        panic!("{last:?}")
    };
    expect![[r#"
        [
            RunMount {
                target: "/w/cache",
                kind: Cache {
                    id: "cache",
                    sharing: Locked,
                    initial: None,
                    read_only: false,
                    mode: 493,
                    owner: Owner {
                        uid: 0,
                        gid: 0,
                    },
                },
            },
            RunMount {
                target: "/s",
                kind: Bind {
                    input: 1,
                    source: "/",
                    writable: true,
                },
            },
            RunMount {
                target: "/t",
                kind: Tmpfs {
                    size: 1048576,
                },
            },
            RunMount {
                target: "",
                kind: Secret {
                    id: "token",
                    required: false,
                    variable: Some(
                        "TOKEN",
                    ),
                    as_file: false,
                    mode: 256,
                    owner: Owner {
                        uid: 0,
                        gid: 0,
                    },
                },
            },
        ]
    "#]]
    .assert_debug_eq(&run.mounts);
}

#[test]
fn a_heredoc_is_a_script_for_the_shell_or_a_program_of_its_own() {
    let run = |text: &str| {
        let (graph, _) = lower_with(&mut inputs(text), &ImageConfig::default()).unwrap();
        let Op::Run(run) = graph.step(graph.images[0].root.unwrap()).op.clone() else {
            panic!("a RUN was expected")
        };
        (run.arguments, run.scripts)
    };
    expect![[r##"
        [
            (
                [
                    "/bin/sh",
                    "-c",
                    "echo a\n",
                ],
                [],
            ),
            (
                [
                    "/bin/sh",
                    "-c",
                    "/dev/pipes/EOF",
                ],
                [
                    InlineFile {
                        name: "EOF",
                        content: "#!/usr/bin/python3\nprint(1)\n",
                    },
                ],
            ),
            (
                [
                    "/bin/sh",
                    "-c",
                    "cat <<A >/x && cat <<-B\n1\nA\n\t2\nB",
                ],
                [],
            ),
        ]
    "##]]
    .assert_debug_eq(&[
        run("FROM b\nRUN <<EOF\necho a\nEOF\n"),
        run("FROM b\nRUN <<EOF\n#!/usr/bin/python3\nprint(1)\nEOF\n"),
        run("FROM b\nRUN cat <<A >/x && cat <<-B\n1\nA\n\t2\nB\n"),
    ]);
}

#[test]
fn a_command_runs_in_the_stage_s_shell_directory_and_user() {
    let text = "FROM base\nSHELL [\"/bin/bash\", \"-ec\"]\nWORKDIR /a/../b/\nUSER app:1\nRUN --network=none echo \"$A\"\n";
    let Op::Run(run) = last_op(text) else {
        panic!("a RUN was expected")
    };
    expect![[r#"
        (
            [
                "/bin/bash",
                "-ec",
                "echo \"$A\"",
            ],
            "/b",
            "app:1",
            None,
        )
    "#]]
    .assert_debug_eq(&(run.arguments, run.working_directory, run.user, run.network));
}

#[test]
fn mounts_without_a_target_take_the_working_directory() {
    let text = "FROM base\nWORKDIR /w\nARG T=t\nRUN --mount=type=cache --mount=type=secret,id=a/b --mount=target=$T x\n";
    let Op::Run(run) = last_op(text) else {
        panic!("a RUN was expected")
    };
    expect![[r#"
        [
            RunMount {
                target: "/w",
                kind: Cache {
                    id: ".",
                    sharing: Shared,
                    initial: None,
                    read_only: false,
                    mode: 493,
                    owner: Owner {
                        uid: 0,
                        gid: 0,
                    },
                },
            },
            RunMount {
                target: "/run/secrets/b",
                kind: Secret {
                    id: "a/b",
                    required: false,
                    variable: None,
                    as_file: true,
                    mode: 256,
                    owner: Owner {
                        uid: 0,
                        gid: 0,
                    },
                },
            },
            RunMount {
                target: "/w/t",
                kind: Bind {
                    input: 1,
                    source: "/",
                    writable: false,
                },
            },
        ]
    "#]]
    .assert_debug_eq(&run.mounts);
}
