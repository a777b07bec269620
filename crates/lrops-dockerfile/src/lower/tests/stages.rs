//! Which stages become steps, and where each starts.

use expect_test::expect;
use lrops_model::graph::Op;
use lrops_model::oci::ImageConfig;

use super::{check, check_inputs, inputs, lower_with};
use crate::instruction::Dockerfile;
use crate::lower::{Lowered, lower};

#[test]
fn a_stage_on_the_build_platform_that_reads_nothing_of_the_target_is_one_step_for_all() {
    check(
        "FROM --platform=$BUILDPLATFORM node AS ui\nCOPY ui .\nRUN build\n\
         FROM --platform=$BUILDPLATFORM golang AS tools\nARG TARGETARCH\nRUN go build $TARGETARCH\n\
         FROM base\nCOPY --from=ui /dist /ui\nCOPY --from=tools /bin/server /bin/\n",
        expect![[r#"
            linux/amd64 | 7 stage-2 1/3 FROM base
            linux/amd64 linux/arm64 | 1 ui 1/3 FROM --platform=$BUILDPLATFORM node AS ui
            linux/amd64 linux/arm64 | 0  0/0 load context context
            linux/amd64 linux/arm64 | 2 ui 2/3 COPY ui .
            linux/amd64 linux/arm64 | 3 ui 3/3 RUN build
            linux/amd64 | 8 stage-2 2/3 COPY --from=ui /dist /ui
            linux/amd64 linux/arm64 | 4 tools 1/2 FROM --platform=$BUILDPLATFORM golang AS tools
            linux/amd64 | 6 tools 2/2 RUN go build amd64
            linux/amd64 | 9 stage-2 3/3 COPY --from=tools /bin/server /bin/
            linux/arm64 | 7 stage-2 1/3 FROM base
            linux/arm64 | 8 stage-2 2/3 COPY --from=ui /dist /ui
            linux/arm64 | 6 tools 2/2 RUN go build arm64
            linux/arm64 | 9 stage-2 3/3 COPY --from=tools /bin/server /bin/
        "#]],
    );
}

#[test]
fn a_stage_that_nothing_needs_is_not_lowered() {
    check(
        "FROM one AS unused\nRUN a\nFROM scratch\nCOPY a b\n",
        expect![[r#"
            linux/amd64 linux/arm64 | 0  0/0 load context context
            linux/amd64 linux/arm64 | 4 stage-1 1/1 COPY a b
        "#]],
    );
}

#[test]
fn stages_are_found_by_name_whatever_its_case_and_by_number() {
    check(
        "FROM scratch AS One\nCOPY a .\nFROM scratch\nCOPY --from=ONE a b\nCOPY --from=0 a b\n",
        expect![[r#"
            linux/amd64 linux/arm64 | 0  0/0 load context context
            linux/amd64 linux/arm64 | 2 One 1/1 COPY a .
            linux/amd64 linux/arm64 | 4 stage-1 1/2 COPY --from=ONE a b
            linux/amd64 linux/arm64 | 5 stage-1 2/2 COPY --from=0 a b
        "#]],
    );
}

#[test]
fn a_stage_that_starts_from_another_goes_on_with_its_environment_and_triggers() {
    check(
        "FROM base AS one\nENV A=1\nONBUILD RUN echo $A\nFROM one\nRUN echo again $A\n",
        expect![[r#"
            linux/amd64 | 1 one 1/1 FROM base AS one
            linux/amd64 | 4 stage-1 1/2 ONBUILD RUN echo 1
            linux/amd64 | 5 stage-1 2/2 RUN echo again 1
            linux/arm64 | 1 one 1/1 FROM base AS one
            linux/arm64 | 4 stage-1 1/2 ONBUILD RUN echo 1
            linux/arm64 | 5 stage-1 2/2 RUN echo again 1
        "#]],
    );
}

#[test]
fn a_linked_copy_does_not_depend_on_the_base() {
    check(
        "FROM base\nCOPY --link a b\n",
        expect![[r#"
            linux/amd64 | 1 stage-0 1/2 FROM base
            linux/amd64 linux/arm64 | 0  0/0 load context context
            linux/amd64 linux/arm64 | 2 stage-0 2/2 COPY --link a b
            linux/amd64 | 2 stage-0 2/2 COPY --link a b
            linux/arm64 | 1 stage-0 1/2 FROM base
            linux/arm64 | 2 stage-0 2/2 COPY --link a b
        "#]],
    );
}

#[test]
fn triggers_of_an_image_run_first_and_stand_where_the_from_does() {
    let mut base = ImageConfig::default();
    base.config.on_build = vec!["COPY --from=tools a b".to_owned(), "RUN x".to_owned()];
    let mut inputs = inputs("FROM scratch AS tools\nCOPY a .\n\nFROM base\nRUN y\n");
    check_inputs(
        &mut inputs,
        &base,
        expect![[r#"
        linux/amd64 | 4 stage-1 1/4 FROM base
        linux/amd64 linux/arm64 | 0  0/0 load context context
        linux/amd64 linux/arm64 | 2 tools 1/1 COPY a .
        linux/amd64 | 4 stage-1 2/4 ONBUILD COPY --from=tools a b
        linux/amd64 | 4 stage-1 3/4 ONBUILD RUN x
        linux/amd64 | 5 stage-1 4/4 RUN y
        linux/arm64 | 4 stage-1 1/4 FROM base
        linux/arm64 | 4 stage-1 2/4 ONBUILD COPY --from=tools a b
        linux/arm64 | 4 stage-1 3/4 ONBUILD RUN x
        linux/arm64 | 5 stage-1 4/4 RUN y
    "#]],
    );
    assert!(
        lower_with(&mut inputs, &base).unwrap().0.images[0]
            .config
            .config
            .on_build
            .is_empty()
    );
}

#[test]
fn triggers_of_a_stage_run_only_in_the_stages_that_start_from_it_directly() {
    check(
        "FROM base AS one\nONBUILD RUN a\nFROM one AS two\nFROM two\nRUN b\n",
        expect![[r#"
            linux/amd64 | 1 one 1/1 FROM base AS one
            linux/amd64 | 3 two 1/1 ONBUILD RUN a
            linux/amd64 | 5 stage-2 1/1 RUN b
            linux/arm64 | 1 one 1/1 FROM base AS one
            linux/arm64 | 3 two 1/1 ONBUILD RUN a
            linux/arm64 | 5 stage-2 1/1 RUN b
        "#]],
    );
}

#[test]
fn what_a_stage_starts_from_is_found_by_its_name_in_small_letters_only() {
    check(
        "FROM scratch AS One\nCOPY a .\nFROM one\nCOPY b .\n",
        expect![[r#"
            linux/amd64 linux/arm64 | 0  0/0 load context context
            linux/amd64 linux/arm64 | 2 One 1/1 COPY a .
            linux/amd64 linux/arm64 | 4 stage-1 1/1 COPY b .
        "#]],
    );
}

#[test]
fn of_stages_with_one_name_the_last_before_counts() {
    check(
        "FROM scratch AS a\nCOPY 1 .\nFROM scratch AS a\nCOPY 2 .\nFROM a\nCOPY --from=a x y\n",
        expect![[r#"
            linux/amd64 linux/arm64 | 0  0/0 load context context
            linux/amd64 linux/arm64 | 4 a 1/1 COPY 2 .
            linux/amd64 linux/arm64 | 6 stage-2 1/1 COPY --from=a x y
        "#]],
    );
}

#[test]
fn a_base_of_another_platform_is_taken_with_a_warning() {
    let mut inputs = inputs("FROM base\nRUN a\n");
    let (dockerfile, _) = Dockerfile::parse(&inputs.text);
    lower_with(&mut inputs, &ImageConfig::default()).unwrap();
    for resolved in inputs.images.values_mut() {
        if let crate::lower::Resolved::Image { config, .. } = resolved {
            config.architecture = "s390x".to_owned();
        }
    }
    let Ok(Lowered::Ready { graph, findings }) = lower(&dockerfile, &inputs) else {
        panic!("it can be lowered")
    };
    assert_eq!(graph.images.len(), 2);
    expect![[r#"
        1: InvalidBaseImagePlatform: Base image base was pulled with platform "linux/s390x", expected "linux/amd64" for current build
        1: InvalidBaseImagePlatform: Base image base was pulled with platform "linux/s390x", expected "linux/arm64" for current build
    "#]].assert_eq(&super::shown_findings(&findings));
}

#[test]
fn a_stage_on_a_named_directory_gives_what_it_made_of_it() {
    let mut inputs = inputs("FROM tree AS one\nRUN a\nFROM scratch\nCOPY --from=one /x /y\n");
    inputs.named_contexts.insert("tree".to_owned());
    check_inputs(
        &mut inputs,
        &ImageConfig::default(),
        expect![[r#"
            linux/amd64 linux/arm64 | 0  0/0 load context tree
            linux/amd64 linux/arm64 | 1 one 1/2 FROM tree AS one
            linux/amd64 | 2 one 2/2 RUN a
            linux/amd64 | 4 stage-1 1/1 COPY --from=one /x /y
            linux/arm64 | 2 one 2/2 RUN a
            linux/arm64 | 4 stage-1 1/1 COPY --from=one /x /y
        "#]],
    );
}

#[test]
fn a_named_context_takes_the_place_of_a_stage_and_of_what_it_needs() {
    let mut inputs = inputs("FROM base AS one\nRUN a\nFROM scratch\nCOPY --from=one /x /y\n");
    inputs.named_contexts.insert("one".to_owned());
    check_inputs(
        &mut inputs,
        &ImageConfig::default(),
        expect![[r#"
            linux/amd64 linux/arm64 | 0  0/0 load context one
            linux/amd64 linux/arm64 | 4 stage-1 1/1 COPY --from=one /x /y
        "#]],
    );
}

#[test]
fn the_spellings_of_a_context_s_name_are_one() {
    let mut inputs = inputs("FROM base AS one\nRUN a\nFROM one\nRUN b\n");
    inputs
        .named_contexts
        .insert("docker.io/library/one:latest".to_owned());
    check_inputs(
        &mut inputs,
        &ImageConfig::default(),
        expect![[r#"
            linux/amd64 | 1 one 1/1 FROM one
            linux/amd64 | 4 stage-1 1/1 RUN b
            linux/arm64 | 1 one 1/1 FROM one
            linux/arm64 | 4 stage-1 1/1 RUN b
        "#]],
    );
}

#[test]
fn no_context_takes_the_place_of_scratch() {
    let mut inputs = inputs("FROM scratch AS context\nCOPY a .\nFROM context\nCOPY b .\n");
    inputs
        .named_contexts
        .extend(["scratch".to_owned(), "context".to_owned()]);
    check_inputs(
        &mut inputs,
        &ImageConfig::default(),
        expect![[r#"
        linux/amd64 linux/arm64 | 0  0/0 load context context
        linux/amd64 linux/arm64 | 2 context 1/1 COPY a .
        linux/amd64 linux/arm64 | 4 stage-1 1/1 COPY b .
    "#]],
    );
}

#[test]
fn all_images_of_a_stage_are_asked_for_at_once() {
    let text = "FROM one\nCOPY --from=two a b\nRUN --mount=from=three,target=/t x\n";
    let (dockerfile, _) = Dockerfile::parse(text);
    let Ok(Lowered::Needs(needs)) = lower(&dockerfile, &inputs(text)) else {
        panic!("images are missing")
    };
    let names: Vec<String> = needs
        .iter()
        .map(|(image, place)| format!("{}: {} for {}", place.line, image.name, image.platform))
        .collect();
    expect![[r#"
        1: one for linux/amd64
        1: one for linux/arm64
        3: three for linux/amd64
        3: three for linux/arm64
        2: two for linux/amd64
        2: two for linux/arm64"#]]
    .assert_eq(&names.join("\n"));
}

#[test]
fn a_mount_names_a_stage_and_never_numbers_it() {
    check(
        "FROM scratch AS zero\nCOPY a .\nFROM base\nRUN --mount=from=0,target=/t x\n",
        expect![[r#"
            linux/amd64 | 3 stage-1 1/2 FROM base
            linux/amd64 | 4 0 0/0 FROM 0
            linux/amd64 | 4 stage-1 2/2 RUN --mount=from=0,target=/t x
            linux/arm64 | 3 stage-1 1/2 FROM base
            linux/arm64 | 4 0 0/0 FROM 0
            linux/arm64 | 4 stage-1 2/2 RUN --mount=from=0,target=/t x
        "#]],
    );
}

#[test]
fn copies_from_an_image_are_the_target_s_in_a_stage_of_the_build_platform() {
    check(
        "FROM --platform=$BUILDPLATFORM base\nCOPY --from=image a b\n",
        expect![[r#"
            linux/amd64 linux/arm64 | 1 stage-0 1/2 FROM --platform=$BUILDPLATFORM base
            linux/amd64 | 2 image 0/0 FROM image
            linux/amd64 | 2 stage-0 2/2 COPY --from=image a b
            linux/arm64 | 2 image 0/0 FROM image
            linux/arm64 | 2 stage-0 2/2 COPY --from=image a b
        "#]],
    );
}

#[test]
fn what_says_nothing_of_a_scratch_base_is_no_step() {
    let text = "FROM scratch\nLABEL a=b\n";
    let (graph, _) = lower_with(&mut inputs(text), &ImageConfig::default()).unwrap();
    assert_eq!((graph.order.len(), graph.images.len()), (0, 2));
    assert_eq!(graph.images[0].root, None);
}

#[test]
fn a_child_sees_the_variables_of_the_config_over_the_arguments_of_its_parent() {
    let text = "FROM base AS one\nENV A=env\nARG A=arg B=b\nFROM one\nRUN x\n";
    let Op::Run(run) = super::last_op(text) else {
        panic!("a RUN was expected")
    };
    let environment: Vec<String> = run
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    expect!["A=env B=b"].assert_eq(&environment[1..].join(" "));
}
