//! What stages become.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use lrops_model::digest::{DiffId, Digest};
use lrops_model::finding::Finding;
use lrops_model::graph::{Graph, ImageOp, Op, RunNetwork, Step, StepLabel};
use lrops_model::oci::ImageConfig;

use super::{LowerInputs, Lowered, Resolved, lower};
use crate::instruction::Dockerfile;

const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

fn inputs(text: &str) -> LowerInputs {
    LowerInputs {
        file: "Dockerfile".to_owned(),
        text: text.to_owned(),
        target: None,
        platforms: PLATFORMS
            .iter()
            .map(|platform| platform.parse().unwrap())
            .collect(),
        build_platform: "linux/amd64".parse().unwrap(),
        build_args: BTreeMap::new(),
        labels: BTreeMap::new(),
        network: RunNetwork::Host,
        main_context: "context".to_owned(),
        named_contexts: std::collections::BTreeSet::new(),
        images: BTreeMap::new(),
    }
}

/// Lowers, giving every image that is asked for: one layer named after the image and its platform, and this config.
fn lower_with(inputs: &mut LowerInputs, config: &ImageConfig) -> Result<(Graph, Vec<Finding>), Vec<Finding>> {
    let (dockerfile, findings) = Dockerfile::parse(&inputs.text);
    assert_eq!(findings, [], "the test's Dockerfile is read without findings");
    loop {
        match lower(&dockerfile, inputs)? {
            Lowered::Ready { graph, findings } => return Ok((graph, findings)),
            Lowered::Needs(images) => {
                for (image, _) in images {
                    let platform = image.platform.clone();
                    let mut config = config.clone();
                    config.os.clone_from(&platform.os);
                    config.architecture.clone_from(&platform.architecture);
                    config.variant.clone_from(&platform.variant);
                    let mut graph = Graph::default();
                    let op = Op::Image(ImageOp {
                        name: image.name.clone(),
                        manifest: None,
                        layers: Vec::new(),
                        diff_ids: vec![DiffId(Digest::of(format!("{} {platform}", image.name)))],
                    });
                    let step = Step {
                        op,
                        inputs: Vec::new(),
                        label: StepLabel::default(),
                    };
                    let root = Some(graph.add(step, &platform));
                    inputs.images.insert(
                        image,
                        Resolved::Image {
                            config: Box::new(config),
                            graph,
                            root,
                        },
                    );
                }
            }
        }
    }
}

/// Shows the steps in order: for which platforms, which stage, what.
fn check(text: &str, expected: Expect) {
    let (graph, _) = lower_with(&mut inputs(text), &ImageConfig::default()).unwrap();
    let mut shown = String::new();
    for id in &graph.order {
        let label = &graph.step(*id).label;
        let platforms: Vec<String> = label.platforms.iter().map(ToString::to_string).collect();
        shown += &format!(
            "{} | {} {}/{} {}\n",
            platforms.join(" "),
            label.stage,
            label.position,
            label.total,
            label.instruction
        );
    }
    expected.assert_eq(&shown);
}

/// Shows the findings of a Dockerfile that cannot be lowered.
fn check_errors(text: &str, expected: Expect) {
    let findings = lower_with(&mut inputs(text), &ImageConfig::default()).expect_err("it cannot be lowered");
    let mut shown = String::new();
    for finding in findings {
        let line = finding.place.map_or(0, |place| place.line);
        shown += &format!("{line}: {}: {}\n", finding.rule, finding.message);
        shown += &finding
            .advice
            .map(|advice| format!("   {advice}\n"))
            .unwrap_or_default();
    }
    expected.assert_eq(&shown);
}

/// Shows the config of the first platform's image.
fn check_config(text: &str, base: &ImageConfig, expected: Expect) {
    let (graph, _) = lower_with(&mut inputs(text), base).unwrap();
    let config = serde_json::to_string_pretty(&graph.images[0].config.config).unwrap();
    let history: Vec<&str> = graph.images[0]
        .history
        .iter()
        .map(|entry| entry.created_by.as_str())
        .collect();
    expected.assert_eq(&format!("{config}\n{}\n", history.join("\n")));
}

