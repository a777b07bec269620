//! The difference between two texts, in the unified form that `git apply` and `patch` take.

use std::fmt::Write;

/// How many lines are shown around a change.
const CONTEXT_LINES: usize = 3;

/// How many pairs of lines are compared. Beyond that all between the first difference and the last is one change.
const COMPARED_PAIRS_MAX: usize = 16_000_000;

/// A line of one text or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'t> {
    Same(&'t str),
    Removed(&'t str),
    Added(&'t str),
}

/// Returns the difference between two texts of a file; nothing when there is none.
///
/// ```text
/// --- a/Dockerfile
/// +++ b/Dockerfile
/// @@ -1,2 +1,2 @@
///  FROM scratch
/// -ARG TARGETARCH=amd64
/// +ARG TARGETARCH
/// ```
pub(crate) fn unified(name: &str, old: &str, new: &str) -> String {
    let lines = lines(old, new);
    let changed: Vec<usize> = (0..lines.len())
        .filter(|at| !matches!(lines[*at], Line::Same(_)))
        .collect();
    let mut text = String::new();
    let mut rest = &changed[..];
    while let Some(first) = rest.first() {
        // Changes whose surroundings meet are one piece.
        let is_far = |pair: &[usize]| pair[1] - pair[0] > 2 * CONTEXT_LINES + 1;
        let length = rest.windows(2).position(is_far).map_or(rest.len(), |gap| gap + 1);
        let start = first.saturating_sub(CONTEXT_LINES);
        let end = (rest[length - 1] + CONTEXT_LINES + 1).min(lines.len());
        push_piece(&mut text, &lines, start, end);
        rest = &rest[length..];
    }
    if text.is_empty() {
        return text;
    }
    let (before, after) = if name.starts_with('/') {
        ("", "")
    } else {
        ("a/", "b/")
    };
    format!("--- {before}{name}\n+++ {after}{name}\n{text}")
}

fn push_piece(text: &mut String, lines: &[Line<'_>], start: usize, end: usize) {
    let count = |lines: &[Line<'_>], is_counted: fn(&Line<'_>) -> bool| {
        lines.iter().filter(|line| is_counted(line)).count()
    };
    let is_old = |line: &Line<'_>| !matches!(line, Line::Added(_));
    let is_new = |line: &Line<'_>| !matches!(line, Line::Removed(_));
    let (before, piece) = (&lines[..start], &lines[start..end]);
    let side = |is_counted| {
        let length = count(piece, is_counted);
        // An empty side names the line that it comes behind.
        let first = count(before, is_counted) + usize::from(length > 0);
        format!("{first},{length}")
    };
    // Writing to a text does not fail.
    let _ = writeln!(text, "@@ -{} +{} @@", side(is_old), side(is_new));
    for line in piece {
        let (mark, line) = match line {
            Line::Same(line) => (' ', line),
            Line::Removed(line) => ('-', line),
            Line::Added(line) => ('+', line),
        };
        text.push(mark);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// Returns the lines of both texts, in an order that is right for each.
fn lines<'t>(old: &'t str, new: &'t str) -> Vec<Line<'t>> {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let tails = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tails.take_while(|(old, new)| old == new).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let mut lines: Vec<Line<'_>> = old[..head].iter().copied().map(Line::Same).collect();
    lines.extend(changes(&old[head..old_end], &new[head..new_end]));
    lines.extend(old[old_end..].iter().copied().map(Line::Same));
    lines
}

/// Keeps as many lines as both have in one order.
fn changes<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let width = new.len() + 1;
    let mut kept = vec![0_u32; 0];
    if old.len().saturating_mul(new.len()) <= COMPARED_PAIRS_MAX {
        kept.resize((old.len() + 1) * width, 0);
        for (row, old_line) in old.iter().enumerate().rev() {
            for (column, new_line) in new.iter().enumerate().rev() {
                let at = row * width + column;
                kept[at] = if old_line == new_line {
                    kept[at + width + 1] + 1
                } else {
                    kept[at + width].max(kept[at + 1])
                };
            }
        }
    }
    let kept = |row: usize, column: usize| kept.get(row * width + column).copied().unwrap_or(0);
    let (mut row, mut column) = (0, 0);
    let mut lines = Vec::new();
    while row < old.len() || column < new.len() {
        if row < old.len() && column < new.len() && old[row] == new[column] {
            lines.push(Line::Same(old[row]));
            row += 1;
            column += 1;
        } else if column == new.len() || (row < old.len() && kept(row + 1, column) >= kept(row, column + 1)) {
            lines.push(Line::Removed(old[row]));
            row += 1;
        } else {
            lines.push(Line::Added(new[column]));
            column += 1;
        }
    }
    lines
}

#[cfg(test)]
#[expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its texts so"
)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(old: &str, new: &str, expected: Expect) {
        expected.assert_eq(&unified("Dockerfile", old, new));
    }

    #[test]
    fn equal_texts_have_no_difference() {
        check("", "", expect![[""]]);
        check("a\n", "a\n", expect![[""]]);
    }

    #[test]
    fn changes_are_shown_with_three_lines_around_them() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n";
        check(
            old,
            new,
            expect![[r#"
                --- a/Dockerfile
                +++ b/Dockerfile
                @@ -2,10 +2,11 @@
                 2
                 3
                 4
                -5
                +five
                 6
                 7
                 8
                 9
                 10
                 11
                +12
            "#]],
        );
    }

    #[test]
    fn changes_far_from_each_other_are_pieces_of_their_own() {
        let old: Vec<String> = (1..=20).map(|number| format!("{number}\n")).collect();
        let new = old.concat().replace("1\n2\n", "2\n").replace("20\n", "");
        check(
            &old.concat(),
            &new,
            expect![[r#"
                --- a/Dockerfile
                +++ b/Dockerfile
                @@ -1,4 +1,3 @@
                -1
                 2
                 3
                 4
                @@ -17,4 +16,3 @@
                 17
                 18
                 19
                -20
            "#]],
        );
    }

    #[test]
    fn an_end_without_line_feed_is_marked() {
        check(
            "a",
            "b\r\na",
            expect![[
                "--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1,1 +1,2 @@\n+b\r\n a\n\\ No newline at end of file\n"
            ]],
        );
        check(
            "",
            "a\n",
            expect![["--- a/Dockerfile\n+++ b/Dockerfile\n@@ -0,0 +1,1 @@\n+a\n"]],
        );
    }

    #[test]
    fn texts_that_are_too_long_to_compare_are_one_change() {
        let old: Vec<String> = (0..4001).map(|number| format!("{number}\n")).collect();
        let new: Vec<String> = (0..4001).map(|number| format!("{}\n", number + 4001)).collect();
        let text = unified("/x", &old.concat(), &new.concat());
        assert!(
            text.starts_with("--- /x\n+++ /x\n@@ -1,4001 +1,4001 @@\n-0\n"),
            "{}",
            &text[..80]
        );
        assert_eq!(text.lines().count(), 3 + 2 * 4001);
    }
}
