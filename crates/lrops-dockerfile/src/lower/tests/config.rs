//! What ends up in the config and the history.

use expect_test::expect;
use lrops_model::graph::Op;
use lrops_model::oci::ImageConfig;

use super::{check_config, inputs, last_op, lower_with};

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
              ]
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
fn a_stage_takes_over_what_the_base_says() {
    let mut base = ImageConfig {
        author: "someone".to_owned(),
        ..ImageConfig::default()
    };
    base.config.env = vec!["A=1".to_owned(), "PATH=/bin".to_owned(), "B=2".to_owned()];
    base.config.working_dir = "/w".to_owned();
    base.config.user = "app".to_owned();
    base.config.shell = Some(vec!["/bin/bash".to_owned(), "-c".to_owned()]);
    base.config.stop_signal = "SIGINT".to_owned();
    base.config.labels.insert("l".to_owned(), "1".to_owned());
    check_config(
        "FROM base\nENV B=3 PATH=$PATH:/x\nWORKDIR sub\nCMD a \"b\"\n",
        &base,
        expect![[r#"
            {
              "User": "app",
              "Env": [
                "A=1",
                "PATH=/bin:/x",
                "B=3"
              ],
              "Cmd": [
                "/bin/bash",
                "-c",
                "a \"b\""
              ],
              "ArgsEscaped": true,
              "WorkingDir": "/w/sub",
              "Labels": {
                "l": "1"
              },
              "StopSignal": "SIGINT",
              "Shell": [
                "/bin/bash",
                "-c"
              ]
            }
            ENV B=3 PATH=/bin:/x
            WORKDIR /w/sub
            CMD ["/bin/bash" "-c" "a \"b\""]
        "#]],
    );
}

#[test]
fn a_base_without_a_working_directory_stays_without_one() {
    check_config(
        "FROM base\nWORKDIR a/\nWORKDIR /b/\n",
        &ImageConfig::default(),
        expect![[r#"
            {
              "Env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
              ],
              "WorkingDir": "/b/"
            }
            WORKDIR /a
            WORKDIR /b/
        "#]],
    );
    check_config(
        "FROM base\n",
        &ImageConfig::default(),
        expect![[r#"
        {
          "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
          ]
        }

    "#]],
    );
}

#[test]
fn an_empty_command_is_none() {
    let mut base = ImageConfig::default();
    base.config.cmd = Some(vec!["old".to_owned()]);
    base.config.entrypoint = Some(vec!["old".to_owned()]);
    check_config(
        "FROM base\nCMD []\nENTRYPOINT []\n",
        &base,
        expect![[r#"
        {
          "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
          ],
          "ArgsEscaped": true
        }
        CMD []
        ENTRYPOINT []
    "#]],
    );
}

#[test]
fn the_names_of_arguments_are_not_expanded_and_some_are_no_variables() {
    let text = "ARG $X=global\nFROM base\nARG N=name\nARG $N=1 BUILDKIT_SBOM_SCAN_STAGE=true\nRUN x\n";
    let Op::Run(run) = last_op(text) else {
        panic!("a RUN was expected")
    };
    expect![[r#"
        [
            (
                "N",
                "name",
            ),
            (
                "$N",
                "1",
            ),
        ]
    "#]]
    .assert_debug_eq(&run.environment[1..].to_vec());
}

#[test]
fn platform_arguments_are_seen_when_declared_and_can_be_given() {
    let text = "FROM scratch AS out\nARG BUILDPLATFORM TARGETPLATFORM TARGETVARIANT TARGETSTAGE TARGETARCH\n";
    let mut inputs = inputs(text);
    inputs.platforms = vec!["linux/arm/v7".parse().unwrap()];
    inputs
        .build_args
        .insert("TARGETARCH".to_owned(), "given".to_owned());
    let (graph, _) = lower_with(&mut inputs, &ImageConfig::default()).unwrap();
    expect!["ARG BUILDPLATFORM=linux/amd64 TARGETPLATFORM=linux/arm/v7 TARGETVARIANT=v7 TARGETSTAGE=out TARGETARCH=given"].assert_eq(&graph.images[0].history[0].created_by);
}

#[test]
fn the_base_s_variant_and_version_stay_where_the_target_says_nothing() {
    let platform_of = |architecture: &str| {
        let mut inputs = inputs("FROM base\n");
        inputs.platforms = vec!["linux/amd64".parse().unwrap()];
        lower_with(&mut inputs, &ImageConfig::default()).unwrap();
        for resolved in inputs.images.values_mut() {
            if let crate::lower::Resolved::Image { config, .. } = resolved {
                config.architecture = architecture.to_owned();
                config.variant = Some("v3".to_owned());
                config.os_version = Some("1.2".to_owned());
            }
        }
        let (graph, _) = lower_with(&mut inputs, &ImageConfig::default()).unwrap();
        let config = &graph.images[0].config;
        format!("{} {:?}", config.platform(), config.os_version)
    };
    expect![[r#"linux/amd64/v3 Some("1.2")"#]].assert_eq(&platform_of("amd64"));
    expect!["linux/amd64 None"].assert_eq(&platform_of("riscv64"));
}

#[test]
fn labels_of_the_command_line_come_last() {
    let mut inputs = inputs("FROM scratch\nLABEL a=1 b=$X\n");
    inputs.labels.insert("a".to_owned(), "2".to_owned());
    let (graph, _) = lower_with(&mut inputs, &ImageConfig::default()).unwrap();
    expect![[r#"
        {
            "a": "2",
            "b": "",
        }
    "#]]
    .assert_debug_eq(&graph.images[0].config.config.labels);
}

#[test]
fn healthchecks_and_exposed_ranges_are_shown_in_the_history() {
    check_config(
        "FROM base\nHEALTHCHECK NONE\nHEALTHCHECK --retries=3 --timeout=1500ms CMD [\"a\", \"b\"]\nARG P=9\nEXPOSE 8000-8001/TCP $P\n",
        &ImageConfig::default(),
        expect![[r#"
            {
              "ExposedPorts": {
                "8000/tcp": {},
                "8001/tcp": {},
                "9/tcp": {}
              },
              "Env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
              ],
              "Healthcheck": {
                "Test": [
                  "CMD",
                  "a",
                  "b"
                ],
                "Timeout": 1500000000,
                "Retries": 3
              }
            }
            HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}
            HEALTHCHECK {Test:[CMD a b] Interval:0s Timeout:1.5s StartPeriod:0s StartInterval:0s Retries:3}
            ARG P=9
            EXPOSE [9/tcp 8000/tcp 8001/tcp]
        "#]],
    );
}
