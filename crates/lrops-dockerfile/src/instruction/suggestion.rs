//! `did you mean …?`

/// How many edits a suggestion may be away; the reference's limit.
const DISTANCE_MAX: usize = 2;

/// Words longer than this get no suggestion: nothing that is asked for is nearly as long.
const LENGTH_MAX: usize = 64;

/// Returns the option nearest to what was written, if one is near; the first of equals wins.
pub fn suggestion<'o>(written: &str, options: &[&'o str]) -> Option<&'o str> {
    if written.len() > LENGTH_MAX || options.contains(&written) {
        return None;
    }
    let near = options.iter().map(|option| (distance(written, option), *option));
    near.filter(|(distance, _)| *distance <= DISTANCE_MAX)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, option)| option)
}

/// Returns the advice that names the nearest option.
pub(super) fn did_you_mean(written: &str, options: &[&str]) -> Option<String> {
    suggestion(written, options).map(|option| format!("did you mean {option}?"))
}

/// Returns the Levenshtein distance of two texts.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 1..=right.len() {
            let substituted = diagonal + usize::from(character != right[column - 1]);
            diagonal = row[column];
            row[column] = substituted.min(diagonal + 1).min(row[column - 1] + 1);
        }
    }
    row[right.len()]
}
