//! The closed set of instructions.

use super::suggestion::did_you_mean;
use super::{
    Add, Arg, Cmd, Copy, Entrypoint, Env, Expose, From, Healthcheck, Label, Maintainer, Onbuild, Origin, Run,
    Shell, StopSignal, User, Volume, Workdir,
};
use crate::syntax::{Arguments, Fault, Faults, Statement, rules};

const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// An instruction inside a stage. `FROM` is none of them: it opens the stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is documented at its struct")]
pub enum Instruction {
    Add(Add),
    Arg(Arg),
    Cmd(Cmd),
    Copy(Copy),
    Entrypoint(Entrypoint),
    Env(Env),
    Expose(Expose),
    Healthcheck(Healthcheck),
    Label(Label),
    Maintainer(Maintainer),
    Onbuild(Onbuild),
    Run(Run),
    Shell(Shell),
    StopSignal(StopSignal),
    User(User),
    Volume(Volume),
    Workdir(Workdir),
}

impl Instruction {
    /// Returns where the instruction comes from.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Add(add) => &add.origin,
            Self::Arg(arg) => &arg.origin,
            Self::Cmd(cmd) => &cmd.origin,
            Self::Copy(copy) => &copy.origin,
            Self::Entrypoint(entrypoint) => &entrypoint.origin,
            Self::Env(env) => &env.origin,
            Self::Expose(expose) => &expose.origin,
            Self::Healthcheck(healthcheck) => &healthcheck.origin,
            Self::Label(label) => &label.origin,
            Self::Maintainer(maintainer) => &maintainer.origin,
            Self::Onbuild(onbuild) => &onbuild.origin,
            Self::Run(run) => &run.origin,
            Self::Shell(shell) => &shell.origin,
            Self::StopSignal(stop_signal) => &stop_signal.origin,
            Self::User(user) => &user.origin,
            Self::Volume(volume) => &volume.origin,
            Self::Workdir(workdir) => &workdir.origin,
        }
    }
}

/// What a statement means.
pub(super) enum Line {
    /// A stage begins; with faults, it is what could be read of it.
    From(From, Vec<Fault>),
    Instruction(Instruction),
}

impl Line {
    /// Reads a statement; none when its arguments could not be read, which has been reported.
    pub(super) fn read(statement: &Statement) -> Result<Option<Self>, Faults> {
        if matches!(statement.arguments, Arguments::Unreadable) {
            return Ok(None);
        }
        if statement.keyword.text.eq_ignore_ascii_case("from") {
            let (from, faults) = From::read(statement);
            return Ok(Some(Self::From(from, faults)));
        }
        Ok(Some(Self::Instruction(instruction(statement)?)))
    }
}

fn instruction(statement: &Statement) -> Result<Instruction, Faults> {
    Ok(match statement.name().as_str() {
        "ADD" => Instruction::Add(Add::read(statement)?),
        "ARG" => Instruction::Arg(Arg::read(statement)?),
        "CMD" => Instruction::Cmd(Cmd::read(statement)?),
        "COPY" => Instruction::Copy(Copy::read(statement)?),
        "ENTRYPOINT" => Instruction::Entrypoint(Entrypoint::read(statement)?),
        "ENV" => Instruction::Env(Env::read(statement)?),
        "EXPOSE" => Instruction::Expose(Expose::read(statement)?),
        "HEALTHCHECK" => Instruction::Healthcheck(Healthcheck::read(statement)?),
        "LABEL" => Instruction::Label(Label::read(statement)?),
        "MAINTAINER" => Instruction::Maintainer(Maintainer::read(statement)?),
        "ONBUILD" => Instruction::Onbuild(Onbuild::read(statement)?),
        "RUN" => Instruction::Run(Run::read(statement)?),
        "SHELL" => Instruction::Shell(Shell::read(statement)?),
        "STOPSIGNAL" => Instruction::StopSignal(StopSignal::read(statement)?),
        "USER" => Instruction::User(User::read(statement)?),
        "VOLUME" => Instruction::Volume(Volume::read(statement)?),
        "WORKDIR" => Instruction::Workdir(Workdir::read(statement)?),
        _ => return Err(unknown(statement).into()),
    })
}

fn unknown(statement: &Statement) -> Fault {
    let written = statement.keyword.as_str();
    // A suggestion comes in capitals only where the whole word was written so.
    let small = written.to_uppercase() != written;
    let advice = did_you_mean(&statement.name(), &KEYWORDS);
    let advice = advice.map(|advice| if small { advice.to_lowercase() } else { advice });
    Fault::error(
        rules::UNKNOWN_INSTRUCTION,
        format!("unknown instruction: {written}"),
        &statement.keyword.span,
    )
    .advise(advice)
}
