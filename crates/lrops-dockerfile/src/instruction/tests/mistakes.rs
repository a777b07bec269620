//! What is said of statements that mean nothing.

use expect_test::expect;

use super::super::suggestion;
use super::{check, check_file};

#[test]
fn stages_with_mistakes_still_open() {
    check_file(
        "FROM\nRUN a\nFROM a b\nFROM a AS 1\nRUN b\nFROM a IS b\nFROM --plattform=x --y a\n",
        expect![[r#"
            stage 0 from ""
            - RUN shell ["a"] heredocs [] mounts [] network None security Sandbox devices []
            stage 1 from "a"
            stage 2 from "a" name "1"
            - RUN shell ["b"] heredocs [] mounts [] network None security Sandbox devices []
            stage 3 from "a" name "b"
            stage 4 from "a"
            1:1 Error InvalidArguments: FROM requires either one or three arguments
            3:1 Error InvalidArguments: FROM requires either one or three arguments
            4:11 Error InvalidStageName: invalid name for build stage: "1", name can't start with a number or contain symbols
            6:1 Error InvalidArguments: FROM requires either one or three arguments
            7:6 Error UnknownFlag: unknown flag: --plattform (did you mean platform?)
            7:20 Error UnknownFlag: unknown flag: --y
        "#]],
    );
}

#[test]
fn instructions_outside_a_stage_are_mistakes() {
    check_file(
        "ARG A\nRUN a\nFROM scratch\n",
        expect![[r#"
        global ARG "A"=None None 
        stage 0 from "scratch"
        2:1 Error NoStage: no build stage in current context (put a FROM line before it)
    "#]],
    );
}

#[test]
fn unknown_instructions_get_a_suggestion_when_one_is_near() {
    check(
        "FNTRYPOINT a\nrunn b\nCoppy c\nNOTHING d\nADDD e\n",
        expect![[r#"
        2:1 Error UnknownInstruction: unknown instruction: FNTRYPOINT (did you mean ENTRYPOINT?)
        3:1 Error UnknownInstruction: unknown instruction: runn (did you mean run?)
        4:1 Error UnknownInstruction: unknown instruction: Coppy (did you mean copy?)
        5:1 Error UnknownInstruction: unknown instruction: NOTHING
        6:1 Error UnknownInstruction: unknown instruction: ADDD (did you mean ADD?)
    "#]],
    );
    check_file(
        "FROMM scratch\n",
        expect![[r#"
        1:1 Error UnknownInstruction: unknown instruction: FROMM (did you mean FROM?)
    "#]],
    );
}

#[test]
fn missing_and_extra_arguments_are_named() {
    check(
        "LABEL\nADD a\nCOPY\nWORKDIR\nEXPOSE\nVOLUME [\"\"]\nSHELL sh\nSHELL []\nARG =x\nENV =x\nONBUILD\nHEALTHCHECK\n",
        expect![[r#"
        2:1 Error InvalidArguments: LABEL requires at least one argument
        3:1 Error InvalidArguments: ADD requires at least two arguments, but only one was provided. Destination could not be determined
        4:1 Error InvalidArguments: COPY requires at least two arguments, but only one was provided. Destination could not be determined
        5:1 Error InvalidArguments: WORKDIR requires exactly one argument
        6:1 Error InvalidArguments: EXPOSE requires at least one argument
        7:1 Error InvalidArguments: VOLUME specified can not be an empty string
        8:1 Error InvalidArguments: SHELL requires the arguments to be in JSON form (write it as SHELL ["/bin/sh", "-c"])
        9:1 Error InvalidArguments: SHELL requires at least one argument
        10:1 Error InvalidArguments: ARG names can not be blank
        11:1 Error InvalidArguments: ENV names can not be blank
        12:1 Error InvalidArguments: ONBUILD requires at least one argument
        13:1 Error InvalidArguments: HEALTHCHECK requires at least one argument
    "#]],
    );
}

#[test]
fn flags_are_checked_all_at_once() {
    check(
        "COPY --foo --link=maybe --chown --chmod=1 --chmod=2 --parents= --exclude=a --exclude=b a b\n",
        expect![[r#"
        2:6 Error UnknownFlag: unknown flag: --foo (did you mean from?)
        2:12 Error InvalidFlag: expecting boolean value for flag --link, not: maybe
        2:25 Error InvalidFlag: missing a value on flag: --chown
        2:43 Error InvalidFlag: duplicate flag specified: --chmod
        2:53 Error InvalidFlag: missing a value on flag: --parents
    "#]],
    );
    check(
        "WORKDIR --x /\nUSER --mount=a b\nENV --a b=c\nRUN --mont=type=cache true\nADD --from=x a b\n",
        expect![[r#"
        2:9 Error UnknownFlag: unknown flag: --x
        3:6 Error UnknownFlag: unknown flag: --mount
        4:5 Error UnknownFlag: unknown flag: --a
        5:5 Error UnknownFlag: unknown flag: --mont (did you mean mount?)
        6:5 Error UnknownFlag: unknown flag: --from
    "#]],
    );
}

#[test]
fn flags_that_the_reference_ignores_are_warned_of() {
    check(
        "ARG --x A\nSTOPSIGNAL --x 9\nHEALTHCHECK --interval=1s NONE\n",
        expect![[r#"
            - ARG "A"=None None 
            - STOPSIGNAL "9"
            - HEALTHCHECK disabled
            2:5 Warning UnknownFlag: ARG has no flags: --x has no effect
            3:12 Warning UnknownFlag: STOPSIGNAL has no flags: --x has no effect
            4:13 Warning UnknownFlag: HEALTHCHECK has no flags: --interval=1s has no effect
        "#]],
    );
}

#[test]
fn triggers_that_cannot_be_are_found() {
    check(
        "ONBUILD FROM x\nONBUILD MAINTAINER x\nONBUILD ONBUILD RUN x\nONBUILD --x RUN y\n",
        expect![[r#"
        2:9 Error InvalidTrigger: FROM isn't allowed as an ONBUILD trigger
        3:9 Error InvalidTrigger: MAINTAINER isn't allowed as an ONBUILD trigger
        4:9 Error InvalidTrigger: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed
        5:9 Error UnknownFlag: unknown flag: --x
    "#]],
    );
    check(
        "ONBUILD RUUN x\nONBUILD COPY x\n",
        expect![[r#"
            - ONBUILD "RUUN x"
            - ONBUILD "COPY x"
            2:1 Warning InvalidTrigger: the trigger will fail in every build that starts from this image: unknown instruction: RUUN (did you mean RUN?)
            3:1 Warning InvalidTrigger: the trigger will fail in every build that starts from this image: COPY requires at least two arguments, but only one was provided. Destination could not be determined
        "#]],
    );
}

#[test]
fn suggestions_are_at_most_two_edits_away() {
    let options = ["mount", "network", "security"];
    assert_eq!(suggestion("mont", &options), Some("mount"));
    assert_eq!(suggestion("monut", &options), Some("mount"));
    assert_eq!(suggestion("mnt", &options), Some("mount"));
    assert_eq!(suggestion("mt", &options), None);
    assert_eq!(suggestion("mount", &options), None);
}
