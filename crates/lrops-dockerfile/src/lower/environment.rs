//! An ordered list of variables.

/// Variables in the order in which they were first set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Environment(Vec<(String, String)>);

impl Environment {
    /// Returns a variable's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Sets a variable; one that is there keeps its position.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Returns the names of all variables.
    pub(super) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Returns all variables.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Sets a variable in a config's list of `NAME=value`; one that is there keeps its position.
pub(super) fn set_in_config(list: &mut Vec<String>, name: &str, value: &str) {
    let line = format!("{name}={value}");
    match list.iter_mut().find(|line| split(line).0 == name) {
        Some(old) => *old = line,
        None => list.push(line),
    }
}

/// Splits `NAME=value`; a line without `=` has an empty value.
pub(super) fn split(line: &str) -> (&str, &str) {
    line.split_once('=').unwrap_or((line, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_set_again_keeps_its_position() {
        let mut list = vec!["A=1".to_owned(), "B=2".to_owned()];
        set_in_config(&mut list, "A", "3");
        set_in_config(&mut list, "C", "4");
        assert_eq!(list, ["A=3", "B=2", "C=4"]);
    }
}
