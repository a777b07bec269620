//! What a command gets, and what becomes of it.

use lrops_sandbox::{Exit, UserSpec};

use crate::Test;
use crate::fixture::{World, words};

pub(crate) const TESTS: &[Test] = &[
    (
        "the_commands_exit_code_comes_back",
        the_commands_exit_code_comes_back,
    ),
    (
        "a_signal_that_ends_the_command_comes_back",
        a_signal_that_ends_the_command_comes_back,
    ),
    (
        "both_outputs_come_apart_and_whole",
        both_outputs_come_apart_and_whole,
    ),
    (
        "the_environment_is_the_one_given_in_its_order",
        the_environment_is_the_one_given_in_its_order,
    ),
    (
        "the_command_starts_in_its_working_directory",
        the_command_starts_in_its_working_directory,
    ),
    (
        "standard_input_is_what_was_given_or_nothing",
        standard_input_is_what_was_given_or_nothing,
    ),
    (
        "a_program_is_found_in_the_path_or_by_its_own",
        a_program_is_found_in_the_path_or_by_its_own,
    ),
    ("new_files_have_the_usual_mode", new_files_have_the_usual_mode),
    (
        "signals_have_their_default_actions",
        signals_have_their_default_actions,
    ),
    ("orphans_are_collected", orphans_are_collected),
];

fn the_commands_exit_code_comes_back(world: &World) {
    for code in [0, 1, 7, 127, 255] {
        assert_eq!(world.shell(&format!("exit {code}")).exit, Exit::Code(code));
    }
}

fn a_signal_that_ends_the_command_comes_back(world: &World) {
    assert_eq!(world.shell("kill -9 $$").exit, Exit::Signal(9));
    assert_eq!(world.shell("kill -TERM $$").exit, Exit::Signal(15));
    assert_eq!(Exit::Signal(9).shell_code(), 137);
}

fn both_outputs_come_apart_and_whole(world: &World) {
    let outcome = world.shell("seq 1 100000; seq 1 50000 >&2; printf end");
    let numbers = |last: u32| {
        (1..=last)
            .map(|number| number.to_string() + "\n")
            .collect::<String>()
    };
    assert!(
        outcome.stdout == numbers(100_000) + "end",
        "{} bytes",
        outcome.stdout.len()
    );
    assert!(
        outcome.stderr == numbers(50_000),
        "{} bytes",
        outcome.stderr.len()
    );
}

fn the_environment_is_the_one_given_in_its_order(world: &World) {
    let outcome = world.run(|spec| {
        spec.arguments = words(&["env"]);
        let pairs = [
            ("ZETA", "1"),
            ("PATH", "/bin"),
            ("ALPHA", "two words"),
            ("EMPTY", ""),
        ];
        spec.environment = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
    });
    assert_eq!(
        outcome.unwrap().stdout,
        "ZETA=1\nPATH=/bin\nALPHA=two words\nEMPTY=\n"
    );
}

fn the_command_starts_in_its_working_directory(world: &World) {
    let outcome = world.shell_with("pwd; ls", |spec| spec.working_directory = "/data/deep".into());
    assert_eq!(outcome.stdout, "/data/deep\nthree\n");
}

fn standard_input_is_what_was_given_or_nothing(world: &World) {
    let outcome = world.shell_with("cat; cat", |spec| spec.input = Some(b"line\n".repeat(100_000)));
    assert_eq!(outcome.stdout.len(), 500_000);
    world.check("cat; echo end", "end\n");
}

fn a_program_is_found_in_the_path_or_by_its_own(world: &World) {
    for program in ["/bin/echo", "echo", "bin/echo"] {
        let outcome = world
            .run(|spec| spec.arguments = words(&[program, "a b", ""]))
            .unwrap();
        assert_eq!(outcome.stdout, "a b \n", "{program}");
    }
}

fn new_files_have_the_usual_mode(world: &World) {
    world.check(
        "touch /tmp/f; mkdir /tmp/d; stat -c %a /tmp/f /tmp/d",
        "644\n755\n",
    );
}

fn signals_have_their_default_actions(world: &World) {
    world.check(
        "grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'",
        "SigBlk:0000000000000000\nSigIgn:0000000000000000\n",
    );
    // A writer whose reader is gone must end.
    world.check(
        "(sleep 0.1; seq 1 100000; echo $? >&2) | true; echo done",
        "done\n",
    );
}

fn orphans_are_collected(world: &World) {
    let script = "for i in $(seq 1 30); do (sleep 0.01 &) ; done; sleep 0.3; ps -o stat,comm | grep -c Z";
    let outcome = world.shell_with(script, |spec| {
        spec.user = UserSpec {
            uid: 0,
            gid: 0,
            supplementary: Vec::new(),
        }
    });
    assert_eq!(outcome.stdout, "0\n");
}
