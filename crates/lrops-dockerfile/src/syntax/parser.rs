//! Reads a source into statements.

use lrops_model::finding::Finding;

use super::arguments::read_statement;
use super::directive::DirectiveReader;
use super::heredoc::heredocs_of;
use super::joined::JoinedLine;
use super::lines::{Line, Lines};
use super::{Directives, Fault, Heredoc, LINE_SIZE_BYTES_MAX, LineIndex, Span, Statement, quoted, rules};

/// A source read into statements, and what is wrong with it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The parser directives at the top.
    pub directives: Directives,
    /// The statements in the order they stand, those with an unknown keyword too.
    pub statements: Vec<Statement>,
    /// What is wrong with the syntax, in the order it stands.
    pub findings: Vec<Finding>,
}

/// Reads a source into statements.
///
/// ```
/// let parsed = lrops_dockerfile::syntax::parse("FROM scratch\nCOPY --link a b /\n");
/// assert_eq!(parsed.statements[1].flags[0].text, "--link");
/// ```
pub fn parse(source: &str) -> Parsed {
    let mut parser = Parser::new(source);
    while let Some(line) = parser.next_line() {
        parser.begin(line);
    }
    parser.finish()
}

struct Parser<'a> {
    source: &'a str,
    lines: Lines<'a>,
    directives: DirectiveReader,
    comments: Vec<String>,
    statements: Vec<Statement>,
    faults: Vec<Fault>,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            lines: Lines::new(source),
            directives: DirectiveReader::default(),
            comments: Vec::new(),
            statements: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn next_line(&mut self) -> Option<Line<'a>> {
        let line = self.lines.next()?;
        if line.text.trim_end_matches('\n').len() > LINE_SIZE_BYTES_MAX {
            let message = format!("dockerfile line greater than max allowed size of {LINE_SIZE_BYTES_MAX}");
            self.faults.push(Fault::error(
                rules::LINE_TOO_LONG,
                message,
                &(line.start..line.end()),
            ));
        }
        Some(line)
    }

    /// Reads what begins at a line: a directive, a comment, nothing, or a statement.
    fn begin(&mut self, line: Line<'a>) {
        let content = line.content();
        let start = line.start + (content.len() - content.trim_start().len());
        match self.directives.read(content.trim_start(), start) {
            Ok(true) => return,
            Ok(false) => {}
            Err(fault) => return self.faults.push(fault),
        }
        if line.is_comment() {
            self.remember_comment(line);
        } else if !line.is_blank() {
            self.statement(line);
        }
    }

    fn remember_comment(&mut self, line: Line<'a>) {
        let mut characters = line.text.chars();
        // The reference drops the first character and then the spaces: an indented comment keeps its `#`.
        characters.next();
        match characters.as_str().trim() {
            "" => self.comments.clear(),
            comment => self.comments.push(comment.to_owned()),
        }
    }

    fn statement(&mut self, first: Line<'a>) {
        let first_line = self.lines.number();
        let joined = self.join(first);
        let (mut statement, fault) = read_statement(&joined, self.directives.directives.escape);
        self.faults.extend(fault);
        if statement.takes_heredocs() && joined.text().contains("<<") {
            self.heredocs(&mut statement);
        }
        statement.first_line = first_line;
        statement.last_line = self.lines.number();
        statement.comments = std::mem::take(&mut self.comments);
        self.statements.push(statement);
    }

    /// Joins a line with those that continue it, leaving out comments and empty lines between them.
    fn join(&mut self, first: Line<'a>) -> JoinedLine {
        let escape = self.directives.directives.escape;
        let content = first.content().trim_start();
        let (piece, mut continues) = without_continuation(content, escape);
        let mut joined = JoinedLine::default();
        joined.push(piece, first.end() - content.len());
        let mut has_empty = false;
        let mut last = first;
        while continues {
            let Some(line) = self.next_line() else { break };
            last = line;
            if line.is_comment() {
                continue;
            }
            if line.is_blank() {
                has_empty = true;
                continue;
            }
            let (piece, more) = without_continuation(line.content(), escape);
            joined.push(piece, line.start);
            continues = more;
        }
        if has_empty {
            self.warn_of_empty_continuation(&joined, last);
        }
        joined
    }

    /// Warns at the statement's last line, which is the one that the reference names.
    fn warn_of_empty_continuation(&mut self, joined: &JoinedLine, last: Line<'_>) {
        let message = format!("Empty continuation line found in: {}", joined.text());
        let advice = "remove the empty line, or put a # there".to_owned();
        self.faults.push(
            Fault::warning(rules::NO_EMPTY_CONTINUATION, message, &(last.start..last.end())).advise(advice),
        );
    }

    fn heredocs(&mut self, statement: &mut Statement) {
        let heredocs = match heredocs_of(&statement.text) {
            Ok(heredocs) => heredocs,
            Err(message) => {
                return self
                    .faults
                    .push(Fault::error(rules::INVALID_HEREDOC, message, &statement.span));
            }
        };
        for heredoc in heredocs {
            let heredoc = self.fill(heredoc, statement);
            statement.heredocs.push(heredoc);
        }
    }

    /// Reads the lines of a heredoc up to the one that ends it.
    fn fill(&mut self, mut heredoc: Heredoc, statement: &mut Statement) -> Heredoc {
        let opening = statement.span.clone();
        let start = self.lines.start();
        let mut end = start;
        while let Some(line) = self.next_line() {
            statement.span.end = line.end();
            if heredoc.ends_at(line.content()) {
                self.contain(&mut heredoc, start..end);
                return heredoc;
            }
            end = line.start + line.text.len();
        }
        let advice = format!(
            "end it with a line that holds {} and nothing else",
            quoted(&heredoc.name)
        );
        self.faults
            .push(Fault::error(rules::UNTERMINATED_HEREDOC, "unterminated heredoc", &opening).advise(advice));
        self.contain(&mut heredoc, start..end);
        heredoc
    }

    fn contain(&self, heredoc: &mut Heredoc, span: Span) {
        self.source[span.clone()].clone_into(&mut heredoc.content);
        heredoc.span = span;
    }

    fn finish(mut self) -> Parsed {
        if self.statements.is_empty() {
            let end = self.source.len();
            self.faults.push(Fault::error(
                rules::NO_INSTRUCTIONS,
                "file with no instructions",
                &(end..end),
            ));
        }
        let lines = LineIndex::new(self.source);
        Parsed {
            directives: self.directives.directives,
            statements: self.statements,
            findings: self
                .faults
                .into_iter()
                .map(|fault| fault.into_finding(&lines))
                .collect(),
        }
    }
}

/// Takes the escape off a line that ends with one, and tells whether it did.
///
/// A doubled escape at the end is an escaped one and continues nothing; a tripled one neither, as in the reference.
fn without_continuation(line: &str, escape: char) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(before) if !before.ends_with(escape) => (before, true),
        _ => (line, false),
    }
}
