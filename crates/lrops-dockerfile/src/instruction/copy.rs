//! `COPY` and `ADD`

use super::Origin;
use super::flags::{Flags, Known, Takes};
use crate::syntax::{Fault, Faults, Heredoc, Statement, Word, rules};

const COPY_FLAGS: Known = &[
    ("from", Takes::Value),
    ("chown", Takes::Value),
    ("chmod", Takes::Value),
    ("link", Takes::Switch),
    ("parents", Takes::Switch),
    ("exclude", Takes::Values),
];

const ADD_FLAGS: Known = &[
    ("chown", Takes::Value),
    ("chmod", Takes::Value),
    ("link", Takes::Switch),
    ("exclude", Takes::Values),
    ("checksum", Takes::Value),
    ("keep-git-dir", Takes::Switch),
    ("unpack", Takes::Switch),
];

/// `COPY [flags] source … destination`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Where it comes from.
    pub origin: Origin,
    /// What is copied, in the order written.
    pub sources: Vec<Source>,
    /// Where to, to be expanded.
    pub destination: Word,
    /// The stage, context or image to copy from; variables are not allowed.
    pub from: Option<Word>,
    /// The owner of the copies, to be expanded.
    pub chown: Option<Word>,
    /// The mode of the copies, to be expanded.
    pub chmod: Option<Word>,
    /// Whether the copy is a layer that does not depend on those below.
    pub link: bool,
    /// Whether the directories above each source are kept.
    pub parents: bool,
    /// Patterns of what is left out; not expanded.
    pub excludes: Vec<Word>,
}

/// `ADD [flags] source … destination`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// Where it comes from.
    pub origin: Origin,
    /// What is added, in the order written: paths, URLs, git repositories, heredocs.
    pub sources: Vec<Source>,
    /// Where to, to be expanded.
    pub destination: Word,
    /// The owner of what is added, to be expanded.
    pub chown: Option<Word>,
    /// The mode of what is added, to be expanded.
    pub chmod: Option<Word>,
    /// The digest that a remote source must have, to be expanded.
    pub checksum: Option<Word>,
    /// Whether the addition is a layer that does not depend on those below.
    pub link: bool,
    /// Whether the `.git` directory of a git source is kept; none when not said.
    pub keep_git_directory: Option<bool>,
    /// Whether archives are unpacked; none when not said.
    pub unpack: Option<bool>,
    /// Patterns of what is left out; not expanded.
    pub excludes: Vec<Word>,
}

/// What `COPY` and `ADD` take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path, pattern or URL, to be expanded.
    Path(Word),
    /// A file whose content stands in the Dockerfile.
    Inline(InlineFile),
}

/// A file whose content stands in the Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineFile {
    /// Its name: the heredoc's.
    pub name: String,
    /// Its content, without leading tabs if `<<-` asked for that.
    pub content: String,
    /// Whether variables in the content are expanded; quotes in it stay.
    pub expand: bool,
    /// Where the `<<NAME` stands.
    pub place: Word,
}

impl Copy {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        let (sources, destination) = sources_and_destination(statement)?;
        let flags = Flags::read(statement, COPY_FLAGS)?;
        check_destination(statement, &destination)?;
        Ok(Self {
            origin: Origin::of(statement),
            sources,
            destination,
            from: flags.value("from"),
            chown: flags.value("chown"),
            chmod: flags.value("chmod"),
            link: flags.switch("link") == Some(true),
            parents: flags.switch("parents") == Some(true),
            excludes: flags.values("exclude"),
        })
    }
}

impl Add {
    pub(super) fn read(statement: &Statement) -> Result<Self, Faults> {
        let (sources, destination) = sources_and_destination(statement)?;
        let flags = Flags::read(statement, ADD_FLAGS)?;
        check_destination(statement, &destination)?;
        Ok(Self {
            origin: Origin::of(statement),
            sources,
            destination,
            chown: flags.value("chown"),
            chmod: flags.value("chmod"),
            checksum: flags.value("checksum"),
            link: flags.switch("link") == Some(true),
            keep_git_directory: flags.switch("keep-git-dir"),
            unpack: flags.switch("unpack"),
            excludes: flags.values("exclude"),
        })
    }
}

fn sources_and_destination(statement: &Statement) -> Result<(Vec<Source>, Word), Fault> {
    match statement.arguments.words() {
        [sources @ .., destination] if !sources.is_empty() => {
            let sources = sources
                .iter()
                .map(|word| source(word, &statement.heredocs))
                .collect();
            Ok((sources, destination.clone()))
        }
        _ => Err(statement.wrong_arguments(
            "requires at least two arguments, but only one was provided. Destination could not be determined",
        )),
    }
}

fn source(word: &Word, heredocs: &[Heredoc]) -> Source {
    let Ok(Some(heredoc)) = Heredoc::from_word(&word.text) else {
        return Source::Path(word.clone());
    };
    // The name decides, and of equal names the last, as in the reference: both would write the same file.
    let content = heredocs.iter().rfind(|candidate| candidate.name == heredoc.name);
    Source::Inline(InlineFile {
        content: content.map(Heredoc::text).unwrap_or_default(),
        expand: heredoc.expand,
        name: heredoc.name,
        place: word.clone(),
    })
}

fn check_destination(statement: &Statement, destination: &Word) -> Result<(), Fault> {
    if !matches!(Heredoc::from_word(&destination.text), Ok(Some(_))) {
        return Ok(());
    }
    let message = format!("{} cannot accept a heredoc as a destination", statement.name());
    Err(Fault::error(rules::INVALID_HEREDOC, message, &destination.span))
}
