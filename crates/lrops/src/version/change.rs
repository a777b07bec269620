//! What commits change, as their messages say in the manner of [Conventional Commits](https://www.conventionalcommits.org).

/// How much commits change for whoever uses the project; the greatest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// Something was mended, or nobody notices.
    Other,
    /// Something is new.
    Feature,
    /// Something does not work any more as it did.
    Breaking,
}

/// Returns the greatest change of several commits, by their messages; none, when there are no commits.
pub(crate) fn change_of<'a>(messages: impl IntoIterator<Item = &'a str>) -> Option<Change> {
    messages.into_iter().map(of_message).max()
}

/// The first line of a message is `type(scope)!: description`; a footer may say what breaks.
fn of_message(message: &str) -> Change {
    let message = message.trim_start();
    let (subject, body) = message.split_once('\n').unwrap_or((message, ""));
    let breaks = |line: &str| line.starts_with("BREAKING CHANGE: ") || line.starts_with("BREAKING-CHANGE: ");
    if body.lines().any(breaks) {
        return Change::Breaking;
    }
    let Some((head, _)) = subject.split_once(": ") else {
        return Change::Other;
    };
    let (head, is_breaking) = match head.strip_suffix('!') {
        Some(head) => (head, true),
        None => (head, false),
    };
    let kind = match head.split_once('(') {
        Some((kind, scope)) if scope.ends_with(')') => kind,
        Some(_) => return Change::Other,
        None => head,
    };
    let is_word = !kind.is_empty()
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match is_word {
        true if is_breaking => Change::Breaking,
        true if kind.eq_ignore_ascii_case("feat") => Change::Feature,
        _ => Change::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_how_much_it_changes() {
        for (message, expected) in [
            ("fix: a thing", Change::Other),
            ("mend the thing", Change::Other),
            ("chore(deps): newer", Change::Other),
            ("feat: a thing", Change::Feature),
            ("Feat(web): a thing", Change::Feature),
            ("feature: a thing", Change::Other),
            ("feat a thing", Change::Other),
            ("feat(web: a thing", Change::Other),
            ("fix!: a thing", Change::Breaking),
            ("refactor(api)!: a thing", Change::Breaking),
            ("Watch out!: that is no type", Change::Other),
            ("fix: x\n\nBREAKING CHANGE: all is new", Change::Breaking),
            ("x\n\nbody\n\nBREAKING-CHANGE: all is new\n", Change::Breaking),
            ("fix: x\n\nthis is no BREAKING CHANGE: see", Change::Other),
            ("fix: say BREAKING CHANGE: less", Change::Other),
            ("", Change::Other),
        ] {
            assert_eq!(of_message(message), expected, "{message:?}");
        }
    }

    #[test]
    fn the_greatest_change_counts() {
        assert_eq!(change_of(["fix: a", "feat: b", "c"]), Some(Change::Feature));
        assert_eq!(change_of(["feat: b", "fix!: c"]), Some(Change::Breaking));
        assert_eq!(change_of([]), None);
    }
}