#[test]
fn a_stage_on_the_build_platform_that_reads_nothing_of_the_target_is_one_step_for_all() {
    check(
        "FROM --platform=$BUILDPLATFORM node AS ui\nCOPY ui .\nRUN build\n\
         FROM --platform=$BUILDPLATFORM golang AS tools\nARG TARGETARCH\nRUN go build $TARGETARCH\n\
         FROM base\nCOPY --from=ui /dist /ui\nCOPY --from=tools /bin/server /bin/\n",
        expect![[r#"
            linux/amd64 | stage-2 1/3 FROM base
            linux/amd64 linux/arm64 | ui 1/3 FROM --platform=$BUILDPLATFORM node AS ui
            linux/amd64 linux/arm64 |  0/0 load context context
            linux/amd64 linux/arm64 | ui 2/3 COPY ui .
            linux/amd64 linux/arm64 | ui 3/3 RUN build
            linux/amd64 | stage-2 2/3 COPY --from=ui /dist /ui
            linux/amd64 linux/arm64 | tools 1/2 FROM --platform=$BUILDPLATFORM golang AS tools
            linux/amd64 | tools 2/2 RUN go build amd64
            linux/amd64 | stage-2 3/3 COPY --from=tools /bin/server /bin/
            linux/arm64 | stage-2 1/3 FROM base
            linux/arm64 | stage-2 2/3 COPY --from=ui /dist /ui
            linux/arm64 | tools 2/2 RUN go build arm64
            linux/arm64 | stage-2 3/3 COPY --from=tools /bin/server /bin/
        "#]],
    );
}

#[test]
fn a_stage_that_nothing_needs_is_not_lowered() {
    check(
        "FROM one AS unused\nRUN a\nFROM scratch\nCOPY a b\n",
        expect![[r#"
        linux/amd64 linux/arm64 |  0/0 load context context
        linux/amd64 linux/arm64 | stage-1 1/1 COPY a b
    "#]],
    );
}

#[test]
fn stages_are_found_by_name_whatever_its_case_and_by_number() {
    check(
        "FROM scratch AS One\nCOPY a .\nFROM scratch\nCOPY --from=ONE a b\nCOPY --from=0 a b\n",
        expect![[r#"
        linux/amd64 linux/arm64 |  0/0 load context context
        linux/amd64 linux/arm64 | One 1/1 COPY a .
        linux/amd64 linux/arm64 | stage-1 1/2 COPY --from=ONE a b
        linux/amd64 linux/arm64 | stage-1 2/2 COPY --from=0 a b
    "#]],
    );
}

#[test]
fn a_stage_that_starts_from_another_goes_on_with_its_environment_and_triggers() {
    check(
        "FROM base AS one\nENV A=1\nONBUILD RUN echo $A\nFROM one\nRUN echo again $A\n",
        expect![[r#"
            linux/amd64 | one 1/1 FROM base AS one
            linux/amd64 | stage-1 1/2 ONBUILD RUN echo 1
            linux/amd64 | stage-1 2/2 RUN echo again 1
            linux/arm64 | one 1/1 FROM base AS one
            linux/arm64 | stage-1 1/2 ONBUILD RUN echo 1
            linux/arm64 | stage-1 2/2 RUN echo again 1
        "#]],
    );
}

#[test]
fn a_linked_copy_does_not_depend_on_the_base() {
    check(
        "FROM base\nCOPY --link a b\n",
        expect![[r#"
            linux/amd64 | stage-0 1/2 FROM base
            linux/amd64 linux/arm64 |  0/0 load context context
            linux/amd64 linux/arm64 | stage-0 2/2 COPY --link a b
            linux/amd64 | stage-0 2/2 COPY --link a b
            linux/arm64 | stage-0 1/2 FROM base
            linux/arm64 | stage-0 2/2 COPY --link a b
        "#]],
    );
}

#[test]
fn metadata_ends_up_in_the_config_and_the_history() {
    check_config(
        "FROM base\nARG V=1\nENV A=$V B=\"$A x\"\nLABEL l=$V\nEXPOSE 80 53/udp\nVOLUME /data\nUSER app\nWORKDIR sub\n\
         STOPSIGNAL SIGINT\nSHELL [\"/bin/bash\", \"-c\"]\nHEALTHCHECK --interval=90s CMD true\nCMD run it\nENTRYPOINT [\"/x\"]\n\
         ONBUILD RUN x\nRUN echo\n",
        &ImageConfig::default(),
        expect![[r#"
            {
              "User": "app",
              "ExposedPorts": {
                "53/udp": {},
                "80/tcp": {}
              },
              "Env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "A=1",
                "B= x"
              ],
              "Entrypoint": [
                "/x"
              ],
              "Cmd": [
                "/bin/bash",
                "-c",
                "run it"
              ],
              "Healthcheck": {
                "Test": [
                  "CMD-SHELL",
                  "true"
                ],
                "Interval": 90000000000
              },
              "ArgsEscaped": true,
              "Volumes": {
                "/data": {}
              },
              "WorkingDir": "/sub",
              "OnBuild": [
                "RUN x"
              ],
              "Labels": {
                "l": "1"
              },
              "StopSignal": "SIGINT",
              "Shell": [
                "/bin/bash",
                "-c"
              ]
            }
            ARG V=1
            ENV A=1 B= x
            LABEL l=1
            EXPOSE [53/udp 80/tcp]
            VOLUME [/data]
            USER app
            WORKDIR /sub
            STOPSIGNAL SIGINT
            SHELL [/bin/bash -c]
            HEALTHCHECK {Test:[CMD-SHELL true] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}
            CMD ["/bin/bash" "-c" "run it"]
            ENTRYPOINT ["/x"]
            RUN |1 V=1 /bin/bash -c echo # buildkit
        "#]],
    );
}

#[test]
fn an_entrypoint_resets_the_command_of_the_base_but_not_its_own() {
    let mut base = ImageConfig::default();
    base.config.cmd = Some(vec!["old".to_owned()]);
    check_config(
        "FROM base\nENTRYPOINT [\"/x\"]\n",
        &base,
        expect![[r#"
        {
          "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
          ],
          "Entrypoint": [
            "/x"
          ],
          "WorkingDir": "/"
        }
        ENTRYPOINT ["/x"]
    "#]],
    );
}

#[test]
fn the_command_line_wins_over_defaults_and_globals_are_seen_only_when_declared() {
    let text = "ARG BASE=busybox\nARG G=global\nFROM ${BASE}\nARG G\nARG D=default\nRUN echo $G $D $BASE\n";
    let mut inputs = inputs(text);
    inputs.build_args.insert("D".to_owned(), "given".to_owned());
    let (graph, _) = lower_with(&mut inputs, &ImageConfig::default()).unwrap();
    let last = graph.step(graph.images[0].root.unwrap());
    let Op::Run(run) = &last.op else {
        panic!("{last:?}")
    };
    let environment: Vec<String> = run
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    expect![[r#"
        [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "G=global",
            "D=given",
        ]
    "#]]
    .assert_debug_eq(&environment);
}

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
fn a_name_of_no_reference_gets_advice() {
    check_errors(
        "FROM scratch AS builder\nCOPY a .\nFROM Builder\n",
        expect![[r#"
        3: InvalidFrom: failed to parse stage name "Builder": invalid reference format: "Builder" is no image reference: a repository has lower-case letters and digits, separated by '.', '_', '__' or '-', and components by '/'
           did you mean the stage builder?
    "#]],
    );
}

#[test]
fn several_mistakes_come_out_at_once() {
    check_errors(
        "FROM base AS one\nCOPY --from=5 a b\nCOPY --from=two a b\nSTOPSIGNAL nope\nEXPOSE 80/xyz\nCOPY --chmod=99999 a b\n\
         RUN --mount=type=ssh x\nADD https://example.com/x /\nCOPY ${A:?is needed} /\nFROM one AS two\n",
        expect![[r#"
            2: UnknownStage: invalid stage index 5
            3: UnknownStage: cannot copy from stage "two", it needs to be defined before current stage "one"
               move that stage up
            4: InvalidSignal: invalid signal: nope
               name a signal such as SIGTERM, or its number
            5: InvalidPort: invalid port: "80/xyz"
            6: InvalidChmod: invalid chmod parameter: '99999'. it should be octal string and between 0 and 07777
            7: NotYet: RUN --mount=type=ssh is not supported yet by the embedded engine
            8: NotYet: ADD of a URL source is not supported yet by the embedded engine
            9: InvalidExpansion: failed to process "${A:?is": syntax error: missing '}'
        "#]],
    );
}

#[test]
fn an_unknown_target_names_the_stages() {
    let mut inputs = inputs("FROM scratch AS runtime\nFROM scratch AS tools\n");
    inputs.target = Some("runtim".to_owned());
    let findings = lower_with(&mut inputs, &ImageConfig::default()).unwrap_err();
    expect![[r#"
        [
            Finding {
                rule: "UnknownStage",
                severity: Error,
                message: "target stage \"runtim\" could not be found",
                place: None,
                advice: Some(
                    "did you mean runtime?",
                ),
            },
        ]
    "#]]
    .assert_debug_eq(&findings);
}
