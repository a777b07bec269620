//! A whole Dockerfile: global arguments, then stages.

use lrops_model::finding::Finding;

use super::flags::ignored_flags;
use super::kinds::Line;
use super::onbuild::parse_trigger;
use super::{Arg, From, HealthcheckTest, Instruction};
use crate::syntax::{Directives, Fault, Faults, LineIndex, Parsed, Statement, parse, rules};

/// A Dockerfile read into typed instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// The parser directives at the top.
    pub directives: Directives,
    /// The `ARG`s before the first `FROM`, which only `FROM` lines see.
    pub global_args: Vec<Arg>,
    /// The stages, in their order.
    pub stages: Vec<Stage>,
}

/// A `FROM` and the instructions up to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The `FROM` that opens it.
    pub from: From,
    /// Its name in small letters; none when it has none.
    pub name: Option<String>,
    /// Its number, from 0.
    pub index: usize,
    /// What a comment line right above that begins with the name says about it.
    pub description: Option<String>,
    /// Its instructions, in their order.
    pub instructions: Vec<Instruction>,
}

impl Dockerfile {
    /// Reads a Dockerfile; the findings come in the order of their places.
    ///
    /// With a finding of severity error, the Dockerfile holds what could be read.
    ///
    /// ```
    /// use lrops_dockerfile::instruction::Dockerfile;
    ///
    /// let (dockerfile, findings) = Dockerfile::parse("FROM scratch AS tools\nCOPPY a b\n");
    /// assert_eq!(dockerfile.stages[0].name.as_deref(), Some("tools"));
    /// assert_eq!(findings[0].message, "unknown instruction: COPPY");
    /// assert_eq!(findings[0].advice.as_deref(), Some("did you mean COPY?"));
    /// ```
    pub fn parse(source: &str) -> (Self, Vec<Finding>) {
        Self::from_parsed(source, parse(source))
    }

    /// Reads the statements of a source; the syntax findings are among those returned.
    pub fn from_parsed(source: &str, parsed: Parsed) -> (Self, Vec<Finding>) {
        let mut reader = Reader {
            dockerfile: Self {
                directives: parsed.directives,
                global_args: Vec::new(),
                stages: Vec::new(),
            },
            faults: Vec::new(),
        };
        for statement in &parsed.statements {
            reader.statement(statement);
        }
        let lines = LineIndex::new(source);
        let mut findings = parsed.findings;
        findings.iter_mut().for_each(name_as_check);
        findings.extend(reader.faults.into_iter().map(|fault| fault.into_finding(&lines)));
        findings.sort_by_key(|finding| finding.place.as_ref().map_or(0, |place| place.span.start));
        (reader.dockerfile, findings)
    }
}

/// The parser's warning quotes the whole instruction; as a check rule it says only what is wrong, as in `BuildKit`.
fn name_as_check(finding: &mut Finding) {
    if finding.rule == rules::NO_EMPTY_CONTINUATION {
        "Empty continuation line".clone_into(&mut finding.message);
    }
}

struct Reader {
    dockerfile: Dockerfile,
    faults: Vec<Fault>,
}

impl Reader {
    fn statement(&mut self, statement: &Statement) {
        match Line::read(statement) {
            Ok(None) => {}
            Ok(Some(Line::From(from, faults))) => {
                self.faults.extend(faults);
                self.open_stage(from);
            }
            Ok(Some(Line::Instruction(instruction))) => {
                self.warn(statement, &instruction);
                self.add(statement, instruction);
            }
            Err(Faults(faults)) => self.faults.extend(faults),
        }
    }

    fn open_stage(&mut self, from: From) {
        let name = from.name.as_ref().map(|name| name.text.to_lowercase());
        self.dockerfile.stages.push(Stage {
            description: name.as_deref().and_then(|name| from.origin.description_of(name)),
            from,
            name,
            index: self.dockerfile.stages.len(),
            instructions: Vec::new(),
        });
    }

    fn add(&mut self, statement: &Statement, instruction: Instruction) {
        match (self.dockerfile.stages.last_mut(), instruction) {
            (Some(stage), instruction) => stage.instructions.push(instruction),
            (None, Instruction::Arg(arg)) => self.dockerfile.global_args.push(arg),
            (None, _) => self.faults.push(
                Fault::error(
                    rules::NO_STAGE,
                    "no build stage in current context",
                    &statement.keyword.span,
                )
                .advise("put a FROM line before it".to_owned()),
            ),
        }
    }

    /// Warns of what the reference lets pass without a word.
    fn warn(&mut self, statement: &Statement, instruction: &Instruction) {
        let takes_none = match instruction {
            Instruction::Arg(_) | Instruction::StopSignal(_) => true,
            Instruction::Healthcheck(healthcheck) => healthcheck.test == HealthcheckTest::Disabled,
            _ => false,
        };
        if takes_none {
            self.faults.extend(ignored_flags(statement));
        }
        if let Instruction::Onbuild(onbuild) = instruction
            && let Err(finding) = parse_trigger(&onbuild.trigger)
        {
            let message = format!(
                "the trigger will fail in every build that starts from this image: {}",
                finding.message
            );
            self.faults.push(
                Fault::warning(rules::INVALID_TRIGGER, message, &statement.span).advise(finding.advice),
            );
        }
    }
}
