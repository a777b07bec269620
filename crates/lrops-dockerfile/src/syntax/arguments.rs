//! Reads the arguments in the form that the keyword asks for.

use super::joined::JoinedLine;
use super::json::{Json, read_json};
use super::split::{is_blank, split};
use super::words::{RangedWord, quoted_words};
use super::{Arguments, Fault, Pair, PairForm, Span, Statement, Word, quoted, rules};

/// How deep `ONBUILD ONBUILD …` is followed. Chaining is an error anyway; the limit keeps a hostile line from
/// exhausting the stack.
const TRIGGER_DEPTH_MAX: u32 = 4;

/// Reads one statement from a range of a logical line.
pub(super) fn read_statement(line: &JoinedLine, escape: char) -> (Statement, Option<Fault>) {
    let reader = Reader { line, escape };
    reader.statement(&(0..line.text().len()), 0)
}

struct Reader<'l> {
    line: &'l JoinedLine,
    escape: char,
}

impl Reader<'_> {
    fn statement(&self, range: &Span, depth: u32) -> (Statement, Option<Fault>) {
        let parts = split(self.line, range, self.escape);
        let keyword = self.line.word(&parts.keyword);
        let (arguments, fault) = match self.arguments(&keyword, &parts.rest, depth) {
            Ok(arguments) => (arguments, None),
            Err(fault) => (Arguments::Unreadable, Some(fault)),
        };
        let statement = Statement {
            keyword,
            flags: parts.flags,
            arguments,
            heredocs: Vec::new(),
            text: self.line.text()[range.clone()].to_owned(),
            span: self.line.span(range),
            first_line: 0,
            last_line: 0,
            comments: Vec::new(),
        };
        (statement, fault)
    }

    fn arguments(&self, keyword: &Word, rest: &Span, depth: u32) -> Result<Arguments, Fault> {
        let keyword = keyword.text.to_ascii_lowercase();
        match keyword.as_str() {
            "add" | "copy" | "volume" => self.json_or(rest, Self::plain_words),
            "cmd" | "entrypoint" | "run" | "shell" => self.json_or(rest, Self::text),
            "arg" => Ok(self.list(self.quoted_words(rest))),
            "env" | "label" => self.pairs(&keyword.to_ascii_uppercase(), rest),
            "expose" | "from" => Ok(self.plain_words(rest)),
            "healthcheck" => self.healthcheck(rest),
            "maintainer" | "stopsignal" | "user" | "workdir" => Ok(self.text(rest)),
            "onbuild" => self.trigger(rest, depth),
            _ => Ok(Arguments::Unknown),
        }
    }

    fn text(&self, rest: &Span) -> Arguments {
        if rest.is_empty() {
            Arguments::Nothing
        } else {
            Arguments::Text(self.line.word(rest))
        }
    }

    fn plain_words(&self, rest: &Span) -> Arguments {
        let mut words = Vec::new();
        let mut start = rest.start;
        for piece in self.line.text()[rest.clone()].split(is_blank) {
            if !piece.is_empty() {
                words.push(self.line.word(&(start..start + piece.len())));
            }
            // Every separator is one byte long.
            start += piece.len() + 1;
        }
        if words.is_empty() {
            Arguments::Nothing
        } else {
            Arguments::Words(words)
        }
    }

    fn json_or(&self, rest: &Span, other: fn(&Self, &Span) -> Arguments) -> Result<Arguments, Fault> {
        match read_json(self.line.text(), rest) {
            Json::Strings(strings) => Ok(Arguments::Json(self.located(strings))),
            Json::Other => Ok(other(self, rest)),
            Json::NotOnlyStrings => Err(self.fault(
                "when using JSON array syntax, arrays must be comprised of strings only".to_owned(),
                rest,
            )),
        }
    }

    fn pairs(&self, keyword: &str, rest: &Span) -> Result<Arguments, Fault> {
        let words = self.quoted_words(rest);
        match words.first() {
            None => Ok(Arguments::Nothing),
            Some((first, _)) if first.contains('=') => {
                let pairs = words.into_iter().map(|word| self.pair(word));
                Ok(Arguments::Pairs(pairs.collect::<Result<_, _>>()?))
            }
            Some(_) => Ok(Arguments::Pairs(vec![self.legacy_pair(keyword, rest)?])),
        }
    }

    fn pair(&self, (word, range): RangedWord) -> Result<Pair, Fault> {
        let Some(equals) = word.find('=') else {
            let message = format!(
                "Syntax error - can't find = in {}. Must be of the form: name=value",
                quoted(&word)
            );
            return Err(self
                .fault(message, &range)
                .advise("put the value in quotes if it holds spaces".to_owned()));
        };
        Ok(Pair {
            name: self
                .line
                .word_reading(&(range.start..range.start + equals), word[..equals].to_owned()),
            value: self.line.word_reading(
                &(range.start + equals + 1..range.end),
                word[equals + 1..].to_owned(),
            ),
            form: PairForm::Equals,
        })
    }

    fn legacy_pair(&self, keyword: &str, rest: &Span) -> Result<Pair, Fault> {
        let text = &self.line.text()[rest.clone()];
        let Some(length) = text.find(is_blank) else {
            let advice = format!("write {keyword} name=value");
            return Err(self
                .fault(format!("{keyword} must have two arguments"), rest)
                .advise(advice));
        };
        let value = text[length..].trim_start_matches(is_blank);
        Ok(Pair {
            name: self.line.word(&(rest.start..rest.start + length)),
            value: self.line.word(&(rest.end - value.len()..rest.end)),
            form: PairForm::Legacy,
        })
    }

    fn healthcheck(&self, rest: &Span) -> Result<Arguments, Fault> {
        if rest.is_empty() {
            return Ok(Arguments::Nothing);
        }
        let text = &self.line.text()[rest.clone()];
        let length = text.find(char::is_whitespace).unwrap_or(text.len());
        let command = text[length..].trim_start();
        let command = self.json_or(&(rest.end - command.len()..rest.end), Self::text)?;
        let kind = self.line.word(&(rest.start..rest.start + length));
        Ok(Arguments::Healthcheck {
            kind,
            command: Box::new(command),
        })
    }

    fn trigger(&self, rest: &Span, depth: u32) -> Result<Arguments, Fault> {
        if rest.is_empty() {
            return Ok(Arguments::Nothing);
        }
        if depth >= TRIGGER_DEPTH_MAX {
            return Ok(Arguments::Unknown);
        }
        match self.statement(rest, depth + 1) {
            (_, Some(fault)) => Err(fault),
            (trigger, None) => Ok(Arguments::Trigger(Box::new(trigger))),
        }
    }

    fn quoted_words(&self, rest: &Span) -> Vec<RangedWord> {
        quoted_words(self.line.text(), rest, self.escape)
    }

    fn list(&self, words: Vec<RangedWord>) -> Arguments {
        if words.is_empty() {
            Arguments::Nothing
        } else {
            Arguments::Words(self.located(words))
        }
    }

    fn located(&self, words: Vec<RangedWord>) -> Vec<Word> {
        words
            .into_iter()
            .map(|(text, range)| self.line.word_reading(&range, text))
            .collect()
    }

    fn fault(&self, message: String, range: &Span) -> Fault {
        Fault::error(rules::INVALID_ARGUMENTS, message, &self.line.span(range))
    }
}
